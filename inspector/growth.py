"""Graphs that make much out of little: loops that multiply what they carry, constants folded into giants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from inspector.errors import RunError
from inspector.onnxfile.checks import all_nodes, in_order
from inspector.onnxfile.graph import Graph, Node
from inspector.onnxfile.source import AGAIN
from inspector.onnxfile.tensor import DataType, Tensor
from inspector.shape_arithmetic import Numbers, small_constants

if TYPE_CHECKING:
    from inspector.onnxfile.model_file import OnnxFile

_MOST_BYTES = 4 * 2**30

# Operators whose result is as large as the largest of their inputs, if nothing is broadcast.
_ELEMENTWISE = frozenset(
    ["Abs", "Add", "And", "Cast", "Ceil", "Clip", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu"]
).union(
    ["Greater", "HardSigmoid", "Identity", "LeakyRelu", "Less", "Log", "Max", "Mean", "Min", "Mod", "Mul"]
)
_RESHAPING = frozenset(["Flatten", "Reshape", "Squeeze", "Unsqueeze"])
_KEEPING = _RESHAPING.union(_ELEMENTWISE).union(
    [
        "Dropout",
        "Transpose",
        "Neg",
        "Not",
        "Or",
        "Pow",
        "Relu",
        "Round",
        "Selu",
        "Sigmoid",
        "Sin",
        "Softmax",
        "Sqrt",
        "Sub",
        "Sum",
    ],
    ["Tanh", "Where", "Xor"],
)
# Operators that enlarge by constants → which input holds them.
_SCALES = {"Tile": 1, "Upsample": 1, "Resize": 2}
# Operators of which the first input alone decides the size.
_OF_FIRST = _RESHAPING.union(["Cast", "DequantizeLinear", "Identity", "QuantizeLinear", "Slice", "Transpose"])
_BROADCASTING = frozenset(["Add", "And", "Div", "MatMul", "Max", "Min", "Mul", "Or", "Pow", "Sub", "Where"])


def check_loops(file: OnnxFile) -> None:
    """Check that no Loop makes a value that it carries several times larger in each of many rounds.

    Concatenation of a carried value with itself, tiling and resizing by constants are seen. What grows by a
    part of its own size in each round, as the text of a language model does, is let through.

    Raises:
        RunError: A Loop would enlarge a value beyond 4 GiB, or without end.
    """
    loops = [node for node in all_nodes(file.graph.nodes) if node.op_type == "Loop" and not node.domain]
    known = small_constants(file.graph) if loops else {}
    for node in loops:
        factor = max((_growth(body) for body in node.graphs), default=1.0)
        if factor < 2:
            continue
        rounds = _rounds(node, known)
        start = max(map(partial(_start_bytes, file.graph), node.inputs[2:]), default=1)
        if rounds * math.log2(factor) > math.log2(_MOST_BYTES / start):
            many = "each round, without end" if math.isinf(rounds) else f"each of {rounds:,} rounds"
            raise RunError(
                f"{file.path}: {node.label} makes what it carries {factor:g} times as large "
                f"in {many}; expected values that stay bounded",
                AGAIN,
            )


def folded_sizes(graph: Graph) -> Iterator[tuple[Node, int]]:
    """Yield each node that reads constants alone, and the most elements (of strings: bytes) that it can make.

    It is a bound, told from sizes alone and often far too high. onnxruntime computes such values while it
    opens a model.
    """
    sizes = {name: _weight(tensor) for name, tensor in graph.initializers.items()}
    for node in in_order(graph.nodes)[0]:
        if node.op_type == "Constant" and not node.domain:
            value = node.attributes.get("value")
            sizes.update(dict.fromkeys(node.outputs, _weight(value) if isinstance(value, Tensor) else 1))
        elif node.inputs and not node.has_graphs and all(name in sizes for name in node.inputs if name):
            bound = _bound(node, [sizes[name] for name in node.inputs if name])
            yield node, bound
            sizes.update(dict.fromkeys(node.outputs, bound))


def is_outer_product(graph: Graph, node: Node) -> bool:
    """Whether two values that are computed and reshaped meet in an operator that broadcasts or multiplies.

    Networks rarely do it, but it makes n² numbers out of n.
    """
    if node.op_type not in _BROADCASTING:
        return False
    makers = [graph.producers[name].op_type for name in node.inputs if name in graph.producers]
    return sum(maker in _RESHAPING for maker in makers) > 1


def _rounds(node: Node, known: Mapping[str, Numbers]) -> float:
    """How many rounds a Loop runs at most: infinitely many without a limit, 0 when a run decides it."""
    limit = node.inputs[0] if node.inputs else ""
    if not limit:
        return math.inf
    value = known.get(limit)
    return 0 if value is None or value.size != 1 else int(value.ravel()[0])


def _start_bytes(graph: Graph, name: str) -> int:
    """The bytes of a value as far as the file tells them, at least 1; an axis without size counts as 1."""
    if name in graph.initializers:
        return max(1, graph.initializers[name].nbytes)
    value = graph.values.get(name)
    if value is None or value.dtype is None or value.shape is None:
        return 1
    sizes = (size for size in value.shape if isinstance(size, int) and size > 0)
    return max(1, value.dtype.nbytes(math.prod(sizes)))


def _growth(body: Graph) -> float:
    """How many times larger than any value that it gets a Loop's body hands one on."""
    known = small_constants(body)
    factors = {value.name: 1.0 for value in body.inputs[2:]}
    for node in in_order(body.nodes)[0]:
        given = [factors.get(name, 0.0) for name in node.inputs]
        if node.domain or not any(given):
            continue
        if node.op_type in ("Concat", "StringConcat"):
            made = sum(given)
        elif node.op_type in _KEEPING:
            made = max(given)
        elif node.op_type in _SCALES and len(node.inputs) > _SCALES[node.op_type]:
            made = given[0] * _scale(known, node.inputs[_SCALES[node.op_type]])
        else:
            continue
        factors.update(dict.fromkeys(node.outputs, made))
    carried = body.outputs[1 : len(body.inputs) - 1]
    return max((factors.get(value.name, 0.0) for value in carried), default=0.0)


def _scale(known: Mapping[str, Numbers], name: str) -> float:
    value = known.get(name)
    # Empty: Resize gets sizes instead, which no number of rounds multiplies.
    return float(value.prod(dtype=float)) if value is not None and value.size else 1.0


def _weight(tensor: Tensor) -> int:
    return tensor.nbytes if tensor.dtype == DataType.STRING else tensor.size


def _bound(node: Node, sizes: list[int]) -> int:
    if node.op_type in _OF_FIRST or len(sizes) == 1:
        return sizes[0]
    if node.op_type in ("Concat", "StringConcat"):
        return sum(sizes)
    return math.prod(size for size in sizes if size)
