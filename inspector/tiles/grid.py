"""Where each tile of a picture stands: columns, enlargement, gutters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from inspector.errors import OptionError

# The longer side of a picture whose enlargement nobody chose, in pixels: fills a laptop's window, no more.
_GOOD_SIDE = 1000
_MAX_ZOOM = 256
_READABLE = 4  # the least gutter around captions, in pixels
_MAX_PIXELS = 100_000_000
SMALLER = "--filters 0-63, --reduce mean, or a smaller --zoom or --padding"
"""What makes a picture smaller, where a command has all of these options."""


@dataclass(frozen=True)
class Grid:
    """Equal cells in rows, each with a tile and perhaps a caption under it. Lengths are in pixels.

    Attributes:
        count: Number of tiles; they fill the rows from the left, the first row first.
        columns: Tiles per row.
        tile: Height and width of a tile in weights.
        zoom: Pixels per weight along each axis.
        padding: Gutter between cells and around them all.
        cell_width: Width of a cell: the tile's, or the widest caption's if that is more.
        caption: Height of the strip under each tile for its caption; 0 without captions.
        top: Height kept free above the first row, for a title.
        group: Columns that belong together; 0 where all do.
        gap: What stands between two groups beside the gutter.
    """

    count: int
    columns: int
    tile: tuple[int, int]
    zoom: int
    padding: int
    cell_width: int
    caption: int = 0
    top: int = 0
    group: int = 0
    gap: int = 0

    @property
    def rows(self) -> int:
        """Number of rows, the last one perhaps incomplete."""
        return -(-self.count // self.columns)

    @property
    def pitch(self) -> tuple[int, int]:
        """Distance from one cell to the next, downwards and to the right."""
        return self.tile[0] * self.zoom + self.caption + self.padding, self.cell_width + self.padding

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole grid, the outer gutter and the title's strip included."""
        down, right = self.pitch
        across = self.columns * right + self.padding + self._gaps(self.columns - 1)
        return self.top + self.rows * down + self.padding, across

    def origin(self, index: int) -> tuple[int, int]:
        """Return the x and y of the upper left pixel of a tile."""
        down, right = self.pitch
        row, column = divmod(index, self.columns)
        indent = (self.cell_width - self.tile[1] * self.zoom) // 2
        x = self.padding + column * right + self._gaps(column) + indent
        return x, self.top + self.padding + row * down

    def _gaps(self, column: int) -> int:
        """What the gaps between groups add before a column."""
        return column // self.group * self.gap if self.group else 0


def fit(
    count: int,
    tile: tuple[int, int],
    *,
    columns: int | None = None,
    padding: int | None = None,
    zoom: int | None = None,
    caption: tuple[int, int] = (0, 0),
    top: int = 0,
    smaller: str = SMALLER,
) -> Grid:
    """Choose what the caller has not: columns, gutter and enlargement.

    The picture is near-square: of the numbers of columns that make it from 1 to 2 times as wide as tall, the
    one that leaves the fewest cells empty, then the squarest. The enlargement is the whole factor that brings
    the longer side nearest to 1,000 pixels.

    Args:
        count: Number of tiles, at least 1.
        tile: Height and width of a tile in weights, at least 1 each.
        columns: Tiles per row.
        padding: Gutter in pixels.
        zoom: Pixels per weight.
        caption: Height and width in pixels that the largest caption needs.
        top: Height in pixels to keep free above.
        smaller: The hint for a picture that would be too large.

    Raises:
        OptionError: A number is out of its range, or the picture would be too large.
    """
    for name, value, least in (("columns", columns, 1), ("padding", padding, 0), ("zoom", zoom, 1)):
        if value is not None and value < least:
            raise OptionError(f"{name} is {value}; expected {least} or more", f"--{name} {least}")

    def at(factor: int) -> Grid:
        gutter = _gutter(tile, factor, _READABLE if caption[0] else 1) if padding is None else padding
        width = max(tile[1] * factor, caption[1])
        # A caption counts only where it is taller than its tile: under square kernels it should not change
        # which tile stands under which.
        extra = caption[0] if caption[0] > tile[0] * factor else 0
        pitch = (tile[0] * factor + extra + gutter, width + gutter)
        across = _columns(count, pitch) if columns is None else min(columns, count)
        return Grid(count, across, tile, factor, gutter, width, caption[0], top)

    grid = at(zoom) if zoom is not None else _nearest(at, max(1, math.ceil(caption[1] / max(tile))))
    height, width = grid.size
    if height * width > _MAX_PIXELS:
        raise OptionError(
            f"the picture would be {width:,} by {height:,} pixels; at most {_MAX_PIXELS:,} in all are drawn",
            smaller,
        )
    return grid


def _nearest(at: Callable[[int], Grid], first: int) -> Grid:
    """Return the layout whose longer side is nearest, as a ratio, to the good one."""
    below = at(first)
    for factor in range(first + 1, _MAX_ZOOM + 1):
        if max(below.size) >= _GOOD_SIDE:
            break
        above = at(factor)
        if max(above.size) >= _GOOD_SIDE:
            return above if max(above.size) * max(below.size) < _GOOD_SIDE**2 else below
        below = above
    return below


def _gutter(tile: tuple[int, int], zoom: int, least: int) -> int:
    return min(max(round(min(tile) * zoom / 10), least), 8)


def _columns(count: int, pitch: tuple[int, int]) -> int:
    """Return the number of columns of a near-square picture, wide rather than tall."""
    best, fewest = 0, count
    first = max(1, math.isqrt(count * pitch[0] // pitch[1]))
    for columns in range(first, count + 1):
        rows = -(-count // columns)
        width, height = columns * pitch[1], rows * pitch[0]
        if width < height:
            continue
        if best and width > 2 * height:
            break
        if not best or rows * columns - count < fewest:
            best, fewest = columns, rows * columns - count
    return best or count
