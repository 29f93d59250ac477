"""What `filters` returns: the kernels of a layer, what is known of each filter, and the ways to show them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from inspector import saving
from inspector.choices import Reduce, Scale, Sort, Style
from inspector.errors import OptionError
from inspector.filters.statistics import ALIKE, DEAD, Statistics
from inspector.onnxfile.source import quoted
from inspector.safe_names import printable
from inspector.tiles import Picture, tiles

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".svg", ".html", ".npy")
"""What `Filters.save` can write."""

_NAMED = 12  # how many filters a sentence names before it says "and 20 more"


class PictureOptions(TypedDict, total=False):
    """The choices about a picture of kernels; see `Filters.picture`."""

    scale: Scale
    colormap: str
    columns: int | None
    padding: int | None
    zoom: int | None
    captions: bool
    style: Style


@dataclass(frozen=True, eq=False, repr=False)
class Filters:
    """The filters of one layer, or those selected, in the order in which they are shown.

    Attributes:
        source: The model's file.
        layer: The layer's name.
        kind: The layer's kind.
        weight: The name of the value that holds the weights.
        kernels: float32 or float64 (out, in, height, width), or (out, in, depth, height, width) for kernels
            of three dimensions. "in" counts the channels that one filter sees, those of its group; it is 1
            after a reduction.
        indices: The true number of each filter.
        channels: The true number of each input channel, within the group; after a reduction, of those that
            became one.
        total: How many filters and, per filter, input channels the layer has.
        groups: In how many groups the layer's channels are.
        reduce: How the input channels became one.
        sort: How the filters were ordered.
        statistics: Figures of each filter over the selected channels, before a reduction.
        dead: The numbers of the filters that are dead.
        duplicates: Groups of filters that are nearly multiples of one another, by number.
        colours: The order of the channels when they are the red, green and blue of the model's input.
        warnings: What the reader of the picture should know, in sentences.
    """

    source: str
    layer: str
    kind: str
    weight: str
    kernels: NDArray[np.floating]
    indices: tuple[int, ...]
    channels: tuple[int, ...]
    total: tuple[int, int]
    groups: int
    reduce: Reduce
    sort: Sort
    statistics: Statistics
    dead: tuple[int, ...]
    duplicates: tuple[tuple[int, ...], ...]
    colours: Literal["rgb", "bgr"] | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        """What is shown, on one line: the layer, how many filters, and their size."""
        size = "x".join(map(str, self.kernels.shape[2:]))
        count = (
            f"{len(self.indices)} of {self.total[0]}" if len(self.indices) < self.total[0] else self.total[0]
        )
        channels = len(self.channels)
        if self.reduce == "none":
            seen = f", {channels} channels each" if channels > 1 else ""
        else:
            how = {"mean": "mean", "pca": "first principal component"}[self.reduce]
            seen = f", {how} over {channels} channels"
        return f"{printable(self.layer)} · {count} {'filter' if count == 1 else 'filters'} of {size}{seen}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Which filters are dead or repeat another, in sentences; empty when none does."""
        notes = []
        if self.dead:
            notes.append(
                f"{_count(len(self.dead), 'filter is', 'filters are')} dead "
                f"(norm at most {DEAD:g} of the layer's largest): {_listed(map(str, self.dead))}"
            )
        if self.duplicates:
            extra = sum(len(group) - 1 for group in self.duplicates)
            groups = (" ~ ".join(map(str, group)) for group in self.duplicates)
            notes.append(
                f"{_count(extra, 'filter nearly repeats', 'filters nearly repeat')} another "
                f"(|cosine| at least {ALIKE:g}): {_listed(groups)}"
            )
        return tuple(notes)

    def picture(
        self,
        *,
        scale: Scale = "shared",
        colormap: str = "gray",
        columns: int | None = None,
        padding: int | None = None,
        zoom: int | None = None,
        captions: bool = False,
        style: Style = "default",
    ) -> Picture:
        """Draw the kernels: one tile per filter and input channel, filter by filter.

        Kernels on the red, green and blue of the model's input are one tile in colour per filter. Kernels of
        three dimensions are one tile per depth slice.

        Args:
            scale: What gets the strongest colour: "shared", the largest magnitude of all; "robust", the 99th
                percentile of them; "each", the largest of each tile. Zero is always mid-grey.
            colormap: A name from `inspector.colormaps.NAMES`; with another than "gray", kernels in colour are
                drawn as one tile per channel.
            columns: Tiles per row; by default, a near-square picture.
            padding: Pixels between tiles; by default, a tenth of a tile.
            zoom: Pixels per weight; by default, what makes the longer side about 1,000 pixels.
            captions: Whether to write filter (and channel) numbers under the tiles, a title and the scale.
            style: "notebook" draws the plain picture of `inspector.filters.notebook`; it has no options.

        Raises:
            OptionError: An option's value makes no sense for these kernels.
        """
        if style == "notebook":
            chosen = (scale, colormap, columns, padding, zoom, captions)
            if chosen != ("shared", "gray", None, None, None, False):
                raise OptionError(
                    "the notebook style fixes order, scale, colours and padding; it takes no other option",
                    "--style notebook alone, or --style default with the others",
                )
            from inspector.filters.notebook import notebook

            return notebook(self.kernels, f"{self.source}: layer {quoted(self.layer)}", self.title)
        if style != "default":
            raise OptionError(f"there is no style {style!r}; expected default or notebook", "--style default")
        arrays, names = self._tiles(in_colour=colormap == "gray")
        return tiles(
            arrays,
            scale=scale,
            colormap=colormap,
            columns=columns,
            padding=padding,
            zoom=zoom,
            captions=names if captions else None,
            title=self.title,
        )

    def image(self, **options: Unpack[PictureOptions]) -> Image.Image:
        """Return the picture as a Pillow image; see `picture` for the options."""
        return self.picture(**options).image()

    def encode(self, suffix: str, **options: Unpack[PictureOptions]) -> bytes:
        """Return the contents of a file of this kind; see `save`.

        Raises:
            OptionError: There is no such kind, or an option's value makes no sense.
        """
        saving.check_suffix(suffix, SUFFIXES, "kernels", "filters.png")
        if suffix == ".npy":
            return saving.npy(self.kernels)
        if suffix == ".html":
            from inspector.filters.page import page

            return page(self, self.picture(**options)).encode()
        return saving.drawn(self.picture(**options), suffix)

    def save(
        self, path: str | os.PathLike[str], *, force: bool = False, **options: Unpack[PictureOptions]
    ) -> Path:
        """Write a picture or the kernels to a file, whichever its suffix says.

        .png and .svg are the picture; .html is a page with the picture and a table of the filters; .npy is
        `kernels`.

        Args:
            path: The output; its folder must exist.
            force: Whether an existing file may be replaced.
            options: See `picture`.

        Returns:
            The path.

        Raises:
            OptionError: The suffix is another, or an option's value makes no sense.
            OutputExistsError: The file exists and `force` is not set.
            FileError: It cannot be written.
        """
        path = Path(path)
        return saving.write(path, self.encode(path.suffix.lower(), **options), force=force)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the weights, as JSON can hold it; a figure that is no number is None."""
        figures = self.statistics
        rows = zip(
            self.indices,
            *(map(_number, each) for each in (figures.norm, figures.minimum, figures.maximum, figures.mean)),
            figures.nonfinite.tolist(),
            strict=True,
        )
        keys = ("filter", "norm", "min", "max", "mean", "nonfinite")
        return {
            "model": self.source,
            "layer": self.layer,
            "kind": self.kind,
            "weight": self.weight,
            "shape": list(self.kernels.shape),
            "total_filters": self.total[0],
            "total_channels": self.total[1],
            "groups": self.groups,
            "channels": list(self.channels),
            "reduce": self.reduce,
            "sort": self.sort,
            "colours": self.colours,
            "dead": list(self.dead),
            "duplicates": [list(group) for group in self.duplicates],
            "warnings": list(self.warnings),
            "filters": [dict(zip(keys, row, strict=True)) for row in rows],
        }

    def __repr__(self) -> str:
        return f"Filters({self.title})"

    def _repr_png_(self) -> bytes:
        return self.encode(".png")

    def _repr_html_(self) -> str:
        from inspector.filters.page import fragment

        return fragment(self, self.picture())

    def _tiles(self, *, in_colour: bool) -> tuple[NDArray[np.floating], list[str]]:
        """Return the arrays to draw, (N, H, W) or (N, H, W, 3), and the caption of each."""
        kernels = self.kernels
        if in_colour and self.colours:
            order = [0, 1, 2] if self.colours == "rgb" else [2, 1, 0]
            return np.moveaxis(kernels[:, order], 1, -1), [str(index) for index in self.indices]
        names = [str(index) for index in self.indices]
        if kernels.shape[1] != 1:
            names = [f"{name}:{channel}" for name in names for channel in self.channels]
        if kernels.ndim == 5:
            names = [f"{name}/{depth}" for name in names for depth in range(kernels.shape[2])]
        # Not reshape(-1, …): numpy cannot work out that axis of an array without elements.
        return kernels.reshape(len(names), *kernels.shape[-2:]), names


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    rest = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
