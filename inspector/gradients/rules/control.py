"""Choices between values: Where, Clip, Max, Min, and ops that let a value through."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.gradients.expressions import constant_at, positive, where_equal
from inspector.gradients.infinite import Replaced, let_through
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value


@vjp("Where", since=9)
def where(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """1 for the value that was chosen."""
    # A product with 0 and 1 takes an eighth of the time of a Where against zero.
    chosen = node.input.cast(grad.dtype)
    yes, no = node.given(1), node.given(2)
    by_yes = let_through(grad, chosen).unbroadcast(yes)
    by_no = let_through(grad, 1 - chosen).unbroadcast(no)
    grad.tape.remember(by_no, Replaced())
    return None, by_yes, by_no


@vjp("Max", since=8)
def maximum(node: Node, grad: Value) -> tuple[Value, ...]:
    """1 for the largest; equal ones share it."""
    return _shared(node, grad)


@vjp("Min", since=8)
def minimum(node: Node, grad: Value) -> tuple[Value, ...]:
    """1 for the smallest; equal ones share it."""
    return _shared(node, grad)


def _shared(node: Node, grad: Value) -> tuple[Value, ...]:
    """The gradient in equal parts to the inputs that are the output."""
    inputs = [node.given(at) for at in range(len(node.inputs))]
    chosen = [where_equal(node.output, each) for each in inputs]
    share = grad / chosen[0].op("Sum", *chosen[1:])
    return tuple(
        let_through(share, mask).unbroadcast(each) for mask, each in zip(chosen, inputs, strict=True)
    )


@vjp("Clip", since=11)
def clip(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """1 for the input where it lies between the bounds, else for the bound that it is held at."""
    y, low, high = node.output, _bound(node, 1), _bound(node, 2)
    above = None if low is None else positive(y - low)
    below = None if high is None else positive(high - y)
    inside = above and below and above * below
    masks = (
        _inside(node) or inside or above or below,
        above and (1 - above) * (below or 1.0),
        below and 1 - below,
    )
    inside_grad, *held = (None if mask is None else let_through(grad, mask) for mask in masks)
    every = tuple(range(y.rank))
    return inside_grad or grad, *(each and each.sum(every, keepdims=False) for each in held)


def _bound(node: Node, at: int) -> Value | None:
    """A bound; None when it is left out or so far away that nothing reaches it."""
    numbers = node.constant(at)
    return node.given(at) if node.has_input(at) and not _is_far(numbers) else None


def _inside(node: Node) -> Value | None:
    """1 between two constant bounds, in fewer steps than from two masks; None without two such bounds."""
    low, high = node.constant(1), node.constant(2)
    if low is None or high is None or _is_far(low) or _is_far(high):
        return None
    y = node.output
    above = y if not low.any() else y - low.item()
    return positive(above * (high.item() - y))


def _is_far(numbers: NDArray[Any] | None) -> bool:
    if numbers is None:
        return False
    return numbers.dtype.kind == "f" and bool(np.all(np.abs(numbers) >= _most(numbers.dtype)))


def _most(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).max)


@vjp("Identity")
def identity(node: Node, grad: Value) -> Value:
    """The gradient itself."""
    return grad


@vjp("Dropout", since=12)
def dropout(node: Node, grad: Value) -> Value:
    """The gradient itself, as in inference; in training, the elements that were kept, scaled as they were."""
    if not node.has_input(2) or not np.any(constant_at(node, 2, "a training mode")):
        return grad
    ratio = float(constant_at(node, 1, "a ratio").reshape(())) if node.has_input(1) else 0.5
    return let_through(grad, node.forward_output(1).cast(grad.dtype)) * (1 / (1 - ratio))


@vjp("Cast", since=6)
def cast(node: Node, grad: Value) -> Value | None:
    """The gradient in the input's dtype; a cast to whole numbers is a step and has none."""
    return _as_input(node, grad)


@vjp("CastLike", since=15)
def cast_like(node: Node, grad: Value) -> Value | None:
    """As Cast."""
    return _as_input(node, grad)


def _as_input(node: Node, grad: Value) -> Value | None:
    from_float, to_float = _is_float(node.input), _is_float(node.output)
    if from_float and not to_float:
        return None
    return grad.cast(node.input.dtype) if from_float else grad


def _is_float(value: Value) -> bool:
    return value.dtype.kind == "f" or value.dtype.name == "bfloat16"
