"""The best pictures of each filter, gathered from one pass over any number of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PADDING = (128, 128, 128)
"""What is drawn beyond the edges of a picture, so that a tile keeps its frame on the dark ground."""

# What the crops of all filters may take together, and the least and greatest side of one, in pixels.
_MOST_BYTES = 2**28
_LEAST_SIDE, _MOST_SIDE = 24, 224

Crop = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A place of a picture that excites a filter.

    Attributes:
        score: The filter's activation there.
        source: The picture's path, or what stands for it.
        box: Top, left, bottom and right in the picture as the model sees it, bottom and right exclusive; what
            lies outside of it is padding.
        crop: uint8 (H, W, 3), sRGB: what is in the box, shrunk where it is large; mid-grey beyond
            the edges of the picture.
    """

    score: float
    source: str
    box: tuple[int, int, int, int]
    crop: Crop


@dataclass(frozen=True, eq=False)
class Gallery:
    """The best so far; it never holds more than `count` for each filter.

    Attributes:
        filters: How many filters.
        count: How many for each.
    """

    filters: int
    count: int
    _best: list[list[Exemplar]] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing."""
        object.__setattr__(self, "_best", [[] for _ in range(self.filters)])

    @property
    def side(self) -> int:
        """The greatest side of a crop, so that all of them together take a bounded part of the memory."""
        each = _MOST_BYTES / (3 * self.filters * self.count)
        return int(min(_MOST_SIDE, max(_LEAST_SIDE, math.isqrt(int(each)))))

    def offer(self, scores: NDArray[np.floating], made: Callable[[int, float], Exemplar]) -> None:
        """Show a picture to every filter.

        Args:
            scores: float (filters,), the most that the picture excites each.
            made: Cuts the exemplar of a filter out of the picture; called for those only that keep it.
        """
        for index in np.flatnonzero(np.isfinite(scores)).tolist():
            best, score = self._best[index], float(scores[index])
            if len(best) == self.count and score <= best[-1].score:
                continue
            # Of equals the earlier picture stays in front.
            place = sum(each.score >= score for each in best)
            best.insert(place, made(index, score))
            del best[self.count :]

    def best(self) -> tuple[tuple[Exemplar, ...], ...]:
        """The exemplars of each filter, best first."""
        return tuple(tuple(each) for each in self._best)


def cut(seen: Crop, box: Sequence[int], side: int) -> Crop:
    """Cut a box out of a picture, uint8 (H, W) or (H, W, 3), at most `side` large; mid-grey beyond edges."""
    from PIL import Image

    top, left, bottom, right = box
    height, width = seen.shape[:2]
    crop = np.empty((bottom - top, right - left, 3), np.uint8)
    crop[:] = PADDING
    inner = seen[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    y, x = max(0, -top), max(0, -left)
    crop[y : y + inner.shape[0], x : x + inner.shape[1]] = inner[..., None] if inner.ndim == 2 else inner
    longest = max(crop.shape[:2])
    if longest <= side:
        return crop
    size = tuple(max(1, round(length * side / longest)) for length in (crop.shape[1], crop.shape[0]))
    return np.asarray(Image.fromarray(crop).resize((size[0], size[1]), Image.Resampling.BOX))
