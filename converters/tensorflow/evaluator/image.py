"""Padding, resizing, and moving between space, depth and batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, integers, rule
from converters.tensorflow.evaluator.windows import channels_first, channels_last


@rule("Pad")
def pad(operation: Operation, value: Array, widths: Array) -> Array:
    """Zeros around the value."""
    return np.pad(value, widths)


@rule("PadV2")
def pad_with(operation: Operation, value: Array, widths: Array, filling: Array) -> Array:
    """One number around the value."""
    return np.pad(value, widths, constant_values=filling)


@rule("MirrorPad")
def mirror_pad(operation: Operation, value: Array, widths: Array) -> Array:
    """The value mirrored at its edges; "REFLECT" does not repeat the edge itself."""
    if operation.text("mode", "REFLECT") == "REFLECT":
        return np.pad(value, widths, "reflect")
    return np.pad(value, widths, "symmetric")


@rule("ResizeBilinear")
def resize_bilinear(operation: Operation, value: Array, sizes: Array) -> Array:
    """Between the four neighbours, by distance."""
    result = value.astype(np.float64, copy=False)
    for axis, size in zip((1, 2), integers(sizes), strict=True):
        length = value.shape[axis]
        places = _places(operation, length, size, half=0.5)
        lower = np.floor(places)
        share = (places - lower).astype(np.float64).reshape(-1, *[1] * (3 - axis))
        below = np.take(result, np.maximum(lower, 0).astype(int), axis)
        above = np.take(result, np.minimum(np.ceil(places), length - 1).astype(int), axis)
        result = below + (above - below) * share
    return result


@rule("ResizeNearestNeighbor")
def resize_nearest(operation: Operation, value: Array, sizes: Array) -> Array:
    """The nearest neighbour, or the one below."""
    for axis, size in zip((1, 2), integers(sizes), strict=True):
        length = value.shape[axis]
        places = _places(operation, length, size, half=0.0)
        # Halves round away from zero.
        nearest = np.floor(places + np.float32(0.5)) if operation.flag("align_corners") else np.floor(places)
        value = np.take(value, np.clip(nearest, 0, length - 1).astype(int), axis)
    return value


def _places(operation: Operation, length: int, size: int, half: float) -> Array:
    """Where the new pixels lie among the old ones, computed in float32, in which it is defined.

    Reference: tensorflow/core/util/image_resizer_state.h.
    """
    single = np.float32
    if operation.flag("align_corners") and size > 1:
        scale = single(length - 1) / single(size - 1)
    else:
        scale = single(length) / single(size)
    pixels = np.arange(size, dtype=single)
    if operation.flag("half_pixel_centers"):
        return (pixels + single(0.5)) * scale - single(half)
    return pixels * scale


@rule("SpaceToDepth")
def space_to_depth(operation: Operation, value: Array) -> Array:
    """Blocks of pixels become channels."""
    block = operation.integer("block_size", 1)
    picture = channels_last(value) if operation.channels_first else value
    count, height, width, depth = picture.shape
    cut = picture.reshape(count, height // block, block, width // block, block, depth)
    result = cut.transpose(0, 1, 3, 2, 4, 5).reshape(count, height // block, width // block, -1)
    return channels_first(result) if operation.channels_first else result


@rule("DepthToSpace")
def depth_to_space(operation: Operation, value: Array) -> Array:
    """Channels become blocks of pixels."""
    block = operation.integer("block_size", 1)
    picture = channels_last(value) if operation.channels_first else value
    count, height, width, depth = picture.shape
    cut = picture.reshape(count, height, width, block, block, depth // block**2)
    result = cut.transpose(0, 1, 3, 2, 4, 5).reshape(count, height * block, width * block, -1)
    return channels_first(result) if operation.channels_first else result


@rule("SpaceToBatchND")
def space_to_batch(operation: Operation, value: Array, blocks: Array, widths: Array) -> Array:
    """The pixels of one place in every block become a picture of their own."""
    return _to_batch(value, integers(blocks), widths)


@rule("BatchToSpaceND")
def batch_to_space(operation: Operation, value: Array, blocks: Array, crops: Array) -> Array:
    """The inverse of space to batch, with the borders cut off."""
    return _to_space(value, integers(blocks), crops)


@rule("SpaceToBatch")
def old_space_to_batch(operation: Operation, value: Array, widths: Array) -> Array:
    """Space to batch with the same block along rows and columns."""
    return _to_batch(value, (operation.integer("block_size", 1),) * 2, widths)


@rule("BatchToSpace")
def old_batch_to_space(operation: Operation, value: Array, crops: Array) -> Array:
    """Batch to space with the same block along rows and columns."""
    return _to_space(value, (operation.integer("block_size", 1),) * 2, crops)


def _to_batch(value: Array, blocks: Sequence[int], widths: Array) -> Array:
    axes = len(blocks)
    value = np.pad(value, [(0, 0), *widths.tolist(), *[(0, 0)] * (value.ndim - 1 - axes)])
    count, sizes, rest = value.shape[0], value.shape[1 : 1 + axes], value.shape[1 + axes :]
    counts = [size // block for size, block in zip(sizes, blocks, strict=True)]
    cut = value.reshape(count, *(n for pair in zip(counts, blocks, strict=True) for n in pair), *rest)
    places, insides = range(1, 1 + 2 * axes, 2), range(2, 2 + 2 * axes, 2)
    moved = cut.transpose(*insides, 0, *places, *range(1 + 2 * axes, cut.ndim))
    return moved.reshape(count * math.prod(blocks), *counts, *rest)


def _to_space(value: Array, blocks: Sequence[int], crops: Array) -> Array:
    axes = len(blocks)
    count, sizes, rest = (
        value.shape[0] // math.prod(blocks),
        value.shape[1 : 1 + axes],
        value.shape[1 + axes :],
    )
    cut = value.reshape(*blocks, count, *sizes, *rest)
    order = [axes, *(n for axis in range(axes) for n in (axes + 1 + axis, axis))]
    moved = cut.transpose(*order, *range(2 * axes + 1, cut.ndim))
    full = [size * block for size, block in zip(sizes, blocks, strict=True)]
    whole = moved.reshape(count, *full, *rest)
    kept = (slice(a, size - b) for (a, b), size in zip(crops.tolist(), full, strict=True))
    return whole[:, *kept]
