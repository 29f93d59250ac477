"""Picking by index or condition, sorting, reversing."""

from __future__ import annotations

import numpy as np

from converters.errors import SourceError
from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, integers, rule


@rule("Gather", "GatherV2", narrow=True)
def gather(operation: Operation, table: Array, indices: Array, axis: Array | None = None) -> Array:
    """The slices of an axis that `indices` name; the first `batch_dims` axes of both go together."""
    place = 0 if axis is None else int(axis) % table.ndim
    _check(operation, indices, table.shape[place])
    together = operation.integer("batch_dims")
    together += indices.ndim if together < 0 else 0
    if not together:
        return np.take(table, indices, place)
    grid = np.ogrid[tuple(slice(size) for size in table.shape[:place])] if place else []
    # These broadcast to: the axes before, then those of the indices that are not shared.
    own = indices.ndim - together
    before = [np.reshape(places, (*places.shape, *[1] * own)) for places in grid]
    shape = (*indices.shape[:together], *[1] * (place - together), *indices.shape[together:])
    return np.asarray(table[(*before, indices.reshape(shape))])


@rule("GatherNd", narrow=True)
def gather_nd(operation: Operation, table: Array, indices: Array) -> Array:
    """The slices whose coordinates stand on the last axis of `indices`."""
    coordinates = np.moveaxis(indices, -1, 0)
    for axis, places in enumerate(coordinates):
        _check(operation, places, table.shape[axis])
    return np.asarray(table[tuple(coordinates)])


@rule("ScatterNd")
def scatter_nd(operation: Operation, indices: Array, updates: Array, sizes: Array) -> Array:
    """Zeros, with the updates added at their coordinates."""
    result = np.zeros(integers(sizes), updates.dtype)
    np.add.at(result, tuple(np.moveaxis(indices, -1, 0)), updates)
    return result


@rule("OneHot")
def one_hot(operation: Operation, indices: Array, depth: Array, on: Array, off: Array) -> Array:
    """`on` where the place along a new axis is the index, `off` elsewhere."""
    hit = indices[..., np.newaxis] == np.arange(int(depth))
    result = np.where(hit, on, off)
    axis = operation.integer("axis", -1)
    return np.moveaxis(result, -1, axis)


@rule("ArgMax")
def arg_max(operation: Operation, value: Array, axis: Array) -> Array:
    """Where the largest number stands, the first of several."""
    return np.asarray(value.argmax(int(axis)), operation.dtype("output_type", "int64"))


@rule("ArgMin")
def arg_min(operation: Operation, value: Array, axis: Array) -> Array:
    """Where the smallest number stands, the first of several."""
    return np.asarray(value.argmin(int(axis)), operation.dtype("output_type", "int64"))


@rule("TopKV2")
def top_k(operation: Operation, value: Array, count: Array) -> tuple[Array, Array]:
    """The largest numbers of the last axis, in order, and where they stand; of equals the first first."""
    return _largest(value, int(count))


@rule("TopK")
def old_top_k(operation: Operation, value: Array) -> tuple[Array, Array]:
    """The same with how many of them as an attribute."""
    return _largest(value, operation.integer("k"))


def _largest(value: Array, count: int) -> tuple[Array, Array]:
    last = value.shape[-1] - 1
    # A stable sort of the reversed axis, read backwards, keeps equals in their own order.
    places = last - np.argsort(value[..., ::-1], -1, kind="stable")[..., ::-1][..., :count]
    return np.take_along_axis(value, places, -1), places.astype(np.int32)


@rule("Select")
def old_select(operation: Operation, condition: Array, yes: Array, no: Array) -> Array:
    """`yes` or `no`, number by number; a vector of conditions is about the first axis."""
    if condition.ndim == 1:
        condition = condition.reshape(-1, *[1] * (yes.ndim - 1))
    return np.where(condition, yes, no)


@rule("SelectV2")
def select(operation: Operation, condition: Array, yes: Array, no: Array) -> Array:
    """`yes` or `no`, number by number, with broadcasting."""
    return np.where(condition, yes, no)


@rule("Where")
def where(operation: Operation, condition: Array) -> Array:
    """The coordinates of all that is not zero."""
    return np.argwhere(condition).astype(np.int64)


@rule("ReverseV2")
def reverse(operation: Operation, value: Array, axes: Array) -> Array:
    """Axes backwards."""
    return np.flip(value, integers(axes))


@rule("ReverseSequence")
def reverse_sequence(operation: Operation, value: Array, lengths: Array) -> Array:
    """The beginning of each sequence backwards."""
    batch, along = operation.integer("batch_dim"), operation.integer("seq_dim")
    result = np.moveaxis(value, (batch, along), (0, 1)).copy()
    for row, length in zip(result, integers(lengths), strict=True):
        row[:length] = row[:length][::-1].copy()
    return np.moveaxis(result, (0, 1), (batch, along))


@rule("InvertPermutation")
def invert_permutation(operation: Operation, order: Array) -> Array:
    """Where each number stands."""
    return np.argsort(order).astype(order.dtype)


def _check(operation: Operation, indices: Array, size: int) -> None:
    wrong = indices[(indices < 0) | (indices >= size)]
    if wrong.size:
        raise SourceError(
            f"the node {operation.name!r} of op {operation.op} is asked for the index {int(wrong[0])}, which "
            f"is not in [0, {size})"
        )
