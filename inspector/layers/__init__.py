"""Layers of a model: what its author called one, with kind, shape, parameters and multiply-adds."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NotRequired, TypedDict, overload

from inspector.errors import UnknownLayerError
from inspector.layers.cost import multiply_adds
from inspector.layers.grouping import LAYER_KEY, group
from inspector.layers.operators import kernel, kind, learned, rank
from inspector.layers.shapes import Shape, Shapes
from inspector.layers.stored import Constant, Stored, stored_values
from inspector.onnxfile import Dimension, Node, OnnxFile, in_order
from inspector.safe_names import printable

__all__ = ["LAYER_KEY", "Layer", "LayerDict", "Layers", "LayersDict", "layers_of"]


class LayerDict(TypedDict):
    """One layer as JSON; `kernel` is there where the file holds weights alone."""

    name: str
    kind: str
    op_type: str
    output: str
    shape: list[Dimension] | None
    parameters: int
    multiply_adds: int | None
    kernel: NotRequired[list[int] | None]


class LayersDict(TypedDict):
    """All layers as JSON."""

    model: str
    layers: list[LayerDict]
    parameters: int
    multiply_adds: int | None


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer.

    Attributes:
        name: Unique within the model.
        kind: What it is, in words that people use: "Conv", "DepthwiseConv", "Dense", "MaxPool".
        op_type: The operator that does its main work.
        nodes: Its nodes, in the order in which they run.
        output: Name of the value that it gives.
        parameters: How many learned numbers it holds; one that several layers share counts in the first.
        weight: Name of the value that holds its kernels, when it is a convolution.
        kernel: Shape of its kernels, (out, in, …), when it is one in a file that holds weights alone.
    """

    name: str
    kind: str
    op_type: str
    nodes: tuple[Node, ...]
    output: str
    parameters: int
    weight: str | None
    _shapes: Shapes | None = field(repr=False)
    kernel: tuple[int, ...] | None = None

    @cached_property
    def shape(self) -> Shape | None:
        """Shape of the output as the model has it; None when it cannot be told. Imports onnx."""
        return None if self._shapes is None else self._shapes.get(self.output)

    @cached_property
    def multiply_adds(self) -> int | None:
        """Multiply-adds for one sample, a dynamic batch taken as 1; None when unknown. Imports onnx."""
        if self._shapes is None:
            return None
        counts = [multiply_adds(node, self._shapes) for node in self.nodes]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def shape_text(self) -> str:
        """The shape for people: "N x 32 x 91 x 91", "?" for what is not known."""
        return "?" if self.shape is None else _sizes(self.shape)

    @property
    def kernel_text(self) -> str:
        """The shape of the kernels for people: "32 x 3 x 5 x 5"; empty when there are none."""
        return "" if self.kernel is None else _sizes(self.kernel)

    def to_dict(self) -> LayerDict:
        """The layer as JSON has it."""
        found: LayerDict = {
            "name": self.name,
            "kind": self.kind,
            "op_type": self.op_type,
            "output": self.output,
            "shape": None if self.shape is None else list(self.shape),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
        }
        if self._shapes is None:
            found["kernel"] = None if self.kernel is None else list(self.kernel)
        return found


@dataclass(frozen=True, eq=False)
class Layers(Sequence[Layer]):
    """The layers of a model, in the order in which they run.

    Attributes:
        model: The model's path, for messages.
        all: The layers.
        weights_only: Whether the file holds no network: then values have no shapes, and kernels are shown by
            theirs.
    """

    model: str
    all: tuple[Layer, ...]
    weights_only: bool = False

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Layer, ...]: ...
    def __getitem__(self, index: int | slice) -> Layer | tuple[Layer, ...]:
        """The layer at a place."""
        return self.all[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.all)

    def __iter__(self) -> Iterator[Layer]:
        """Each layer in turn."""
        return iter(self.all)

    def __repr__(self) -> str:
        return f"Layers({self.model!r}, {[layer.name for layer in self.all]})"

    def get(self, name: str) -> Layer:
        """Return the layer of this name.

        Raises:
            UnknownLayerError: There is none; the message holds the nearest names.
        """
        if name not in self._by_name:
            raise UnknownLayerError(name, self._by_name, self.model)
        return self._by_name[name]

    @property
    def conv(self) -> tuple[Layer, ...]:
        """The layers that have kernels."""
        return tuple(layer for layer in self.all if layer.weight is not None)

    @property
    def parameters(self) -> int:
        """Parameters of all layers."""
        return sum(layer.parameters for layer in self.all)

    @property
    def multiply_adds(self) -> int | None:
        """Multiply-adds of all layers for one sample; None when those of one are not known."""
        counts = [layer.multiply_adds for layer in self.all]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def to_dict(self) -> LayersDict:
        """The layers and their totals as JSON has them."""
        return {
            "model": self.model,
            "layers": [layer.to_dict() for layer in self.all],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
        }

    def _repr_html_(self) -> str:
        head, *rows, total = self.rows()
        titles = "".join(f"<th>{title}</th>" for title in head)
        return (
            f"<table><thead><tr>{titles}</tr></thead>"
            f"<tbody>{''.join(_row(*row) for row in rows)}</tbody><tfoot>{_row(*total)}</tfoot></table>"
        )

    def rows(self) -> list[tuple[str | int | None, ...]]:
        """The layers as a table: the headings, a row for each layer, the totals; None is what is unknown."""
        if self.weights_only:
            return [
                ("layer", "kind", "kernels", "parameters"),
                *((each.name, each.kind, each.kernel_text, each.parameters) for each in self.all),
                ("total", "", "", self.parameters),
            ]
        return [
            ("layer", "kind", "output", "parameters", "multiply-adds"),
            *(
                (each.name, each.kind, each.shape_text, each.parameters, each.multiply_adds)
                for each in self.all
            ),
            ("total", "", "", self.parameters, self.multiply_adds),
        ]

    @cached_property
    def _by_name(self) -> Mapping[str, Layer]:
        return {layer.name: layer for layer in self.all}


def layers_of(file: OnnxFile) -> Layers:
    """Find the layers of a model.

    A layer is called as its nodes say (metadata `inspector.layer`), else by its weight ("conv1" for
    "conv1.weight"), else by its node, else by its output. Shapes and multiply-adds are worked out when first
    asked for.

    Args:
        file: The opened model.

    Raises:
        ModelError: An attribute that is needed is broken.
        TensorError: So is a tensor.
    """
    nodes, _ = in_order(file.graph.nodes)
    stored = stored_values(file.graph, nodes)
    shapes = Shapes(file)
    counted: set[str] = set()
    found = []
    for name, members in group(file.graph, nodes, stored):
        main = min(members, key=lambda node: (rank(node), any(out in stored for out in node.outputs)))
        fresh = [root for root in _parameters(members, stored) if root.name not in counted]
        counted.update(root.name for root in fresh)
        found.append(
            Layer(
                name=name,
                kind=kind(main, stored),
                op_type=main.op_type,
                nodes=members,
                output=_output(members, stored),
                parameters=sum(root.size for root in fresh),
                weight=kernel(main),
                _shapes=shapes,
            )
        )
    return Layers(str(file.path), tuple(found))


def _parameters(nodes: Sequence[Node], stored: MutableMapping[str, Stored]) -> tuple[Constant, ...]:
    """The learned constants behind these nodes, those of graphs inside them included."""
    found = dict.fromkeys(root for node in nodes for root in learned(node, stored))
    for node in nodes:
        for inner in node.graphs:
            within = stored_values(inner, inner.nodes)
            found.update(dict.fromkeys(_parameters(inner.nodes, ChainMap(within, stored))))
    return tuple(found)


def _output(nodes: Sequence[Node], stored: Mapping[str, Stored]) -> str:
    """The last value that these nodes make and that depends on the model's inputs."""
    for node in reversed(nodes):
        for name in node.outputs:
            if name and name not in stored:
                return name
    return ""


def _sizes(shape: Shape) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape) or "scalar"


def _row(*cells: str | int | None) -> str:
    import html

    shown = (
        "-" if cell is None else f"{cell:,}" if isinstance(cell, int) else html.escape(printable(cell))
        for cell in cells
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in shown)}</tr>"
