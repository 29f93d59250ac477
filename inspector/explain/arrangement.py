"""How the tiles of explanations are arranged: side by side as groups, one for each picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.overlay import enlarged
from inspector.tiles.text import LINE

# About how wide the whole is, how small a tile may become, and how small where there are very many.
_WIDTH, _LEAST, _SMALLEST = 1000, 150, 96
# From this factor on, a picture is enlarged by whole factors: its pixels are seen.
_COARSE = 3
# So many pictures stand one below the other.
_STACKED = 3
_LONGEST_SIDE = 4000
_GUTTER, _BELOW = 8, 90
# From as wide as high to 4:3; between the two is best.
_RATIO = math.sqrt(4 / 3)

GAP = 24
"""Pixels between two groups, beside the gutter between tiles."""


@dataclass(frozen=True)
class Arrangement:
    """How many pictures stand beside each other.

    Attributes:
        groups: Pictures in a row, each with its maps.
        side: About the longer side of a tile, in pixels.
        shown: How many pictures there is room for; the first ones are drawn.
        exact: Whether a tile has that size whatever the picture's own; otherwise pictures are enlarged by
            whole factors and never shrunk.
    """

    groups: int
    side: int
    shown: int
    exact: bool

    def sized(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture, uint8 (H, W) or (H, W, 3), in the size that its tile has."""
        height, width = _tile(picture.shape[:2], self.side, self.exact)
        if height % picture.shape[0] == 0 and width % picture.shape[1] == 0:
            return enlarged(picture, self.side)
        from PIL import Image

        image = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(image, np.uint8)


def arranged(shapes: Sequence[tuple[int, ...]], columns: int, zoom: int | None = None) -> Arrangement:
    """Choose an arrangement about as wide as high.

    Args:
        shapes: Height and width of each picture, before anything else.
        columns: Tiles of each picture.
        zoom: Screen pixels per pixel, if somebody chose them; then all are drawn.

    Example:
        >>> arranged([(91, 91)] * 24, 3).groups
        3
    """
    count, largest = len(shapes), (max(each[0] for each in shapes), max(each[1] for each in shapes))
    if zoom is not None:
        side = zoom * max(largest)
        groups = 1 if count <= _STACKED else _groups(count, columns, _tile(largest, side, False))
        return Arrangement(groups, side, count, False)
    if count <= _STACKED:
        return Arrangement(1, max(_LEAST, _WIDTH // columns), count, False)
    for least in range(_LEAST, _SMALLEST - 1, -6):
        groups = _groups(count, columns, _tile(largest, least, True))
        side = max(least, _WIDTH // (groups * columns))
        size = _size(count, groups, columns, _tile(largest, side, True))
        if max(size) <= _LONGEST_SIDE:
            return Arrangement(groups, side, count, True)
    tile = _tile(largest, _SMALLEST, True)
    down, right = tile[0] + LINE + _GUTTER, columns * (tile[1] + _GUTTER) + GAP
    groups = max(1, min(count, (_LONGEST_SIDE + GAP - _GUTTER) // right))
    rows = max(1, (_LONGEST_SIDE - _BELOW) // down)
    return Arrangement(groups, _SMALLEST, min(count, rows * groups), True)


def _groups(count: int, columns: int, tile: tuple[int, int]) -> int:
    """How many pictures in a row make the whole nearest to the best ratio."""

    def away(groups: int) -> float:
        height, width = _size(count, groups, columns, tile)
        return abs(math.log(width / height / _RATIO))

    return min(range(1, count + 1), key=away)


def _size(count: int, groups: int, columns: int, tile: tuple[int, int]) -> tuple[int, int]:
    rows = -(-count // groups)
    width = groups * columns * (tile[1] + _GUTTER) + (groups - 1) * GAP + _GUTTER
    return rows * (tile[0] + LINE + _GUTTER) + _BELOW, width


def _tile(shape: Sequence[int], side: int, exact: bool) -> tuple[int, int]:
    """Height and width of a picture as a tile."""
    height, width = shape[0], shape[1]
    longer = max(height, width)
    if exact and side < _COARSE * longer:
        return max(1, round(height * side / longer)), max(1, round(width * side / longer))
    factor = max(1, round(side / longer))
    return height * factor, width * factor
