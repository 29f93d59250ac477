"""Explanations as a picture: a group of tiles for each picture, a tile for each method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.explain.arrangement import GAP, Arrangement, arranged
from inspector.overlay import overlays
from inspector.safe_names import printable
from inspector.tiles import Legend, Picture, pictures
from inspector.tiles.text import APART, shortened, width

if TYPE_CHECKING:
    from inspector.explain.result import Explanation, Heatmap

Masks: TypeAlias = Mapping[str, NDArray[np.bool_]]

_SIGNED, _UNSIGNED = "coolwarm", "magma"
# What is left for a file's name beside a class at the least: its first letters.
_STUB = 45


def drawn(items: Sequence[Explanation], masks: Sequence[Masks] = ()) -> int:
    """How many of the pictures there is room for; those are the first ones."""
    return _arranged(items, masks, None).shown if items else 0


def draw(
    items: Sequence[Explanation], *, captions: bool, zoom: int | None, masks: Sequence[Masks] = ()
) -> Picture:
    """Draw explanations, and the regions of each picture; see `Explanations.picture`. At least one."""
    arrangement = _arranged(items, masks, zoom)
    shown = items[: arrangement.shown]
    rows = [_tiles(item, arrangement, masks[at : at + 1] if masks else ()) for at, item in enumerate(shown)]
    tiles = [tile for row in rows for tile in row]
    whole = np.stack([_padded(tile, tiles) for tile in tiles])
    room = whole.shape[2] - APART
    columns = len(rows[0])
    named = zip(shown, _names(items), strict=False)
    words = [word for item, name in named for word in _words(item, name, room, bool(masks))]
    return pictures(
        whole,
        key=_key(items[0].heatmaps, "" if len(shown) == len(items) else f"{len(shown)} of {len(items)}"),
        columns=arrangement.groups * columns,
        zoom=1,
        captions=words if captions else None,
        title=f"Why {printable(items[0].label)}?" if len({item.label for item in items}) == 1 else "",
        group=columns if arrangement.groups > 1 else 0,
        gap=GAP if arrangement.groups > 1 else 0,
    )


def _arranged(items: Sequence[Explanation], masks: Sequence[Masks], zoom: int | None) -> Arrangement:
    columns = 1 + bool(masks) + len(items[0].heatmaps)
    return arranged([item.seen.shape for item in items], columns, zoom)


def _tiles(item: Explanation, arrangement: Arrangement, masks: Sequence[Masks]) -> list[NDArray[np.uint8]]:
    """The picture, its regions if there are any, and each map over it."""
    from inspector.regions.places import outlined

    shown = arrangement.sized(item.seen)
    regions = [outlined(_colour(shown), each) for each in masks]
    return [_colour(shown), *regions, *(_over(shown, heatmap) for heatmap in item.heatmaps)]


def _words(item: Explanation, name: str, room: int, regions: bool) -> list[str]:
    """What stands under each of them, no wider than a tile."""
    methods = (_named(heatmap, room) for heatmap in item.heatmaps)
    return [_title(item, name, room), *(["regions"] if regions else []), *methods]


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


def _title(item: Explanation, name: str, room: int) -> str:
    """The file and the class; where there is no room for both, the class is kept."""
    figure = f" {100 * item.probability:.1f} %"
    label = shortened(printable(item.label), room - width([figure]) - _STUB)
    rest = f": {label}{figure}"
    return shortened(printable(name), room - width([rest])) + rest


def _named(heatmap: Heatmap, room: int) -> str:
    """The method and its layer, and whether its map failed: a picture goes further than what was said."""
    failed = heatmap.trust is not None and heatmap.trust.failures
    tail = ": FAILS" if failed else ""
    if not heatmap.layer:
        return shortened(heatmap.method, room - width([tail])) + tail
    head = f"{heatmap.method} at "
    # The end of a layer's name is what tells it from the others.
    return head + shortened(printable(heatmap.layer), room - width([head + tail]), end=True) + tail


def _key(heatmaps: Sequence[Heatmap], part: str) -> Legend:
    """One bar for the colours; with both kinds of maps, that of the signed ones, and words for the others."""
    from inspector.colormaps import colormap

    signed = [heatmap.signed for heatmap in heatmaps]
    note = "each map to its own scale, clipped at the 99th percentile"
    if part:
        note += f"; the first {part} pictures"
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
