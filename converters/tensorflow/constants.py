"""Computing what does not depend on the input: predicates and shapes, exactly, in numpy.

Arithmetic on floating-point numbers is left to the graph: it could round otherwise.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from converters.tensorflow.dtypes import Array, to_numpy
from converters.tensorflow.topology import Node

Rule: TypeAlias = Callable[..., Array]

LIMIT = 1 << 16
"""Results of more bytes than this are not computed here."""

CONCATS = frozenset({"ConcatV2", "Concat"})


def compute(node: Node, inputs: Sequence[Array]) -> Array | None:
    """Return output 0 of `node` for these inputs, or None when that is not done here.

    Args:
        node: An operation.
        inputs: Its inputs' values.
    """
    rule = _RULES.get(node.op)
    if rule is None or sum(value.nbytes for value in inputs) > LIMIT:
        return None
    if node.op in _ARITHMETIC and any(value.dtype.kind not in "biu" for value in inputs):
        return None
    try:
        # Overflow wraps around, as it does in TensorFlow.
        with np.errstate(all="ignore"):
            result = np.asarray(rule(node, *inputs))
    except (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError, MemoryError):
        return None  # not for here: the runtime is the one to say what is wrong with it
    return result if result.nbytes <= LIMIT else None


def is_computable(node: Node) -> bool:
    """Say whether `compute` knows the operation."""
    return node.op in _RULES


def concatenated(node: Node, values: Sequence[Array]) -> Array | None:
    """Return the output of a ConcatV2 or Concat of any size, or None when its inputs do not fit together."""
    try:
        return _concat(node, *values)
    except (ValueError, TypeError, IndexError):
        return None


def _concat(node: Node, *values: Array) -> Array:
    *parts, axis = values if node.op == "ConcatV2" else (*values[1:], values[0])
    return np.concatenate(parts, int(axis))


def _binary(function: Callable[[Array, Array], Array]) -> Rule:
    def rule(node: Node, a: Array, b: Array) -> Array:
        _check_count(math.prod(np.broadcast_shapes(a.shape, b.shape)))
        return function(a, b)

    return rule


def _check_count(count: int) -> None:
    """Refuse results that small inputs can blow up to."""
    if count > LIMIT:
        raise ValueError("too large")


def _cast(node: Node, value: Array) -> Array:
    dtype = to_numpy(node.type("DstT"))
    if dtype is None or dtype.hasobject:
        raise TypeError("no such cast")
    return value.astype(dtype)


def _typed(node: Node, value: object, *names: str, default: int = 3) -> Array:
    """`value` in the integer type that an attribute gives."""
    return np.asarray(value, to_numpy(node.type(*names) or default))


def _shape(node: Node, value: Array) -> Array:
    return _typed(node, value.shape, "out_type")


def _pack(node: Node, *values: Array) -> Array:
    axis = node.attr("axis")
    return np.stack(values, axis.i if axis is not None else 0)


def _strided_slice(node: Node, value: Array, begin: Array, end: Array, strides: Array) -> Array:
    masks = {name: (a.i if (a := node.attr(f"{name}_mask")) is not None else 0) for name in _MASKS}
    if masks["ellipsis"] or masks["new_axis"]:
        raise ValueError("not done")
    index: list[slice | int] = []
    for axis, (first, last, step) in enumerate(
        zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)
    ):
        bit = 1 << axis
        if masks["shrink_axis"] & bit:
            index.append(int(first))
        else:
            start = None if masks["begin"] & bit else first
            index.append(slice(start, None if masks["end"] & bit else last, step))
    return np.asarray(value[tuple(index)])


def _slice(node: Node, value: Array, begin: Array, size: Array) -> Array:
    places = zip(begin.tolist(), size.tolist(), strict=True)
    return value[tuple(slice(b, None if n < 0 else b + n) for b, n in places)]


def _squeeze(node: Node, value: Array) -> Array:
    axes = node.attr("squeeze_dims")
    return np.squeeze(value, tuple(axes.list.i) if axes is not None and axes.list.i else None)


def _reduction(function: Callable[..., Array]) -> Rule:
    def rule(node: Node, value: Array, axes: Array) -> Array:
        keep = node.attr("keep_dims")
        axis = tuple(int(a) for a in np.ravel(axes))
        return np.asarray(function(value, axis=axis, keepdims=bool(keep and keep.b))).astype(value.dtype)

    return rule


def _fill(node: Node, shape: Array, value: Array) -> Array:
    sizes = [int(size) for size in shape]
    _check_count(math.prod(sizes))
    return np.full(sizes, value, value.dtype)


def _range(node: Node, start: Array, limit: Array, delta: Array) -> Array:
    _check_count(abs((int(limit) - int(start)) // int(delta)))
    return np.arange(int(start), int(limit), int(delta)).astype(start.dtype)


def _gather(node: Node, value: Array, indices: Array, axis: Array | int = 0) -> Array:
    _check_count(value.size * indices.size)
    return np.take(value, indices, int(axis))


_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")

_ARITHMETIC: Mapping[str, Rule] = MappingProxyType(
    {
        "Add": _binary(operator.add),
        "AddV2": _binary(operator.add),
        "Sub": _binary(operator.sub),
        "Mul": _binary(operator.mul),
        "FloorDiv": _binary(operator.floordiv),
        "FloorMod": _binary(operator.mod),
        "Maximum": _binary(np.maximum),
        "Minimum": _binary(np.minimum),
        "Prod": _reduction(np.prod),
        "Sum": _reduction(np.sum),
        "Range": _range,
    }
)

_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **_ARITHMETIC,
        "LogicalNot": lambda node, a: ~a,
        "LogicalAnd": _binary(np.logical_and),
        "LogicalOr": _binary(np.logical_or),
        "Equal": _binary(operator.eq),
        "NotEqual": _binary(operator.ne),
        "Less": _binary(operator.lt),
        "LessEqual": _binary(operator.le),
        "Greater": _binary(operator.gt),
        "GreaterEqual": _binary(operator.ge),
        "All": _reduction(np.all),
        "Any": _reduction(np.any),
        "Cast": _cast,
        "Shape": _shape,
        "Size": lambda node, a: _typed(node, a.size, "out_type"),
        "Rank": lambda node, a: np.asarray(a.ndim, np.int32),
        "Pack": _pack,
        "ConcatV2": _concat,
        "Concat": _concat,
        "StridedSlice": _strided_slice,
        "Slice": _slice,
        "Reshape": lambda node, a, shape: np.reshape(a, [int(size) for size in shape]),
        "ExpandDims": lambda node, a, axis: np.expand_dims(a, int(np.ravel(axis)[0])),
        "Squeeze": _squeeze,
        "Fill": _fill,
        "GatherV2": _gather,
        "Gather": _gather,
    }
)
