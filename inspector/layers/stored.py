"""Values of a graph that are stored in the file, or made of what is stored there alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inspector.onnxfile import DataType, Graph, Node, SparseTensor, Tensor

# What lies between a stored weight and the node that uses it, and changes no number that was learned.
CARRIERS = frozenset(
    (
        "Identity",
        "Transpose",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Cast",
        "CastLike",
        "QuantizeLinear",
        "DequantizeLinear",
    )
)
_MAX_RANK = 32
_RANDOM = frozenset(("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli"))
_FLOATS = frozenset(
    dtype
    for dtype in DataType
    if dtype.name.startswith(("FLOAT", "BFLOAT", "COMPLEX")) or dtype is DataType.DOUBLE
)


@dataclass(frozen=True)
class Constant:
    """Numbers that stand in the file.

    Attributes:
        name: The value's name.
        shape: Size of each axis.
        dtype: Their type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DataType

    @property
    def size(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        """Whether they are real or complex numbers rather than integers, flags or strings."""
        return self.dtype in _FLOATS


@dataclass(frozen=True)
class Stored:
    """A value that depends on no input.

    Attributes:
        roots: The constants that it is made of; carriers pass on the first of their inputs alone.
        shape: Its own shape, where it can be told without computing it.
    """

    roots: tuple[Constant, ...]
    shape: tuple[int, ...] | None


def stored_values(graph: Graph, nodes: Iterable[Node]) -> dict[str, Stored]:
    """Find the values that depend on no input.

    Args:
        graph: The graph.
        nodes: Its nodes, each after those whose values it reads.

    Returns:
        What is known of each, by name.
    """
    tensors: list[Tensor | SparseTensor] = [*graph.initializers.values(), *graph.sparse_initializers.values()]
    found = {tensor.name: _root(Constant(tensor.name, tensor.shape, tensor.dtype)) for tensor in tensors}
    for node in nodes:
        made = _made(graph, node, found)
        if made is not None:
            found.update({name: made for name in node.outputs if name})
    return found


def _made(graph: Graph, node: Node, found: Mapping[str, Stored]) -> Stored | None:
    """What a node makes, if it depends on no input."""
    if (
        node.has_graphs
        or node.op_type in _RANDOM
        or not node.outputs
        or node.domain not in ("", "com.microsoft")
    ):
        return None
    if node.op_type == "Constant":
        return _root(_constant(node))
    inputs = [found.get(name) for name in node.inputs if name]
    known = [value for value in inputs if value is not None]
    if not known or len(known) < len(inputs):
        return None
    if node.op_type == "ConstantOfShape":
        return _root(_filled(graph, node))
    if node.op_type in CARRIERS:
        return Stored(known[0].roots, _carried_shape(node, known[0].shape))
    roots = dict.fromkeys(root for value in known for root in value.roots)
    return Stored(tuple(roots), None)


def _root(constant: Constant) -> Stored:
    return Stored((constant,), constant.shape)


def _constant(node: Node) -> Constant:
    """The value of a Constant node."""
    name = node.outputs[0]
    for value in node.attributes.values():
        if isinstance(value, (Tensor, SparseTensor)):
            return Constant(name, value.shape, value.dtype)
        sequence = value if isinstance(value, tuple) else (value,)
        shape = (len(sequence),) if isinstance(value, tuple) else ()
        if all(isinstance(part, float) for part in sequence):
            return Constant(name, shape, DataType.FLOAT)
        if all(isinstance(part, int) for part in sequence):
            return Constant(name, shape, DataType.INT64)
    return Constant(name, (), DataType.STRING)


def _filled(graph: Graph, node: Node) -> Constant:
    """The value of a ConstantOfShape node: its shape is the content of its input."""
    tensor = graph.initializers.get(node.inputs[0])
    maker = graph.producers.get(node.inputs[0])
    if tensor is None and maker is not None and isinstance(value := maker.attributes.get("value"), Tensor):
        tensor = value
    sizes: Sequence[int] = ()
    if tensor is not None and tensor.dtype == DataType.INT64 and tensor.size <= _MAX_RANK:
        sizes = [max(int(size), 0) for size in tensor.numpy().reshape(-1)]
    fill = node.attributes.get("value")
    return Constant(node.outputs[0], tuple(sizes), fill.dtype if isinstance(fill, Tensor) else DataType.FLOAT)


def _carried_shape(node: Node, shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The shape behind a carrier, where it follows from the shape before it."""
    if shape is None or node.op_type in ("Reshape", "Squeeze", "Unsqueeze", "Flatten"):
        return None
    if node.op_type != "Transpose":
        return shape
    order = node.attributes.get("perm", tuple(reversed(range(len(shape)))))
    if not isinstance(order, tuple) or sorted(map(str, order)) != sorted(map(str, range(len(shape)))):
        return None
    return tuple(shape[axis] for axis in order if isinstance(axis, int))
