"""The result of freezing: a graph that computes outputs from inputs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from converters.errors import UnsupportedError
from converters.tensorflow.dtypes import Array
from converters.tensorflow.schema import new
from converters.tensorflow.signature import TensorSpec
from converters.tensorflow.tensors import set_shape, set_tensor

_LARGEST = (1 << 31) - (1 << 20)


@dataclass(frozen=True)
class InferenceGraph:
    """A graph without training: no variables, no dropout, no saver.

    Attributes:
        graph_def: A GraphDef message in which each weight above 1 KiB is a Placeholder of its type and shape.
        weights: The values of those placeholders by node name, in the graph's own shapes; read-only.
        inputs: The inputs, in order.
        outputs: The outputs, in order.
        layers: Per layer, the tensors of `graph_def` that hold its value.
        decisions: What was chosen and why, one sentence each.
        warnings: What the user should know, one sentence each.
        settings: Tensors of the source that were given a value, `is_training:0` say, with that value.
        bypassed: Tensors of the source that were taken out, dropout's, with the one that stands in for each.
        preprocessing: The statistics of tflearn's data preprocessing in the source: "mean", "std", "pc".
    """

    graph_def: Any = field(repr=False)
    weights: Mapping[str, Array] = field(repr=False)
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, tuple[str, ...]]
    decisions: tuple[str, ...]
    warnings: tuple[str, ...]
    settings: Mapping[str, Array] = field(default_factory=dict, repr=False)
    bypassed: Mapping[str, str] = field(default_factory=dict)
    preprocessing: Mapping[str, Array] = field(default_factory=dict, repr=False)

    def with_input_shapes(self, shapes: Sequence[tuple[int | None, ...] | None]) -> InferenceGraph:
        """Return the graph with these shapes for its inputs, where the graph itself does not say them."""
        specs = tuple(
            replace(spec, shape=shape) if spec.shape is None else spec
            for spec, shape in zip(self.inputs, shapes, strict=True)
        )
        graph = new("GraphDef")
        graph.CopyFrom(self.graph_def)
        placeholders = {f"{node.name}:0": node for node in graph.node}
        for spec in specs:
            if spec.shape is not None:
                shape = placeholders[spec.name].attr["shape"].shape
                shape.Clear()
                set_shape(shape, spec.shape)
        return replace(self, graph_def=graph, inputs=specs)

    def with_weights(self) -> bytes:
        """Return the serialized GraphDef with every weight in it as a constant.

        Raises:
            UnsupportedError: It would be larger than the 2 GiB that such a message may have.
        """
        total = sum(array.nbytes for array in self.weights.values())
        if total > _LARGEST:
            raise UnsupportedError(f"the weights have {total:,} bytes, more than the 2 GiB of a GraphDef")
        graph = new("GraphDef")
        graph.versions.CopyFrom(self.graph_def.versions)
        graph.library.CopyFrom(self.graph_def.library)
        for node in self.graph_def.node:
            if node.name in self.weights:
                set_constant(graph.node.add(), node.name, self.weights[node.name])
            else:
                graph.node.add().CopyFrom(node)
        data: bytes = graph.SerializeToString()
        return data


def set_constant(node: Any, name: str, value: Array) -> None:
    """Make the empty NodeDef `node` a constant."""
    node.name, node.op = name, "Const"
    set_tensor(node.attr["value"].tensor, value)
    node.attr["dtype"].type = node.attr["value"].tensor.dtype
