"""Ops that choose elements: slices, pads, gathers, scatters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from inspector.gradients.along_axis import added_at, added_rows, padded, scattered, unselected
from inspector.gradients.expressions import axis_of, integers_at, size_along, size_at
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value

# What exporters write for "to the end".
_ENDLESS = np.iinfo(np.int32).max // 2


@vjp("Slice", since=10)
def slice_(node: Node, grad: Value) -> Value:
    """Zeros around and between what was taken."""
    x = node.input
    if any(node.has_input(at) and node.constant(at) is None for at in range(1, 5)):
        return _sliced_at_run_time(node, grad)
    pads = [(0, 0)] * x.rank
    others: list[tuple[int, NDArray[np.int64]]] = []
    for axis, cut in _cuts(node).items():
        size = x.known_shape[axis]
        if size is None:
            if cut != slice(0, cut.stop, 1) or cut.stop < _ENDLESS:
                return _sliced_at_run_time(node, grad)
            continue
        places = np.arange(size)[cut]
        if cut.step == 1 and len(places):
            pads[axis] = int(places[0]), size - 1 - int(places[-1])
        else:
            others.append((axis, places))
    for axis, places in others:
        grad = unselected(grad, places, axis, size_at(node, x, axis))
    return padded(grad, pads)


def _cuts(node: Node) -> dict[int, slice]:
    """What is taken of each axis."""
    starts, stops = integers_at(node, 1, "starts"), integers_at(node, 2, "ends")
    axes = integers_at(node, 3, "axes") if node.has_input(3) else tuple(range(len(starts)))
    steps = integers_at(node, 4, "steps") if node.has_input(4) else (1,) * len(starts)
    rank = node.input.rank
    return {
        axis % rank: slice(start, stop, step)
        for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True)
    }


def _sliced_at_run_time(node: Node, grad: Value) -> Value:
    """As `slice_`, one axis after the other, by the places that the same slice takes of 0, 1, 2 and so on."""
    x = node.input
    axes = (
        integers_at(node, 3, "axes") if node.has_input(3) else tuple(range(size_at(node, node.given(1), 0)))
    )
    first, below = np.array([0], np.int64), np.array(0, np.int64)
    for at, axis in enumerate(axes):
        this = np.array([at], np.int64)
        start, stop = node.given(1).op("Gather", this), node.given(2).op("Gather", this)
        step = node.given(4).op("Gather", this) if node.has_input(4) else np.array([1], np.int64)
        size = size_along(x, axis % x.rank)
        count = size.op("Squeeze", axes=(0,))
        places = node.op("Range", below, count, np.array(1, np.int64)).op("Slice", start, stop, first, step)
        grad = scattered(grad, places, axis % x.rank, size, x.rank, distinct=True)
    return grad


@vjp("Pad", since=11)
def pad(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """What lies inside; the copies at the border are added to what they are copies of."""
    x, mode = node.input, node.attr("mode", "constant")
    pads = integers_at(node, 1, "pads")
    count = len(pads) // 2
    axes = integers_at(node, 3, "axes") if node.has_input(3) else tuple(range(count))
    around = [(0, 0)] * x.rank
    for at, axis in enumerate(axes):
        around[axis % x.rank] = pads[at], pads[at + count]
    if mode == "constant":
        inside = padded(grad, [(-before, -after) for before, after in around])
        every = tuple(range(x.rank))
        return inside, None, (grad - padded(inside, around)).sum(every, keepdims=False)
    for axis, (before, after) in enumerate(around):
        if before or after:
            size = size_at(node, x, axis)
            grad = unselected(grad, _places(node, size, before, after), axis, size)
    return (grad,)


def _places(node: Node, size: int, before: int, after: int) -> NDArray[np.int64]:
    """Where each element along a padded axis is copied from."""
    mode = node.attr("mode", "constant")
    if mode not in ("reflect", "edge", "wrap"):
        raise node.refuse(f"has no gradient with the mode {mode!r}")
    inside = np.arange(size)[max(-before, 0) : size - max(-after, 0)]
    return np.pad(inside, (max(before, 0), max(after, 0)), mode=mode)  # type: ignore[call-overload,no-any-return]


@vjp("Gather")
def gather(node: Node, grad: Value) -> Value:
    """To each place the sum of what was taken there."""
    x, indices = node.input, node.given(1)
    axis = axis_of(node, 0, x.rank)
    places, size = node.constant(1), x.known_shape[axis]
    if places is not None and places.ndim == 0:
        grad = grad.op("Unsqueeze", axes=(axis,))
    elif indices.rank != 1:
        grad = _merged(node, grad, axis, None if places is None else places.size)
    if places is not None and size is not None:
        return unselected(grad, places.reshape(-1).astype(np.int64) % size, axis, size)
    flat = indices.cast(np.int64).reshape((None,))
    return scattered(grad, flat, axis, size_along(x, axis), x.rank, distinct=False)


def _merged(node: Node, grad: Value, axis: int, count: int | None) -> Value:
    """The gradient of a gather with the axes of the indices as one."""
    rest = node.input.known_shape[axis + 1 :]
    if None in rest and count is None:
        raise node.refuse("has no gradient with indices that are computed, along an axis before the batch's")
    before: tuple[int | None, ...] = (0,) * axis
    return grad.reshape((*before, count, *rest))


@vjp("GatherElements", since=11)
def gather_elements(node: Node, grad: Value) -> Value:
    """To each place the sum of what was taken there."""
    axis = axis_of(node, 0, node.input.rank)
    return added_at(node.input.zeros(), node.given(1), grad, axis)


@vjp("GatherND", since=11)
def gather_nd(node: Node, grad: Value) -> Value:
    """To each place the sum of what was taken there."""
    x, indices = node.input, node.given(1)
    for axis in reversed(range(node.attr("batch_dims", 0))):
        indices = _with_position(node, indices, axis)
    depth = size_at(node, indices, -1)
    parts = x.known_shape[depth:]
    if None in parts:
        raise node.refuse("has no gradient with an axis that goes with the batch in each part that is taken")
    inside = math.prod(size or 0 for size in parts)
    rows = x.zeros().op("Reshape", (-1, inside))
    places = _row_numbers(indices, x.shape_vector(), depth)
    return added_rows(rows, places, grad.op("Reshape", (-1, inside))).reshape_like(x)


def _row_numbers(indices: Value, sizes: Value, depth: int) -> Value:
    """The number of each part among all, int64 (m,), from its place along each of the first axes.

    Args:
        indices: int64 (…, depth); negative ones count from the end.
        sizes: int64, the size of every axis.
        depth: How many axes are counted along.
    """
    number: Value | None = None
    for axis in range(depth):
        size = sizes.op("Gather", np.array([axis], np.int64))
        given = indices.op("Gather", np.array(axis, np.int64), axis=-1).op("Reshape", (-1,))
        place = given + given.less(0).cast(np.int64) * size
        number = place if number is None else number * size + place
    assert number is not None
    return number


def _with_position(node: Node, indices: Value, axis: int) -> Value:
    """Indices with their place along one of their own axes put before."""
    shape = indices.op("Shape")
    size = shape.op("Gather", np.array(axis, np.int64))
    places = node.op("Range", np.array(0, np.int64), size, np.array(1, np.int64))
    column = [1] * indices.rank
    column[axis] = -1
    each = shape.op("Slice", np.array([0], np.int64), np.array([-1], np.int64))
    sizes = each.op("Concat", np.array([1], np.int64), axis=0)
    positions = places.op("Reshape", np.array(column, np.int64)).op("Expand", sizes)
    return positions.op("Concat", indices, axis=-1)


@vjp("ScatterElements", since=11)
def scatter_elements(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Zero where something was written, unless it was added; to the updates, what lies there."""
    axis, indices = axis_of(node, 0, grad.rank), node.given(1)
    updates = grad.op("GatherElements", indices, axis=axis)
    if _reduction(node) == "add":
        return grad, None, updates
    return grad.op("ScatterElements", indices, updates.zeros(), axis=axis), None, updates


@vjp("ScatterND", since=11)
def scatter_nd(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """As ScatterElements."""
    indices = node.given(1)
    updates = grad.op("GatherND", indices)
    if _reduction(node) == "add":
        return grad, None, updates
    return grad.op("ScatterND", indices, updates.zeros()), None, updates


def _reduction(node: Node) -> str:
    reduction = node.attr("reduction", "none")
    if reduction not in ("none", "add"):
        raise node.refuse(f"has no gradient with the attribute reduction={reduction!r}")
    return reduction


@vjp("TopK", since=11)
def top_k(node: Node, grad: Value) -> Value:
    """Each value back to its place."""
    axis = axis_of(node, -1, node.input.rank)
    return node.input.zeros().op("ScatterElements", node.forward_output(1), grad, axis=axis)
