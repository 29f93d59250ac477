"""One filter on one card: its kernels and what it looks for on the left, its exemplars on the right."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.tiles import levels
from inspector.tiles.levels import BACKGROUND_COLOUR

if TYPE_CHECKING:
    from inspector.exemplars.gallery import Exemplar
    from inspector.visualize.result import Visualization

Pixels = NDArray[np.uint8]

# About how wide the whole is, and how small and large an exemplar may be drawn, in pixels.
_WHOLE, LEAST, _MOST = 1400, 32, 112
_GAP = 2
_APART = 6


def cards(
    items: Sequence[Sequence[Exemplar]],
    count: int,
    kernels: NDArray[np.floating] | None,
    visualization: Visualization | None,
    silent: Collection[int],
    indices: Sequence[int],
    side: int | None = None,
) -> Pixels:
    """Draw a card for each filter, all of one size: uint8 (filters, H, W, 3).

    Args:
        items: The exemplars of each filter.
        count: For how many there is room.
        kernels: float (filters, h, w), drawn with zero as mid-grey, each to its own scale.
        visualization: What each filter looks for.
        silent: The numbers of filters that have no exemplars worth the name; theirs stay empty.
        indices: The number of each filter.
        side: About how large an exemplar is drawn; by default, what makes the whole near 1,400 wide.
    """
    across = math.ceil(math.sqrt(min(count, max(map(len, items), default=1))))
    rows = math.ceil(min(count, max(map(len, items), default=1)) / across)
    left = _left_pictures(kernels, visualization)
    if side is None:
        wide = math.ceil(math.sqrt(len(items))) * (across + (across / 2 if left else 0))
        side = int(min(_MOST, max(LEAST, _WHOLE / wide)))
    height = rows * side + (rows - 1) * _GAP
    each = max(1, (height - _GAP) // 2)
    start = each + _APART if left else 0
    size = (height, start + across * side + (across - 1) * _GAP)
    drawn = np.empty((len(items), *size, 3), np.uint8)
    drawn[:] = BACKGROUND_COLOUR
    for number, (card, index, best) in enumerate(zip(drawn, indices, items, strict=True)):
        for place, picture in enumerate(left):
            _put(card, place * (each + _GAP), 0, each, picture[number])
        for place, exemplar in enumerate(() if index in silent else best):
            row, column = divmod(place, across)
            _put(card, row * (side + _GAP), start + column * (side + _GAP), side, exemplar.crop)
    return drawn


def _left_pictures(kernels: NDArray[np.floating] | None, visualization: Visualization | None) -> list[Pixels]:
    """What stands on the left, for each filter: uint8 (filters, h, w) or (filters, h, w, 3)."""
    found = []
    if kernels is not None:
        shades = levels.to_palette(kernels, levels.limits(kernels, "each"))
        grey = np.repeat(shades[..., None], 3, axis=3)
        grey[shades == levels.NOT_A_NUMBER] = levels.NOT_A_NUMBER_COLOUR
        found.append(grey)
    if visualization is not None:
        found.append(visualization.pictures[:, 0])
    return found


def _put(card: Pixels, top: int, left: int, side: int, picture: Pixels) -> None:
    """Draw a picture into a square of the card, as large as fits, in the middle."""
    from PIL import Image

    image: Image.Image = Image.fromarray(picture).convert("RGB")
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Enlarged, its pixels stay to be seen; shrunk, none is passed over.
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    fitted = np.asarray(image.resize(size, how))
    y, x = top + (side - fitted.shape[0]) // 2, left + (side - fitted.shape[1]) // 2
    card[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
