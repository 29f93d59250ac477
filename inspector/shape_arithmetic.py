"""The small constants that a graph computes from other constants, mostly shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.onnxfile.checks import in_order
from inspector.onnxfile.tensor import Tensor

if TYPE_CHECKING:
    from inspector.onnxfile.graph import Graph, Node

Numbers: TypeAlias = NDArray[np.generic]

# A shape has a handful of entries; whatever is larger is data.
_LARGEST = 64


def small_constants(graph: Graph) -> Mapping[str, Numbers]:
    """Compute what can be from constants of at most 64 elements.

    Args:
        graph: The graph; those inside its nodes are left alone.

    Returns:
        Every initializer of that size and every value computed from them, by name, each with the dtype that
        the graph gives it.
    """
    known: dict[str, Numbers] = {
        name: tensor.numpy()
        for name, tensor in graph.initializers.items()
        if tensor.size <= _LARGEST and not tensor.external
    }
    for node in in_order(graph.nodes)[0]:
        if node.domain or len(node.outputs) != 1:
            continue
        value = _constant(node) if node.op_type == "Constant" else _computed(node, known)
        if value is not None and value.size <= _LARGEST:
            known[node.outputs[0]] = value
    return known


def _constant(node: Node) -> Numbers | None:
    tensor = node.attributes.get("value")
    if isinstance(tensor, Tensor):
        return tensor.numpy() if tensor.size <= _LARGEST and not tensor.external else None
    for attribute, dtype in (("value_int", np.int64), ("value_ints", np.int64), ("value_float", np.float32)):
        number = node.attributes.get(attribute)
        if isinstance(number, (int, float, tuple)):
            return np.asarray(number, dtype)
    return None


def _computed(node: Node, known: Mapping[str, Numbers]) -> Numbers | None:
    rule = _RULES.get(node.op_type)
    if rule is None or not node.inputs or not all(name in known for name in node.inputs if name):
        return None
    try:
        with np.errstate(all="ignore"):
            return rule(node, [known[name] for name in node.inputs if name])
    except (ValueError, IndexError, TypeError, OverflowError):
        # The constants do not fit the operator: then this value is not known, and onnxruntime says why.
        return None


def _elementwise(function: Callable[..., Numbers]) -> Callable[[Node, Sequence[Numbers]], Numbers]:
    return lambda _, values: np.asarray(function(*values), values[0].dtype)


def _divide(left: Numbers, right: Numbers) -> Numbers:
    if np.issubdtype(left.dtype, np.integer):
        # ONNX divides integers towards zero.
        return np.trunc(left.astype(np.float64) / right.astype(np.float64)).astype(left.dtype)
    return np.asarray(np.true_divide(left, right))


def _axes(node: Node, values: Sequence[Numbers]) -> tuple[int, ...]:
    """Axes from the second input, or the attribute that older operator sets have."""
    found = values[1].ravel().tolist() if len(values) > 1 else node.attributes.get("axes", ())
    return tuple(axis for axis in found if isinstance(axis, int)) if isinstance(found, (list, tuple)) else ()


def _axis(node: Node) -> int:
    axis = node.attributes.get("axis", 0)
    return axis if isinstance(axis, int) else 0


def _squeeze(node: Node, values: Sequence[Numbers]) -> Numbers:
    return np.squeeze(values[0], _axes(node, values) or None)


def _unsqueeze(node: Node, values: Sequence[Numbers]) -> Numbers:
    return np.expand_dims(values[0], _axes(node, values))


def _gather(node: Node, values: Sequence[Numbers]) -> Numbers:
    return np.take(values[0], values[1].astype(np.int64), _axis(node))


def _cast(node: Node, values: Sequence[Numbers]) -> Numbers | None:
    from inspector.onnxfile.encodings import DataType

    to = node.attributes.get("to")
    wanted = {int(kind): kind for kind in DataType}.get(to) if isinstance(to, int) else None
    return None if wanted is None else values[0].astype(wanted.numpy)


def _slice(node: Node, values: Sequence[Numbers]) -> Numbers | None:
    if values[0].ndim != 1 or len(values) < 3:
        return None
    start, end = int(values[1].ravel()[0]), int(values[2].ravel()[0])
    step = int(values[4].ravel()[0]) if len(values) > 4 else 1
    return values[0][start:end:step]


_RULES: Mapping[str, Callable[[Node, Sequence[Numbers]], Numbers | None]] = {
    "Identity": lambda _, values: values[0],
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divide),
    "Max": lambda _, values: np.maximum.reduce(np.broadcast_arrays(*values)),
    "Min": lambda _, values: np.minimum.reduce(np.broadcast_arrays(*values)),
    "Neg": _elementwise(np.negative),
    "Floor": _elementwise(np.floor),
    "Ceil": _elementwise(np.ceil),
    "Cast": _cast,
    "Concat": lambda node, values: np.concatenate(values, _axis(node)),
    "Gather": _gather,
    "ReduceProd": lambda _, values: np.multiply.reduce(values[0].ravel(), keepdims=True),
    "Reshape": lambda _, values: values[0].reshape([int(size) for size in values[1].ravel()]),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
