"""GridSample: pictures read at places that another value names."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from inspector.gradients.along_axis import added_at, widened
from inspector.gradients.expressions import positive, size_at
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value

_LINEAR, _NEAREST = ("bilinear", "linear"), ("nearest",)


@vjp("GridSample", since=16)
def grid_sample(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """To each corner of a place its weight; to the place, how the weights change with it.

    Reference:
        M. Jaderberg et al., "Spatial transformer networks", 2015, equations 6 and 7.
    """
    mode, padding = node.attr("mode", "linear"), node.attr("padding_mode", "zeros")
    if mode not in (*_LINEAR, *_NEAREST) or padding not in ("zeros", "border"):
        raise node.refuse(f"has no gradient with mode={mode!r} and padding_mode={padding!r}")
    x, grid, grad = widened(node.input), widened(node.given(1)), widened(grad)
    sizes = [size_at(node, x, axis) for axis in range(2, x.rank)]
    # The places of a sample side by side: (batch, 1, places) for each axis, (batch, channels, places) else.
    count = math.prod(size_at(node, grad, axis) for axis in range(2, grad.rank))
    places, slopes = _places(node, grid, sizes, count)
    flat = grad.reshape((*grad.known_shape[:2], count))
    pixels = x.reshape((*x.known_shape[:2], math.prod(sizes)))
    if mode in _NEAREST:
        at = [place.op("Round") for place in places]
        by_pixels = _spread(pixels, flat, at, [], sizes).reshape_like(x)
        return by_pixels.cast(node.input.dtype), node.given(1).zeros()
    lower = [place.op("Floor") for place in places]
    by_x: list[Value] = []
    by_place: list[list[Value]] = [[] for _ in sizes]
    for corner in product((0, 1), repeat=len(sizes)):
        at = [low + float(step) for low, step in zip(lower, corner, strict=True)]
        weights = [_weight(place, low, step) for place, low, step in zip(places, lower, corner, strict=True)]
        by_x.append(_spread(pixels, flat, at, weights, sizes))
        seen = (flat * _read(pixels, flat, at, sizes)).sum((1,))
        for axis, step in enumerate(corner):
            others = [each for other, each in enumerate(weights) if other != axis]
            by_place[axis].append(_times(seen, others) * (1.0 if step else -1.0))
    summed = [_sum(each) * slope for each, slope in zip(by_place, slopes, strict=True)]
    # The grid names the last axis first.
    columns = [each.op("Squeeze", axes=(1,)).op("Unsqueeze", axes=(2,)) for each in reversed(summed)]
    by_grid = columns[0].op("Concat", *columns[1:], axis=2).reshape_like(grid)
    return _sum(by_x).reshape_like(x).cast(node.input.dtype), by_grid.cast(node.given(1).dtype)


def _places(node: Node, grid: Value, sizes: list[int], count: int) -> tuple[list[Value], list[Value | float]]:
    """Where each axis is read, in pixels, and the derivative of that by the grid's number."""
    rows = grid.reshape((grid.known_shape[0], count, len(sizes))).transpose((0, 2, 1))
    places: list[Value] = []
    slopes: list[Value | float] = []
    for axis, size in enumerate(sizes):
        number = np.array([len(sizes) - 1 - axis], np.int64)
        along = rows.op("Gather", number, axis=1)
        whole = size - 1 if node.attr("align_corners", 0) else size
        place = along * (whole / 2) + (size - 1) / 2
        slope: Value | float = whole / 2
        if node.attr("padding_mode", "zeros") == "border":
            held = place.op("Clip", 0.0, float(size - 1))
            slope = positive(place) * positive((size - 1) - place) * (whole / 2)
            place = held
        places.append(place)
        slopes.append(slope)
    return places, slopes


def _weight(place: Value, low: Value, step: int) -> Value:
    """How much the lower or the upper neighbour counts."""
    return place - low if step else 1 - (place - low)


def _index(like: Value, at: list[Value], sizes: list[int]) -> tuple[Value, Value]:
    """The place of a pixel among all of them, for every channel, and 1 where there is one, else 0."""
    inside: Value | None = None
    index: Value | None = None
    for place, size in zip(at, sizes, strict=True):
        held = place.op("Clip", 0.0, float(size - 1))
        here = held.equal(place).cast(like.dtype)
        inside = here if inside is None else inside * here
        # Counted in whole numbers: float32 has not one for every pixel, and float16 for hardly any.
        whole = held.cast(np.int64)
        index = whole if index is None else index * size + whole
    assert index is not None and inside is not None
    return index.op("Expand", like.shape_vector()), inside


def _spread(pixels: Value, flat: Value, at: list[Value], weights: list[Value], sizes: list[int]) -> Value:
    """A picture in which each place has what was read there, weighted."""
    index, inside = _index(flat, at, sizes)
    parts = _times(flat * inside, weights)
    return added_at(pixels.zeros(), index, parts, axis=2)


def _read(pixels: Value, flat: Value, at: list[Value], sizes: list[int]) -> Value:
    """What stands at each place, 0 outside."""
    index, inside = _index(flat, at, sizes)
    return pixels.op("GatherElements", index, axis=2) * inside


def _times(value: Value, factors: list[Value]) -> Value:
    for factor in factors:
        value = value * factor
    return value


def _sum(values: list[Value]) -> Value:
    return values[0].op("Sum", *values[1:])
