"""The transposes of linear maps along one axis: selections of places, and weighted sums of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.gradients.interpolation import Taps
from inspector.gradients.value import Value

# So many gathers of one place each still are faster than a product with the matrix of the selection.
_MOST_GATHERS = 4
# A matrix of more numbers takes longer to build and to multiply with than the gathers of its few weights.
_LARGEST_MATRIX = 2**21


def padded(value: Value, pads: Sequence[tuple[int, int]]) -> Value:
    """Add zeros before and after each axis; a negative number cuts off."""
    if not any(before or after for before, after in pads):
        return value
    return value.op("Pad", np.array([each[0] for each in pads] + [each[1] for each in pads], np.int64))


def padded_along(value: Value, axis: int, before: int, after: int) -> Value:
    """Add zeros before and after one axis; a negative number cuts off."""
    pads = [(0, 0)] * value.rank
    pads[axis] = before, after
    return padded(value, pads)


def unselected(grad: Value, places: NDArray[np.int64], axis: int, size: int) -> Value:
    """The gradient of x, given that of y[j] = x[places[j]] along an axis.

    Args:
        grad: The gradient of y.
        places: int64 (m,), where each element of y comes from; -1 for nowhere.
        axis: The axis.
        size: The size of x along it.
    """
    count = len(places)
    if count and np.array_equal(places, np.arange(places[0], places[0] + count)) and places[0] >= 0:
        return padded_along(grad, axis, int(places[0]), size - int(places[0]) - count)
    times = count // size if size else 0
    if times > 1 and np.array_equal(places, np.repeat(np.arange(size), times)):
        return _split_axis(grad, axis, (size, times)).sum((axis + 1,), keepdims=False)
    if times > 1 and np.array_equal(places, np.tile(np.arange(size), times)):
        return _split_axis(grad, axis, (times, size)).sum((axis,), keepdims=False)
    if not (places >= 0).any():
        return padded_along(grad, axis, 0, size - count).zeros()
    kept = np.flatnonzero(places >= 0)
    most = int(np.bincount(places[kept]).max())
    if most <= _MOST_GATHERS:
        return _gathered(grad, _table(places[kept], kept, size, most, count), axis)
    if size * count <= _LARGEST_MATRIX:
        return unweighted(grad, (places[:, None] == np.arange(size)).astype(np.float64), axis)
    taken = grad if len(kept) == count else grad.op("Gather", kept, axis=axis)
    constants = grad.tape.constant(places[kept]), grad.tape.constant_vector((size,))
    return scattered(taken, constants[0], axis, constants[1], grad.rank, distinct=False)


def _table(
    chosen: NDArray[np.int64], numbers: NDArray[Any], size: int, most: int, nothing: float
) -> NDArray[Any]:
    """What belongs to each of `size` places, one below the other, (most, size); `nothing` in the rest.

    Args:
        chosen: int64 (m,), the place that each number belongs to.
        numbers: (m,).
        size: How many places there are.
        most: How many numbers belong to one at most.
        nothing: What fills the table up.
    """
    order = np.argsort(chosen, kind="stable")
    ordered = chosen[order]
    table = np.full((most, size), nothing, numbers.dtype)
    table[np.arange(len(ordered)) - np.searchsorted(ordered, ordered), ordered] = numbers[order]
    return table


def _split_axis(grad: Value, axis: int, sizes: tuple[int, int]) -> Value:
    shape = grad.known_shape
    return grad.reshape((*shape[:axis], *sizes, *shape[axis + 1 :]))


def _gathered(grad: Value, table: NDArray[np.int64], axis: int) -> Value:
    """The sum of the places that each element was copied to, one gather for each row of them."""
    count = grad.known_shape[axis]
    # Behind the last place stands a zero, for those that were copied less often.
    source = padded_along(grad, axis, 0, 1) if (table == count).any() else grad
    parts = [source.op("Gather", row, axis=axis) for row in table]
    return parts[0] if len(parts) == 1 else parts[0].op("Sum", *parts[1:])


def untapped(grad: Value, taps: Taps, axis: int) -> Value:
    """The gradient of x, given that of y, each element of which is a weighted sum of few of x along an axis.

    Args:
        grad: The gradient of y.
        taps: Which, and how much each counts.
        axis: The axis.
    """
    count = len(taps.columns)
    if count * taps.size <= _LARGEST_MATRIX:
        return unweighted(grad, taps.matrix(), axis)
    rows, at = np.nonzero(taps.weights)
    pairs, inverse = np.unique(rows * taps.size + taps.columns[rows, at], return_inverse=True)
    numbers = np.bincount(inverse.reshape(-1), taps.weights[rows, at])
    sources, places = np.divmod(pairs, taps.size)
    most = int(np.bincount(places).max())
    column = (-1, *[1] * (grad.rank - 1 - axis))
    parts = [
        grad.op("Gather", source, axis=axis) * grad.tape.constant(weight.astype(grad.dtype).reshape(column))
        for source, weight in zip(
            _table(places, sources, taps.size, most, 0),
            _table(places, numbers, taps.size, most, 0.0),
            strict=True,
        )
    ]
    return parts[0] if most == 1 else parts[0].op("Sum", *parts[1:])


def unweighted(grad: Value, matrix: NDArray[np.float64], axis: int) -> Value:
    """The gradient of x, given that of y = matrix · x along an axis.

    Args:
        grad: The gradient of y.
        matrix: float64 (size of y, size of x).
        axis: The axis.
    """
    rank = grad.rank
    weights = matrix.astype(grad.dtype)
    if rank > 1 and axis == rank - 2:
        return grad.tape.constant(weights.T).op("MatMul", grad)
    if axis == rank - 1:
        return grad.op("MatMul", weights)
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return grad.transpose(order).op("MatMul", weights).transpose(order)


def scattered(grad: Value, places: Value, axis: int, size: Value, rank: int, *, distinct: bool) -> Value:
    """As `unselected`, for places that only a run tells.

    Args:
        grad: The gradient of y.
        places: int64 (m,); negative ones count from the end.
        axis: The axis.
        size: int64 (1,), the size of x along it.
        rank: How many axes both have.
        distinct: Whether no place occurs twice.
    """
    others = [at for at in range(rank) if at != axis]
    order = [axis, *others]
    rest = grad.op("Shape").op("Gather", np.array(others, np.int64))
    zeros = size.op("Concat", rest, axis=0).op("ConstantOfShape", value=np.zeros(1, grad.dtype))
    rows = grad.transpose(order)
    sums = (
        zeros.op("ScatterND", places.op("Unsqueeze", axes=(1,)), rows)
        if distinct
        else added_rows(zeros, places, rows)
    )
    return sums.transpose([order.index(at) for at in range(rank)])


def added_rows(target: Value, places: Value, rows: Value) -> Value:
    """Add rows to those of another value, also several to one.

    onnxruntime's ScatterND adds in several threads, which lose what they add to one number at the same time;
    its ScatterElements adds one number after the other.

    Args:
        target: What is added to.
        places: int64 (m,), the row of `target` that each is added to.
        rows: As `target`, with m along the first axis.
    """
    everywhere = places.op("Unsqueeze", axes=tuple(range(1, rows.rank))) if rows.rank > 1 else places
    index = everywhere.op("Expand", rows.op("Shape"))
    return added_at(target, index, rows, axis=0)


def added_at(target: Value, places: Value, numbers: Value, axis: int) -> Value:
    """Add numbers to those of another value, also several to one.

    onnxruntime adds up at places in float32 and float64 alone; a sum of many float16 would be rounded too.

    Args:
        target: What is added to.
        places: int64, of the shape of `numbers`: the place along the axis that each is added to.
        numbers: As `target`, with any size along each axis.
        axis: The axis.
    """
    sums = widened(target).op("ScatterElements", places, widened(numbers), axis=axis, reduction="add")
    return sums.cast(target.dtype)


def widened(value: Value) -> Value:
    """Floats of sixteen bits as float32; others as they are."""
    return value if value.dtype == np.float64 else value.cast(np.float32)
