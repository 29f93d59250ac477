"""Where windows lie that slide along axes: convolution's and pooling's.

Reference: https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation


@dataclass(frozen=True)
class Axis:
    """One axis along which a window slides.

    Attributes:
        kernel: How many places the window has.
        stride: How far it moves.
        dilation: How far its places lie apart.
        before: How much padding precedes the axis.
        after: How much follows it.
        count: How many windows there are.
    """

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    count: int

    @property
    def span(self) -> int:
        """How much of the axis one window covers."""
        return (self.kernel - 1) * self.dilation + 1

    def places(self, position: int) -> slice:
        """Return where, on the padded axis, every window has its place number `position`."""
        start = position * self.dilation
        return slice(
            start, start + max(self.count - 1, 0) * self.stride + 1 if self.count else start, self.stride
        )


def sliding(
    size: int, kernel: int, stride: int, dilation: int, padding: str, explicit: tuple[int, int] = (0, 0)
) -> Axis:
    """Return how a window slides along an axis.

    Args:
        size: The axis' length.
        kernel: How many places the window has.
        stride: How far it moves.
        dilation: How far its places lie apart.
        padding: "SAME", "VALID" or "EXPLICIT".
        explicit: The padding before and after, for "EXPLICIT".
    """
    span = (kernel - 1) * dilation + 1
    before, after = explicit if padding == "EXPLICIT" else (0, 0)
    if padding == "SAME":
        count = math.ceil(size / stride)
        total = max((count - 1) * stride + span - size, 0)
        before, after = total // 2, total - total // 2
    else:
        count = max((size + before + after - span) // stride + 1, 0)
    return Axis(kernel, stride, dilation, before, after, count)


def axes_of(
    operation: Operation,
    sizes: Sequence[int],
    kernels: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int] = (),
) -> tuple[Axis, ...]:
    """Return every axis of a tensor, in the operation's own order, with its window.

    Args:
        operation: Says what the padding is.
        sizes: The tensor's shape.
        kernels: The window's, one for each axis.
        strides: How far it moves, one for each axis.
        dilations: How far its places lie apart; 1 everywhere when not given.
    """
    padding = operation.text("padding", "VALID")
    explicit = operation.integers("explicit_paddings") or (0,) * (2 * len(sizes))
    return tuple(
        sliding(size, kernel, stride, dilation, padding, (before, after))
        for size, kernel, stride, dilation, before, after in zip(
            sizes,
            kernels,
            strides,
            dilations or (1,) * len(sizes),
            explicit[::2],
            explicit[1::2],
            strict=True,
        )
    )


def padded(value: Array, axes: Sequence[Axis], filling: float = 0) -> Array:
    """Return `value` with the padding that its axes need."""
    widths = [(axis.before, axis.after) for axis in axes]
    return np.pad(value, widths, constant_values=filling) if any(map(any, widths)) else value


def positions(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    """Yield every place of the window."""
    return itertools.product(*(range(axis.kernel) for axis in axes))


def channels_last(value: Array) -> Array:
    """Return pictures N C H W as N H W C, for any number of spatial axes."""
    return np.moveaxis(value, 1, -1)


def channels_first(value: Array) -> Array:
    """Return pictures N H W C as N C H W, for any number of spatial axes."""
    return np.moveaxis(value, -1, 1)
