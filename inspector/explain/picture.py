"""Explanations as a picture: a row for each picture, a column for each method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.overlay import enlarged, overlays
from inspector.safe_names import printable
from inspector.tiles import Legend, Picture, pictures

if TYPE_CHECKING:
    from inspector.explain.result import Explanation, Heatmap

# About how wide the whole is, and how small a tile may become, in pixels.
_WIDTH, _LEAST = 1000, 150
_SIGNED, _UNSIGNED = "coolwarm", "magma"
_CAPTION = 30


def draw(items: Sequence[Explanation], *, captions: bool, zoom: int | None) -> Picture:
    """Draw explanations; see `Explanations.picture`. At least one."""
    columns = 1 + len(items[0].heatmaps)
    side = max(_LEAST, _WIDTH // columns)
    tiles: list[NDArray[np.uint8]] = []
    words: list[str] = []
    names = _names(items)
    for item, name in zip(items, names, strict=True):
        shown = (
            enlarged(item.seen, side) if zoom is None else enlarged(item.seen, zoom * max(item.seen.shape))
        )
        tiles.append(_colour(shown))
        words.append(_title(item, name))
        for heatmap in item.heatmaps:
            tiles.append(_over(shown, heatmap))
            words.append(_named(heatmap))
    whole = np.stack([_padded(tile, tiles) for tile in tiles])
    return pictures(
        whole,
        key=_key(items[0].heatmaps),
        columns=columns,
        zoom=1,
        captions=words if captions else None,
        title=f"Why {printable(items[0].label)}?" if len({item.label for item in items}) == 1 else "",
    )


def _over(shown: NDArray[np.uint8], heatmap: Heatmap) -> NDArray[np.uint8]:
    colormap = _SIGNED if heatmap.signed else _UNSIGNED
    maps = heatmap.values[None]
    pixels: NDArray[np.uint8] = overlays(
        shown, maps, scale="robust", colormap=colormap, signed=heatmap.signed
    ).pixels[0]
    return pixels


def _names(items: Sequence[Explanation]) -> list[str]:
    """What to call each picture: its file's name, with the folder's where two files have the same."""
    paths = [Path(item.source) for item in items]
    counts = Counter(path.name for path in paths)
    return [path.name if counts[path.name] == 1 else f"{path.parent.name}/{path.name}" for path in paths]


def _title(item: Explanation, name: str) -> str:
    name = printable(name, _CAPTION)
    return f"{name}: {printable(item.label, _CAPTION)} {100 * item.probability:.1f} %"


def _named(heatmap: Heatmap) -> str:
    return f"{heatmap.method} at {printable(heatmap.layer, _CAPTION)}" if heatmap.layer else heatmap.method


def _key(heatmaps: Sequence[Heatmap]) -> Legend:
    """One bar for the colours; with both kinds of maps, that of the signed ones, and words for the others."""
    from inspector.colormaps import colormap

    signed = [heatmap.signed for heatmap in heatmaps]
    note = "each map to its own scale, clipped at the 99th percentile"
    if not any(signed):
        return Legend(("no part in it", "", "decides"), note, False, colormap(_UNSIGNED, 255))
    if not all(signed):
        note += "; purple to yellow maps have no sign: the lighter, the more"
    return Legend(("against", "0", "for"), note, False, colormap(_SIGNED, 255))


def _colour(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture


def _padded(tile: NDArray[np.uint8], tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A tile on a dark ground of the size of the largest."""
    height, width = (max(each.shape[axis] for each in tiles) for axis in (0, 1))
    if tile.shape[:2] == (height, width):
        return tile
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: tile.shape[0], : tile.shape[1]] = tile
    return canvas
