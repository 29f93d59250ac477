"""Expressions that several derivative rules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.gradients.node import Node
from inspector.gradients.value import Value

# The slope of the ramp that stands for a step: whatever exceeds zero by a normal number is mapped to 1.
_STEEPEST = float(np.finfo(np.float32).max)


def positive(value: Value) -> Value:
    """1 where a value is above zero, else 0, in the value's dtype.

    One HardSigmoid takes 60 % of the time of Greater and Cast in onnxruntime, and 7 % of that of a Where.
    """
    if value.dtype == np.float32:
        return value.op("HardSigmoid", alpha=_STEEPEST, beta=0.0)
    return value.greater(0).cast(value.dtype)


def where_equal(one: Value, other: Value | float) -> Value:
    """1 where two values are equal, else 0, in the dtype of the first."""
    return one.equal(other).cast(one.dtype)


def size_at(node: Node, value: Value, axis: int) -> int:
    """Return the size of one of a value's axes.

    Raises:
        GradientError: It goes with the batch, or only a run tells it.
    """
    size = value.known_shape[axis]
    if size is None:
        raise node.refuse(f"has no gradient along axis {axis}, which goes with the batch")
    return size


def axis_of(node: Node, default: int, rank: int) -> int:
    """The node's attribute `axis`, counted from the front."""
    return node.attr("axis", default) % rank


def constant_at(node: Node, at: int, what: str) -> NDArray[np.generic]:
    """Return the numbers of an input that a rule must know when the graph is built.

    Args:
        node: The forward node.
        at: The input.
        what: What it is, for the message.

    Raises:
        GradientError: It is computed at run time.
    """
    numbers = node.constant(at)
    if numbers is None:
        raise node.refuse(f"has no gradient with {what} computed at run time")
    return numbers


def integers_at(node: Node, at: int, what: str) -> tuple[int, ...]:
    """The whole numbers of an input, as `constant_at`."""
    return tuple(int(each) for each in np.atleast_1d(constant_at(node, at, what)))


def size_along(value: Value, axis: int) -> Value:
    """The size of one of a value's axes, as an int64 vector of one number."""
    return sliced(value.shape_vector(), 0, axis, axis + 1)


def expand_like(value: Value, like: Value) -> Value:
    """Repeat a value along axes of size 1 up to the shape of another of the same rank."""
    if value.sizes is not None and value.sizes == like.sizes:
        return value
    given, wanted = value.known_shape, like.known_shape
    fixed = [1 if same == size else size for same, size in zip(given, wanted, strict=True)]
    if None not in fixed:
        return value.op("Expand", np.array(fixed, np.int64))
    return value.op("Expand", like.shape_vector())


def sliced(value: Value, axis: int, start: int, stop: int) -> Value:
    """The part of a value between two places of an axis."""
    return value.op("Slice", *(np.array([each], np.int64) for each in (start, stop, axis)))
