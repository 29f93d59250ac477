"""Shapes and axes: what comes out of broadcasting, and where axes lie once some are gone or added."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import CHANNELS_FIRST, Layout, Shape, Value
from converters.tensorflow.topology import Node


def broadcast(*shapes: Shape) -> Shape:
    """The shape that TensorFlow's broadcasting gives; a size that is not known may turn out to be one.

    Example:
        >>> broadcast((None, 1, 3), (4, 1)), broadcast((None, 2), None)
        ((None, 4, 3), None)
    """
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return None
    rank = max((len(shape) for shape in known), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in known]
    return tuple(_together(sizes) for sizes in zip(*padded, strict=True))


def _together(sizes: Sequence[int | None]) -> int | None:
    wide = [size for size in sizes if size is not None and size != 1]
    return wide[0] if wide else None if None in sizes else 1


def ranked(node: Node, *values: Value) -> tuple[tuple[int | None, ...], ...]:
    """The shapes of values whose rank the emitter has to know.

    Raises:
        NoEmitter: One of them has an unknown rank.
    """
    shapes = tuple(value.shape for value in values)
    known = tuple(shape for shape in shapes if shape is not None)
    if len(known) < len(shapes):
        raise NoEmitter(node, "the rank of its input is not known")
    return known


def constant_axes(to: Emission, node: Node, index: int, rank: int) -> tuple[int, ...]:
    """The axes that an input lists, none of them negative, in ascending order.

    Raises:
        NoEmitter: They depend on the graph's inputs, or the data has no such axis.
    """
    given = [int(axis) for axis in np.ravel(to.needed_const(node, index, "axis"))]
    return tuple(sorted({checked_axis(node, axis, rank) for axis in given}))


def checked_axis(node: Node, axis: int, rank: int) -> int:
    """An axis as a number from 0 to `rank` − 1.

    Raises:
        NoEmitter: The data has no such axis.
    """
    if not -rank <= axis < rank:
        raise NoEmitter(node, f"its axis {axis} is not one of the {rank} of its data")
    return axis % rank


def order(rank: int, layout: Layout) -> tuple[int, ...]:
    """TensorFlow's axes in the order in which the ONNX tensor has them.

    Example:
        >>> order(4, "channels first"), order(2, "plain")
        ((0, 3, 1, 2), (0, 1))
    """
    return (0, rank - 1, *range(1, rank - 1)) if layout == CHANNELS_FIRST else tuple(range(rank))


def without(to: Emission, value: Value, axes: Collection[int]) -> tuple[Value, Layout]:
    """Get a value ready to lose some of its axes.

    Returns:
        The value, in TensorFlow's order where what is left would have neither of the two, and the layout of
        what is left.
    """
    rank = len(value.shape or ())
    left = [axis for axis in order(rank, value.layout) if axis not in axes]
    renumbered = tuple(sorted(left).index(axis) for axis in left)
    if renumbered == order(len(left), "plain"):
        return value, "plain"
    if len(left) > 2 and renumbered == order(len(left), CHANNELS_FIRST):
        return value, CHANNELS_FIRST
    return to.plain(value), "plain"


def with_new(to: Emission, value: Value, axes: Collection[int]) -> tuple[Value, Layout, tuple[int, ...]]:
    """Get a value ready to gain axes of size 1.

    Args:
        to: The graph.
        value: What gets them.
        axes: The places of the new axes among all axes of the result, in TensorFlow's order.

    Returns:
        The value, the layout of the result, and the new axes' places in the ONNX tensor of the result.
    """
    rank = len(value.shape or ()) + len(axes)
    old = [axis for axis in range(rank) if axis not in axes]
    if value.is_first:
        now = [old[axis] for axis in order(len(old), value.layout)]
        for layout in (CHANNELS_FIRST, "plain"):
            after = order(rank, layout)
            if [axis for axis in after if axis not in axes] == now:
                return value, layout, tuple(place for place, axis in enumerate(after) if axis in axes)
    return to.plain(value), "plain", tuple(sorted(axes))


def squeezed(to: Emission, value: Value, axes: Collection[int]) -> Value:
    """A value without these axes, all of size 1."""
    if not axes:
        return value
    if value.constant is not None:
        return to.weight(np.squeeze(value.constant, tuple(axes)), value.name)
    source, layout = without(to, value, axes)
    shape = tuple(size for axis, size in enumerate(source.shape or ()) if axis not in axes)
    places = sorted(source.axis(axis) for axis in axes)
    like = source.like(shape=shape, layout=layout).with_elements(value.known())
    return to.node("Squeeze", [source, to.small(places)], like)


def unsqueezed(to: Emission, value: Value, axes: Collection[int]) -> Value:
    """A value with new axes of size 1 at these places of the result."""
    if not axes:
        return value
    if value.constant is not None:
        return to.weight(np.expand_dims(value.constant, tuple(axes)), value.name)
    source, layout, places = with_new(to, value, axes)
    sizes = iter(source.shape or ())
    rank = len(source.shape or ()) + len(axes)
    shape = tuple(1 if axis in axes else next(sizes) for axis in range(rank))
    like = source.like(shape=shape, layout=layout).with_elements(value.known())
    return to.node("Unsqueeze", [source, to.small(places)], like)


def product(sizes: Sequence[int | None]) -> int | None:
    """How many elements there are, None when a size is not known."""
    total = 1
    for size in sizes:
        if size is None:
            return None
        total *= size
    return total
