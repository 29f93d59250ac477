"""The ONNX graph under construction.

Convolutions want the channels on the second axis, TensorFlow mostly has them on the last. Instead of
wrapping each convolution in two transpositions and looking for pairs that cancel afterwards, each value knows
how it lies: whatever can work on either order keeps what it gets, and `plain` or `channels_first` change the
order of a value once, however many read it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from converters.assemble import Assembled
from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.nodes import Nodes
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import CHANNELS_FIRST, Layout, Shape, Value
from converters.tensorflow.topology import Node
from converters.trials import TensorSpec

if TYPE_CHECKING:
    from onnx import NodeProto

Operand: TypeAlias = "Value | Array | None"


class Emission:
    """Collects nodes and initializers while the nodes of a TensorFlow graph are written one after another."""

    def __init__(self, opset: int, *, readers: Mapping[str, int], fold: bool = False) -> None:
        """Begin an empty graph.

        Args:
            opset: The ONNX opset to write.
            readers: TensorFlow tensor → how many inputs of nodes and outputs of the graph it is.
            fold: Whether batch normalization goes into the weights of the convolution before it.
        """
        self.opset = opset
        self.fold = fold
        self._readers = readers
        self._values: dict[str, Value] = {}
        self._sources: dict[str, Node] = {}
        self._nodes = Nodes()
        self._plain: dict[str, Value] = {}
        self._first: dict[str, Value] = {}
        # What the TensorFlow node at hand has written: the names of its values, and its first node's place.
        self._scope = ""
        self._own: set[str] = set()
        self._mark = 0

    # What emitters read.

    def input(self, node: Node, index: int) -> Value:
        """The value that a node reads as its input number `index`, which may be negative.

        Raises:
            NoEmitter: The node before it has no such output in ONNX.
        """
        tensor = node.inputs[index]
        if tensor not in self._values:
            raise NoEmitter(node, f"it reads {tensor!r}, which has no counterpart")
        return self._values[tensor]

    def inputs(self, node: Node) -> tuple[Value, ...]:
        """All values that a node reads."""
        return tuple(self.input(node, index) for index in range(len(node.inputs)))

    def const(self, node: Node, index: int) -> Array | None:
        """The numbers of an input, or None when they depend on the graph's inputs."""
        return self.input(node, index).constant

    def needed_const(self, node: Node, index: int, what: str) -> Array:
        """The numbers of an input that the emitter cannot do without.

        Raises:
            NoEmitter: They depend on the graph's inputs.
        """
        value = self.const(node, index)
        if value is None:
            raise NoEmitter(node, f"its {what} is not a constant")
        return value

    def is_only_reader(self, node: Node, index: int) -> bool:
        """Whether nothing else reads an input of this node, and it is no output of the graph."""
        return self._readers.get(node.inputs[index], 0) == 1

    def readers(self, tensor: str) -> int:
        """How many inputs of nodes and outputs of the graph a TensorFlow tensor is."""
        return self._readers.get(tensor, 0)

    def source(self, node: Node, index: int) -> Node | None:
        """The TensorFlow node that an input of this node comes from; None for inputs and constants."""
        return self._sources.get(node.inputs[index])

    def maker(self, value: Value) -> NodeProto | None:
        """The ONNX node that computes a value; it may be changed where the value has one reader."""
        return self._nodes.maker(value.name)

    def initializer(self, name: str) -> Array | None:
        """The numbers that a node reads under a name, where they are an initializer."""
        return self._nodes.initializer(name)

    def adopt(self, value: Value) -> Value:
        """Take over a value of a node before, after changing its maker: it gets this node's name."""
        self._own.add(value.name)
        return value

    # What emitters write.

    def node(self, op_type: str, inputs: Sequence[Operand], like: Value, **attributes: Any) -> Value:
        """Add an ONNX node with one output.

        Args:
            op_type: Of ONNX.
            inputs: Values, small arrays that become initializers, or None for an input that is left out.
            like: Gives the output's dtype, its shape in TensorFlow's order, and its layout; see `Value.like`.
            attributes: Of the node; None leaves one out.
        """
        return self.nodes(op_type, inputs, [like], **attributes)[0]

    def nodes(
        self, op_type: str, inputs: Sequence[Operand], likes: Sequence[Value], **attributes: Any
    ) -> tuple[Value, ...]:
        """Add an ONNX node with several outputs; the arguments are those of `node`."""
        names = ["" if item is None else self._reference(item) for item in inputs]
        while names and not names[-1]:
            names.pop()
        given = {name: value for name, value in attributes.items() if value is not None}
        # Sizes are computed again and again where a graph was unrolled, and the zeros that states begin with.
        key = (op_type, *names, repr(sorted(given.items())))
        shared = likes[0].dtype.kind in "iu" or op_type == "ConstantOfShape"
        made = self._nodes.twin(key) if shared else None
        if made is None:
            # They get TensorFlow's names only when it is known which of them it is that the emitter returns.
            made = self._nodes.add(op_type, names, [f"{self._scope}/{op_type}"] * len(likes), given)
            self._own.update(made)
            if shared:
                self._nodes.remember(key, made[0])
        return tuple(
            dataclasses.replace(like, name=name, constant=None)
            for like, name in zip(likes, made, strict=True)
        )

    def weight(self, array: Array, name: str) -> Value:
        """A constant that becomes an initializer of this name; the array may be a view of a mapped file."""
        return Value(name, array.dtype, array.shape, constant=array)

    def small(self, array: Array | Sequence[int] | int, dtype: str = "int64") -> Value:
        """A small constant: axes, sizes, pads."""
        made = np.asarray(array, None if isinstance(array, np.ndarray) else dtype)
        return Value("constant", made.dtype, made.shape, constant=made)

    def scalar(self, number: float, like: Value) -> Value:
        """A number of another value's type."""
        return self.small(np.asarray(number, like.dtype))

    def reference(self, value: Value) -> str:
        """The name by which a node reads a value; a constant becomes an initializer."""
        return self._reference(value)

    # The order of axes.

    def plain(self, value: Value) -> Value:
        """The value with its axes in TensorFlow's order."""
        if not value.is_first:
            return value
        if value.name not in self._plain:
            rank = len(value.shape or ())
            made = self._moved(value, "plain", (0, *range(2, rank), 1))
            self._plain[value.name], self._first[made.name] = made, value
        return self._plain[value.name]

    def channels_first(self, value: Value) -> Value:
        """The value with its last axis as the second one of the ONNX tensor."""
        if value.is_first:
            return value
        if value.shape is None or len(value.shape) < 3:
            raise ValueError(f"{value.name} has no channels to move")
        if value.constant is not None:
            moved = np.moveaxis(value.constant, -1, 1)
            held = self.reference(self.weight(moved, value.name))
            return dataclasses.replace(value.like(layout=CHANNELS_FIRST), name=held)
        if value.name not in self._first:
            rank = len(value.shape)
            made = self._moved(value, CHANNELS_FIRST, (0, rank - 1, *range(1, rank - 1)))
            self._first[value.name], self._plain[made.name] = made, value
        return self._first[value.name]

    def aligned(self, *values: Value) -> tuple[tuple[Value, ...], Layout, int | None]:
        """Values that a broadcasting operator can read together.

        Returns:
            The values, the layout of what the operator makes of them, and its rank where that is known.
        """
        ranks = [value.rank for value in values]
        rank = None if None in ranks else max((r for r in ranks if r is not None), default=0)
        if rank is None or not any(value.is_first for value in values):
            return tuple(self.plain(value) for value in values), "plain", rank
        if not all(self._fits(value, rank) for value in values):
            return tuple(self.plain(value) for value in values), "plain", rank
        return tuple(self._spread(value, rank) for value in values), CHANNELS_FIRST, rank

    # What the package's driver calls.

    def begin(self, node: Node) -> None:
        """Start with a TensorFlow node: what follows is named after it."""
        self._scope, self._own, self._mark = node.name, set(), len(self._nodes)

    def end(self, node: Node, made: Value | tuple[Value, ...]) -> None:
        """Give what an emitter made of a node the names that TensorFlow has for it."""
        main: set[str] = set()
        for place, value in enumerate(made if isinstance(made, tuple) else (made,)):
            tensor = f"{node.name}:{place}"
            if value.name in self._own and not self._nodes.is_taken(tensor):
                value = self._renamed(value, tensor)
                main.add(tensor)
            self._values[tensor], self._sources[tensor] = value, node
        self._nodes.name_nodes(node.name, main, since=self._mark)

    def give(self, tensor: str, value: Value) -> None:
        """Set what a TensorFlow tensor is."""
        self._values[tensor] = value

    def shape(self, tensor: str) -> Shape:
        """The shape of a TensorFlow tensor that has been written."""
        return self._values[tensor].shape

    def finish(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Assembled:
        """The whole graph, without what no output needs."""
        declared = []
        for spec in outputs:
            self._scope, self._mark = spec.name.rpartition(":")[0], len(self._nodes)
            declared.append(_declared(self._as_output(spec), spec.name))
            self._nodes.name_nodes(self._scope, [], since=self._mark)
        given = [_declared(self._values[spec.name], spec.name) for spec in inputs]
        return self._nodes.assembled(given, declared, self.opset)

    # Private.

    def _reference(self, operand: Value | Array) -> str:
        value = self.small(operand) if isinstance(operand, np.ndarray) else operand
        return value.name if value.constant is None else self._nodes.hold(value.name, value.constant)

    def _moved(self, value: Value, layout: Layout, order: tuple[int, ...]) -> Value:
        """Change the order of the axes of the ONNX tensor."""
        assert value.physical is not None
        like = value.like(layout=layout)
        target = [value.physical[axis] for axis in order]
        wide = [axis for axis in order[1:] if value.physical[axis] != 1]
        if sorted(wide) == wide and target.count(None) <= 1:
            sizes = [-1 if size is None else size for size in target]
            return self.node("Reshape", [value, self.small(sizes)], like)
        return self.node("Transpose", [value], like, perm=order)

    def _fits(self, value: Value, rank: int) -> bool:
        """Whether a value can be read beside channels-first ones of this rank without much ado."""
        return value.rank in (0, rank) or value.constant is not None

    def _spread(self, value: Value, rank: int) -> Value:
        """A value as a channels-first operand."""
        if value.rank == 0 or value.is_first:
            return value
        if value.constant is None:
            return self.channels_first(value)
        if value.constant.size == 1:
            return self.weight(value.constant.reshape(()), value.name)
        padded = value.constant.reshape((1,) * (rank - value.constant.ndim) + value.constant.shape)
        moved = np.moveaxis(padded, -1, 1)
        return self.weight(moved[0] if len(moved) == 1 and moved.ndim > 3 else moved, value.name)

    def _renamed(self, value: Value, name: str) -> Value:
        """Rename a value that only the TensorFlow node at hand can have read."""
        self._nodes.rename(value.name, name, since=self._mark)
        renamed = dataclasses.replace(value, name=name)
        for cache in (self._plain, self._first):
            if value.name in cache:
                cache[name] = cache.pop(value.name)
            for key, other in cache.items():
                if other.name == value.name:
                    cache[key] = dataclasses.replace(other, name=name)
        return renamed

    def _as_output(self, spec: TensorSpec) -> Value:
        """Make a value an output of the graph: plain, and under its own name."""
        value = self._values[spec.name]
        plain = self.plain(value)
        if plain is not value:
            if value.name == spec.name:
                self._nodes.move_aside(spec.name, f"{spec.name}/channels_first")
            if self._nodes.is_unnamed(plain.name):
                self._nodes.rename(plain.name, spec.name)
                return dataclasses.replace(plain, name=spec.name)
        if plain.name == spec.name:
            return plain
        same = self.node("Identity", [plain], plain)
        self._nodes.rename(same.name, spec.name)
        return dataclasses.replace(same, name=spec.name)


def _declared(value: Value, name: str) -> Any:
    """An input or output of the graph as ONNX declares it."""
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    sizes = None
    if value.shape is not None:
        scope = name.rpartition(":")[0]
        sizes = [
            size if size is not None else "N" if axis == 0 else f"{scope}_{axis}"
            for axis, size in enumerate(value.shape)
        ]
    return helper.make_tensor_value_info(name, kind, sizes)
