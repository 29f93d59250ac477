"""Convolution along any number of axes, and its transpose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, integers, rule
from converters.tensorflow.evaluator.windows import (
    Axis,
    axes_of,
    channels_first,
    channels_last,
    padded,
    positions,
)

# How many numbers of copied windows are multiplied at once: 16 MiB.
_BLOCK = 1 << 21


@rule("Conv2D", "Conv3D")
def convolution(operation: Operation, value: Array, kernel: Array) -> Array:
    """Kernel (rows, columns, in, out); with fewer `in` than channels, the channels are in groups."""
    axes = _spatial(operation, value.shape, kernel.shape[:-2])
    if operation.channels_first:
        value = channels_last(value)
    groups = value.shape[-1] // kernel.shape[-2]
    parts = zip(np.split(value, groups, -1), np.split(kernel, groups, -1), strict=True)
    result = np.concatenate([_convolved(part, filters, axes) for part, filters in parts], -1)
    return channels_first(result) if operation.channels_first else result


@rule("DepthwiseConv2dNative")
def depthwise(operation: Operation, value: Array, kernel: Array) -> Array:
    """Kernel (rows, columns, channels, multiplier): each channel is convolved by itself."""
    axes = _spatial(operation, value.shape, kernel.shape[:2])
    if operation.channels_first:
        value = channels_last(value)
    rows, columns = axes
    source = padded(value, (_STILL, *axes, _STILL))
    channels, multiplier = kernel.shape[2:]
    result = np.zeros((value.shape[0], rows.count, columns.count, channels, multiplier))
    for row, column in positions(axes):
        seen = source[:, rows.places(row), columns.places(column), :, np.newaxis]
        result += seen * kernel[row, column]
    flat = result.reshape(*result.shape[:3], channels * multiplier)
    return channels_first(flat) if operation.channels_first else flat


@rule("Conv2DBackpropInput", "Conv3DBackpropInputV2")
def transposed(operation: Operation, sizes: Array, kernel: Array, value: Array) -> Array:
    """The gradient of a convolution with respect to its input, which has the shape `sizes`."""
    first = operation.channels_first
    shape = integers(sizes)
    if len(shape) < value.ndim:
        # Only the spatial sizes are given.
        shape = (
            (value.shape[0], kernel.shape[-2], *shape)
            if first
            else (value.shape[0], *shape, kernel.shape[-2])
        )
    axes = _spatial(operation, shape, kernel.shape[:-2])
    if first:
        value, shape = channels_last(value), (shape[0], *shape[2:], shape[1])
    spatial = [size + axis.before + axis.after for size, axis in zip(shape[1:-1], axes, strict=True)]
    result = np.zeros((shape[0], *spatial, shape[-1]))
    for position in positions(axes):
        places = tuple(axis.places(p) for axis, p in zip(axes, position, strict=True))
        result[:, *places] += value @ kernel[position].T
    inner = tuple(
        slice(axis.before, size + axis.before) for axis, size in zip(axes, shape[1:-1], strict=True)
    )
    result = result[:, *inner]
    return channels_first(result) if first else result


_STILL = Axis(kernel=1, stride=1, dilation=1, before=0, after=0, count=0)


def _spatial(operation: Operation, shape: Sequence[int], kernel: Sequence[int]) -> tuple[Axis, ...]:
    """The spatial axes of a convolution whose input has this shape, in the operation's own order."""
    strides = operation.integers("strides")
    sizes = (1, 1, *kernel) if operation.channels_first else (1, *kernel, 1)
    axes = axes_of(operation, shape, sizes, strides, operation.integers("dilations"))
    return axes[2:] if operation.channels_first else axes[1:-1]


def _convolved(value: Array, kernel: Array, axes: Sequence[Axis]) -> Array:
    """The convolution of N H W C: windows are copied out, block by block, as the rows of a matrix."""
    filters = kernel.reshape(-1, kernel.shape[-1])
    source = padded(value, (_STILL, *axes, _STILL))
    result = np.zeros((value.shape[0], *(axis.count for axis in axes), kernel.shape[-1]))
    if not result.size:
        return result
    spatial = tuple(range(1, 1 + len(axes)))
    windows = np.lib.stride_tricks.sliding_window_view(source, [axis.span for axis in axes], spatial)
    steps = tuple(slice(None, None, axis.stride) for axis in axes)
    gaps = tuple(slice(None, None, axis.dilation) for axis in axes)
    # Behind the channels come the window's own axes; the kernel has its channels last.
    windows = np.moveaxis(windows[:, *steps, :, *gaps], 1 + len(axes), -1)
    rows = max(1, _BLOCK // max(1, filters.shape[0] * math.prod(result.shape[2:-1])))
    for sample in range(result.shape[0]):
        for start in range(0, result.shape[1], rows):
            block = windows[sample, start : start + rows]
            lines = block.reshape(-1, filters.shape[0]) @ filters
            result[sample, start : start + rows] = lines.reshape(*block.shape[: len(axes)], -1)
    return result
