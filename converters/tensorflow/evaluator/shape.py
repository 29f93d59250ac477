"""Shapes: what they are, and moving numbers into another one."""

from __future__ import annotations

from typing import Any

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, integers, rule


@rule(
    "Identity",
    "StopGradient",
    "PreventGradient",
    "Snapshot",
    "CheckNumerics",
    "EnsureShape",
    "DebugGradientIdentity",
)
def identity(operation: Operation, value: Array) -> Array:
    """The value itself."""
    return value


@rule("PlaceholderWithDefault")
def default(operation: Operation, value: Array) -> Array:
    """What stands in for an input that is not given."""
    return value


@rule("IdentityN")
def identities(operation: Operation, *values: Array) -> tuple[Array, ...]:
    """The values themselves."""
    return values


@rule("Reshape")
def reshape(operation: Operation, value: Array, shape: Array) -> Array:
    """The same numbers in another shape."""
    return value.reshape(integers(shape))


@rule("Squeeze")
def squeeze(operation: Operation, value: Array) -> Array:
    """The value without these axes of size 1, or without all of them."""
    return np.squeeze(value, operation.integers("squeeze_dims") or None)


@rule("ExpandDims")
def expand_dims(operation: Operation, value: Array, axis: Array) -> Array:
    """The value with one more axis."""
    return np.expand_dims(value, integers(axis)[0])


@rule("Transpose")
def transpose(operation: Operation, value: Array, order: Array) -> Array:
    """The axes in another order."""
    return value.transpose(integers(order))


@rule("Pack")
def pack(operation: Operation, *values: Array) -> Array:
    """Values side by side along a new axis."""
    return np.stack(values, operation.integer("axis"))


@rule("Unpack")
def unpack(operation: Operation, value: Array) -> tuple[Array, ...]:
    """The slices of an axis, one output for each."""
    return tuple(np.moveaxis(value, operation.integer("axis"), 0))


@rule("ConcatV2")
def concat(operation: Operation, *values: Array) -> Array:
    """Values one behind the other along an axis, which is the last input."""
    return np.concatenate(values[:-1], int(values[-1]))


@rule("Concat")
def old_concat(operation: Operation, axis: Array, *values: Array) -> Array:
    """The same with the axis first."""
    return np.concatenate(values, int(axis))


@rule("Split")
def split(operation: Operation, axis: Array, value: Array) -> tuple[Array, ...]:
    """Equal parts along an axis."""
    return tuple(np.split(value, operation.integer("num_split", 1), int(axis)))


@rule("SplitV")
def split_at(operation: Operation, value: Array, sizes: Array, axis: Array) -> tuple[Array, ...]:
    """Parts of given sizes along an axis; one of them may be -1, the rest."""
    known = sizes.astype(np.int64)
    rest = value.shape[int(axis)] - known[known >= 0].sum()
    return tuple(np.split(value, np.cumsum(np.where(known < 0, rest, known))[:-1], int(axis)))


@rule("Tile")
def tile(operation: Operation, value: Array, times: Array) -> Array:
    """The value repeated along its axes."""
    return np.tile(value, integers(times))


@rule("Slice", narrow=True)
def part(operation: Operation, value: Array, begin: Array, sizes: Array) -> Array:
    """A block; a size of -1 means all that follows."""
    places = zip(integers(begin), integers(sizes), strict=True)
    return value[tuple(slice(start, None if size < 0 else start + size) for start, size in places)]


@rule("StridedSlice", narrow=True)
def strided_slice(operation: Operation, value: Array, begin: Array, end: Array, strides: Array) -> Array:
    """A block as Python's slices describe it; each bit of a mask is about one of the slices."""
    masks = {
        name: operation.integer(f"{name}_mask")
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    index: list[Any] = []
    places = zip(integers(begin), integers(end), integers(strides), strict=True)
    for bit, (first, last, step) in enumerate(places):
        marked = {name for name, mask in masks.items() if mask >> bit & 1}
        if "ellipsis" in marked:
            index.append(Ellipsis)
        elif "new_axis" in marked:
            index.append(np.newaxis)
        elif "shrink_axis" in marked:
            index.append(first)
        else:
            index.append(slice(None if "begin" in marked else first, None if "end" in marked else last, step))
    return np.asarray(value[tuple(index)])


@rule("Shape", narrow=True)
def shape(operation: Operation, value: Array) -> Array:
    """The size of each axis."""
    return np.asarray(value.shape, operation.dtype("out_type", "int32"))


@rule("ShapeN", narrow=True)
def shapes(operation: Operation, *values: Array) -> tuple[Array, ...]:
    """The shape of each value."""
    return tuple(np.asarray(value.shape, operation.dtype("out_type", "int32")) for value in values)


@rule("Size", narrow=True)
def size(operation: Operation, value: Array) -> Array:
    """How many numbers there are."""
    return np.asarray(value.size, operation.dtype("out_type", "int32"))


@rule("Rank", narrow=True)
def rank(operation: Operation, value: Array) -> Array:
    """How many axes there are."""
    return np.asarray(value.ndim, np.int32)


@rule("Fill")
def fill(operation: Operation, sizes: Array, value: Array) -> Array:
    """One number everywhere."""
    return np.full(integers(sizes), value, value.dtype)


@rule("Range")
def number_range(operation: Operation, start: Array, limit: Array, step: Array) -> Array:
    """Numbers from `start` up to, and without, `limit`."""
    numbers: Array = np.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)
    return numbers


@rule("LinSpace")
def spaced(operation: Operation, start: Array, stop: Array, count: Array) -> Array:
    """Numbers at equal distances."""
    return np.linspace(start, stop, int(count))


@rule("BroadcastTo")
def broadcast_to(operation: Operation, value: Array, sizes: Array) -> Array:
    """The value repeated along its axes of size 1."""
    return np.broadcast_to(value, integers(sizes))


@rule("BroadcastArgs")
def broadcast_shape(operation: Operation, a: Array, b: Array) -> Array:
    """The shape that two shapes broadcast to."""
    return np.asarray(np.broadcast_shapes(integers(a), integers(b)), a.dtype)


@rule("ZerosLike")
def zeros_like(operation: Operation, value: Array) -> Array:
    """Zeros in the value's shape."""
    return np.zeros_like(value)


@rule("OnesLike")
def ones_like(operation: Operation, value: Array) -> Array:
    """Ones in the value's shape."""
    return np.ones_like(value)
