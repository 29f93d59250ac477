"""How a convolution or pooling slides over its input: strides, dilations and padding of each spatial axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.gradients.node import Node
from inspector.gradients.value import Value


@dataclass(frozen=True)
class Windows:
    """The windows of one node.

    Attributes:
        kernel: Size of a window along each spatial axis, in taps.
        strides: From one window to the next.
        dilations: From one tap to the next.
        begins: How far the first window reaches out before the input.
        ends: How far the last window reaches out behind it; negative where it does not reach the end.
        inside: Size of the input along each spatial axis.
        count: Number of windows along each.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    inside: tuple[int, ...]
    count: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """Size of a window along each axis, in numbers of the input."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def dense(self) -> bool:
        """Whether windows follow one another number by number."""
        return all(stride == 1 for stride in self.strides)

    def transposed(self) -> dict[str, tuple[int, ...]]:
        """The attributes of the ConvTranspose that spreads a number for each window over the input."""
        return {
            "strides": self.strides,
            "dilations": self.dilations,
            "pads": (*self.begins, *(max(end, 0) for end in self.ends)),
            "output_padding": tuple(max(-end, 0) for end in self.ends),
        }

    def mirrored(self) -> dict[str, tuple[int, ...]] | None:
        """The attributes of the Conv that does the same with the flipped kernel; None where none does."""
        reach = [extent - 1 for extent in self.extent]
        pads = [r - begin for r, begin in zip(reach, self.begins, strict=True)]
        pads += [r - end for r, end in zip(reach, self.ends, strict=True)]
        if not self.dense or min(pads) < 0:
            return None
        return {"dilations": self.dilations, "pads": tuple(pads)}

    def taps_inside(self, *, padding_counts: Sequence[int] | None = None) -> NDArray[np.float64]:
        """How many taps of each window lie in the input, or in it and its padding.

        Args:
            padding_counts: Size of the padding behind the input along each axis when taps in the padding
                count too; None when they do not.
        """
        counts = np.ones((), np.float64)
        for axis, taps in enumerate(self.kernel):
            first = np.arange(self.count[axis]) * self.strides[axis] - self.begins[axis]
            places = first[:, None] + np.arange(taps) * self.dilations[axis]
            low = 0 if padding_counts is None else -self.begins[axis]
            high = self.inside[axis] + (0 if padding_counts is None else padding_counts[axis])
            counts = counts[..., None] * ((places >= low) & (places < high)).sum(1)
        return counts


def windows_of(node: Node, inside: Value, outside: Value, kernel: Sequence[int]) -> Windows:
    """Work out the windows of a node, whatever its `auto_pad`.

    Args:
        node: Tells strides, dilations, pads and auto_pad.
        inside: The value that the windows slide over.
        outside: The value that has a number for each window.
        kernel: The taps of a window.
    """
    rank = len(kernel)
    sizes, count = _spatial(node, inside, rank), _spatial(node, outside, rank)
    ones = (1,) * rank
    strides: tuple[int, ...] = node.attr("strides", ones) or ones
    dilations: tuple[int, ...] = node.attr("dilations", ones) or ones
    reach = [
        (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(count, strides, dilations, kernel, strict=True)
    ]
    auto = node.attr("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        whole = [max(length - size, 0) for length, size in zip(reach, sizes, strict=True)]
        begins = tuple(each // 2 if auto == "SAME_UPPER" else (each + 1) // 2 for each in whole)
    elif auto == "VALID":
        begins = (0,) * rank
    else:
        begins = tuple(node.attr("pads", (0,) * rank)[:rank])
    ends = tuple(length - begin - size for length, begin, size in zip(reach, begins, sizes, strict=True))
    return Windows(tuple(kernel), strides, dilations, begins, ends, sizes, count)


def _spatial(node: Node, value: Value, rank: int) -> tuple[int, ...]:
    sizes = value.known_shape[-rank:]
    fixed = tuple(size for size in sizes if size is not None)
    if len(fixed) < rank or value.rank != rank + 2:
        raise node.refuse(f"has no gradient for a value of the shape {value.known_shape}")
    return fixed
