"""Many small arrays as one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from inspector.choices import Scale
from inspector.colormaps import colormap as colours_of
from inspector.errors import OptionError
from inspector.tiles import levels, text
from inspector.tiles.grid import SMALLER, Grid, fit
from inspector.tiles.legend import Legend, legend
from inspector.tiles.picture import Picture
from inspector.tiles.text import Text

__all__ = ["Grid", "Legend", "Picture", "Text", "TileOptions", "pictures", "tiles"]

_EMPTY_SIDE = 16


class TileOptions(TypedDict, total=False):
    """The choices about a picture that a caller may make; each has a good default."""

    scale: Scale
    colormap: str
    columns: int | None
    padding: int | None
    zoom: int | None


def tiles(
    arrays: NDArray[np.floating],
    *,
    scale: Scale = "shared",
    colormap: str = "gray",
    columns: int | None = None,
    padding: int | None = None,
    zoom: int | None = None,
    captions: Sequence[str] | None = None,
    title: str = "",
    signed: bool = True,
    smaller: str = SMALLER,
) -> Picture:
    """Draw many small arrays as one picture, zero as mid-grey.

    Args:
        arrays: float (N, H, W), or (N, H, W, 3) for red, green and blue slices shown in colour.
        scale: "shared": one scale for all, from minus to plus the largest magnitude; "robust": to the 99th
            percentile of all magnitudes, what exceeds it is clipped; "each": every tile to its own largest.
        colormap: A name from `inspector.colormaps.NAMES`; colour tiles have none.
        columns: Tiles per row. Without it, a near-square picture, wide rather than tall.
        padding: Pixels between tiles. Without it, a tenth of a tile, from 1 to 8.
        zoom: Pixels per array element. Without it, what brings the longer side nearest to 1,000 pixels.
        captions: One line under each tile, and a legend of the scale under them all.
        title: What the picture shows; drawn above when there are captions.
        signed: Whether there are numbers on both sides of zero; otherwise none is below, and zero is at the
            low end of the colours.
        smaller: The hint for a picture that would be too large.

    Returns:
        The picture. NaN and infinity are magenta; a tile of zeros is mid-grey; without any tile or element it
        is a small empty one.

    Raises:
        OptionError: An option's value makes no sense.

    Example:
        >>> picture = tiles(np.array([[[-1.0, 0.0, 1.0]]]), zoom=1, padding=0)
        >>> picture.pixels[0, :, 0].tolist()
        [0, 128, 255]
    """
    colour = arrays.ndim == 4
    table = levels.palette(colours_of(colormap, levels.STEPS))
    if scale not in ("shared", "each", "robust"):
        raise OptionError(f"there is no scale {scale!r}; expected shared, each or robust", "--scale shared")
    if colour and colormap != "gray":
        raise OptionError(
            f"colormap {colormap!r} cannot show kernels that are in colour already",
            "Choose one input channel with --channels, or leave out --colormap.",
        )
    count, height, width = arrays.shape[:3]
    if not arrays.size:
        fit(1, (1, 1), columns=columns, padding=padding, zoom=zoom)  # a wrong option is wrong all the same
        return Picture(np.full((_EMPTY_SIDE, _EMPTY_SIDE), levels.BACKGROUND, np.uint8), table, title=title)
    limit = levels.limits(arrays, scale)
    below = (text.LINE, text.width(captions) + text.APART) if captions is not None else (0, 0)
    top = text.LINE if captions is not None and title else 0
    size = height, width
    grid = fit(
        count, size, columns=columns, padding=padding, zoom=zoom, caption=below, top=top, smaller=smaller
    )
    drawn = levels.to_rgb(arrays, limit) if colour else levels.to_palette(arrays, limit, signed=signed)
    canvas = _arrange(drawn, grid)
    key = legend(limit, scale, broken=not np.isfinite(arrays).all(), colour=colour, signed=signed)
    picture = Picture(canvas, None if colour else table, grid=grid, title=title, key=key.words)
    return picture if captions is None else _annotated(picture, captions, key)


def pictures(
    pixels: NDArray[np.uint8],
    *,
    key: Legend | None = None,
    columns: int | None = None,
    padding: int | None = None,
    zoom: int | None = None,
    captions: Sequence[str] | None = None,
    title: str = "",
    smaller: str = SMALLER,
    group: int = 0,
    gap: int = 0,
) -> Picture:
    """Put finished pictures side by side.

    Args:
        pixels: uint8 (N, H, W, 3), sRGB; at least one.
        key: What their colours stand for; drawn when there are captions.
        columns: Pictures per row, as for `tiles`.
        padding: Pixels between them.
        zoom: Screen pixels per pixel.
        captions: One line under each.
        title: What they show.
        smaller: The hint for a picture that would be too large.
        group: Columns that belong together; 0 where all do.
        gap: Pixels between two groups, beside the padding.

    Raises:
        OptionError: An option's value makes no sense.
    """
    below = (text.LINE, text.width(captions) + text.APART) if captions is not None else (0, 0)
    top = text.LINE if captions is not None and title else 0
    count, size = len(pixels), (pixels.shape[1], pixels.shape[2])
    grid = fit(
        count, size, columns=columns, padding=padding, zoom=zoom, caption=below, top=top, smaller=smaller
    )
    grid = dataclasses.replace(grid, group=group, gap=gap)
    picture = Picture(_arrange(pixels, grid), grid=grid, title=title, key=key.words if key else "")
    return picture if captions is None else _annotated(picture, captions, key)


def _arrange(drawn: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """Return the canvas with every tile enlarged and in its place."""
    colour = drawn.shape[3:]
    background = levels.BACKGROUND_COLOUR if colour else levels.BACKGROUND
    canvas = np.empty((*grid.size, *colour), np.uint8)
    canvas[:] = background
    (down, right), (rows, columns) = grid.pitch, (grid.rows, grid.columns)
    height, width = grid.tile[0] * grid.zoom, grid.tile[1] * grid.zoom
    enlarged = drawn.repeat(grid.zoom, axis=1).repeat(grid.zoom, axis=2)
    if grid.gap:
        for index, tile in enumerate(enlarged):
            x, y = grid.origin(index)
            canvas[y : y + height, x : x + width] = tile
        return canvas
    x, y = grid.origin(0)
    # Seen as rows and columns of cells, all tiles of the complete rows go in at once.
    cells = canvas[y : y + rows * down, grid.padding :].reshape(rows, down, columns, right, *colour)
    indent = x - grid.padding
    places = cells[:, :height, :, indent : indent + width].swapaxes(1, 2)
    complete = grid.count // columns
    places[:complete] = enlarged[: complete * columns].reshape(complete, columns, height, width, *colour)
    rest = enlarged[complete * columns :]
    if len(rest):
        places[complete, : len(rest)] = rest
    return canvas


def _annotated(picture: Picture, captions: Sequence[str], key: Legend | None) -> Picture:
    """Return the picture with its captions, its title and the legend, if there is one."""
    grid = picture.grid
    assert grid is not None  # only a picture with tiles gets here
    (height, width), middle = grid.size, grid.tile[1] * grid.zoom // 2
    texts = []
    for index, caption in enumerate(captions):
        x, y = grid.origin(index)
        texts.append(Text(x + middle, y + grid.tile[0] * grid.zoom + text.SIZE, caption))
    if picture.title:
        texts.append(Text(grid.padding, grid.padding + text.SIZE, picture.title, "start"))
    below, across = (key.height + grid.padding, key.width) if key else (0, 0)
    wide = max(width, across + 2 * grid.padding, text.width([picture.title]) + 2 * grid.padding)
    colour = picture.canvas.shape[2:]
    canvas = np.empty((height + below, wide, *colour), np.uint8)
    canvas[:] = levels.BACKGROUND_COLOUR if colour else levels.BACKGROUND
    canvas[:height, :width] = picture.canvas
    if key:
        texts += key.place(canvas, grid.padding, height)
    return dataclasses.replace(picture, canvas=canvas, texts=tuple(texts))
