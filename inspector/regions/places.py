"""Where regions lie: as numbers, and drawn over the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.regions.masks import Mask, short
from inspector.safe_names import printable
from inspector.tiles.text import SIZE, Text, draw, shortened, width

_LINE = (255, 210, 60)
# How dark the picture becomes under the lines and names.
_DIM = 0.55
_ROOM = 60
# How far the last line of names stays above the picture's lower edge.
_LOWEST = 4


def place(mask: Mask) -> dict[str, Any] | None:
    """Where a region lies, in pixels of the model's input; None for one without pixels.

    Args:
        mask: bool (height, width).

    Returns:
        "box", the smallest rectangle around it as x, y, width and height; "centre", the mean x and y of its
        pixels; and "pixels", how many there are.

    Example:
        >>> place(np.array([[False, True, True]]))
        {'box': [1, 0, 2, 1], 'centre': [1.5, 0.0], 'pixels': 2}
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    left, top = int(columns.min()), int(rows.min())
    return {
        "box": [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1],
        "centre": [round(float(columns.mean()), 2), round(float(rows.mean()), 2)],
        "pixels": len(rows),
    }


def outlined(picture: NDArray[np.uint8], masks: Mapping[str, Mask]) -> NDArray[np.uint8]:
    """Draw the outline of each region over a picture, with its name or number in it.

    Args:
        picture: uint8 (H, W, 3).
        masks: Region → bool (height, width), enlarged to the picture.

    Returns:
        uint8 (H, W, 3).
    """
    canvas = (picture * _DIM).astype(np.uint8)
    texts = []
    for name, mask in masks.items():
        large = _enlarged(mask, (picture.shape[0], picture.shape[1]))
        if not large.any():
            continue
        canvas[large & ~_inside(large)] = _LINE
        x, y = _deepest(large)
        texts.append(Text(x, y + SIZE // 2 - 1, shortened(printable(short(name)), _ROOM)))
    return draw(canvas, _apart(texts, (picture.shape[0], picture.shape[1])))


def _apart(texts: Sequence[Text], size: tuple[int, int]) -> list[Text]:
    """The names inside the picture, one that would cover another moved below it."""
    placed: list[tuple[Text, int]] = []
    for text in sorted(texts, key=lambda each: each.y):
        half = width([text.text]) // 2 + 1
        x, y = min(max(text.x, half), max(half, size[1] - half)), max(text.y, SIZE)
        while any(abs(y - other.y) < SIZE and abs(x - other.x) < half + space for other, space in placed):
            y += 1
        placed.append((Text(x, min(y, size[0] - _LOWEST), text.text), half))
    return [text for text, _ in placed]


def _enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    rows, columns = ((np.arange(new) * old) // new for new, old in zip(size, mask.shape, strict=True))
    found: Mask = mask[rows][:, columns]
    return found


def _inside(mask: Mask) -> Mask:
    """The pixels of a region of which all four neighbours are in it."""
    edge = np.pad(mask, 1)
    return edge[:-2, 1:-1] & edge[2:, 1:-1] & edge[1:-1, :-2] & edge[1:-1, 2:]


def _deepest(mask: Mask) -> tuple[int, int]:
    """The x and y of a pixel as far from the region's edge as any, nearest to the middle of those."""
    inner = mask
    while (smaller := _inside(inner)).any():
        inner = smaller
    rows, columns = np.nonzero(inner)
    at = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return int(columns[at]), int(rows[at])
