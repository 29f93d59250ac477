"""What `visualize` returns: the pictures that were found, and the ways to show them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from inspector import saving
from inspector.safe_names import printable
from inspector.tiles import Picture, pictures

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".svg", ".npy")
"""What `Visualization.save` can write."""

_NAMED = 12  # how many filters a sentence names before it says "and 20 more"
_WEAK = "≤"
LABEL = 24
"""How many signs of a class's name a caption has."""


class ShowOptions(TypedDict, total=False):
    """The choices about a picture of visualizations; see `Visualization.picture`."""

    columns: int | None
    padding: int | None
    zoom: int | None
    captions: bool


@dataclass(frozen=True, eq=False, repr=False)
class Visualization:
    """The pictures that filters of one layer, or classes, look for.

    Attributes:
        source: The model's file.
        layer: What was asked for: a layer's or a value's name, or "logits".
        value: The value that was made large.
        before: The operator of the layer that follows this value, "Relu" say, and was left out: where it is
            silent, there is no slope to climb. Empty for none.
        indices: The true number of each filter.
        labels: The classes' names where the filters are classes that have some; else empty.
        total: How many filters the layer has.
        pictures: uint8 (filters, per filter, H, W), grey, or (filters, per filter, H, W, 3), RGB.
        activations: float32 (filters, per filter): what each picture reaches, before the operator left out.
        random: float32 (filters,): the most that any of some random pictures reaches.
        place: Row and column of the position in the filter's map that was asked; None for units without one.
        patch: Whether a picture is what that position sees, rather than the model's whole input.
        steps: How many steps were taken.
        seed: Of what was drawn by chance.
        warnings: What the reader should know of the model, in sentences.
    """

    source: str
    layer: str
    value: str
    before: str
    indices: tuple[int, ...]
    labels: tuple[str, ...]
    total: int
    pictures: NDArray[np.uint8]
    activations: NDArray[np.float32]
    random: NDArray[np.float32]
    place: tuple[int, int] | None
    patch: bool
    steps: int
    seed: int
    warnings: tuple[str, ...] = ()

    @property
    def beaten(self) -> tuple[int, ...]:
        """The numbers of the filters that some random picture excites as much as what was found."""
        pairs = zip(self.indices, self.weak, strict=True)
        return tuple(index for index, weak in pairs if weak.all())

    @property
    def weak(self) -> NDArray[np.bool_]:
        """Which pictures do no better than some random picture, bool (filters, per filter)."""
        weak: NDArray[np.bool_] = self.activations <= self.random[:, None]
        return weak

    @property
    def dead(self) -> tuple[int, ...]:
        """The numbers of the filters that a Relu keeps at zero even for what was found."""
        if self.before != "Relu":
            return ()
        best = self.activations.max(axis=1)
        return tuple(index for index, found in zip(self.indices, best, strict=True) if found <= 0)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is remarkable, in sentences."""
        notes = []
        if self.before:
            notes.append(f"activations are those before the {self.before}")
        if self.dead:
            notes.append(f"no picture was found that the {self.before} lets through for {_listed(self.dead)}")
        if self.beaten:
            notes.append(f"a random picture does as well as what was found for {_listed(self.beaten)}")
        some = [
            index
            for index, weak in zip(self.indices, self.weak, strict=True)
            if weak.any() and not weak.all()
        ]
        if some:
            notes.append(f"a random picture does as well as some of those found for {_listed(tuple(some))}")
        return tuple(notes)

    @property
    def title(self) -> str:
        """What is shown, on one line."""
        shown = len(self.indices)
        kind = ("class", "classes") if self.layer == "logits" else ("filter", "filters")
        count = f"{shown} of {self.total}" if shown < self.total else f"{shown}"
        size = f"{self.pictures.shape[3]}x{self.pictures.shape[2]}"
        what = "what one position sees" if self.patch else "whole input"
        return f"{printable(self.layer)} · {count} {kind[self.total != 1]} · {size}, {what}"

    def picture(
        self,
        *,
        columns: int | None = None,
        padding: int | None = None,
        zoom: int | None = None,
        captions: bool = True,
    ) -> Picture:
        """Draw a tile for each picture.

        Args:
            columns: Tiles per row; by default, a near-square picture in which a filter's pictures stand
                in one row.
            padding: Pixels between tiles.
            zoom: Screen pixels per pixel.
            captions: Whether to write each filter's number with the activation reached, what random pictures
                reach in brackets, a sign where that is as much, and a title.

        Raises:
            OptionError: An option's value makes no sense.
        """
        count, per_filter = self.pictures.shape[:2]
        flat = self.pictures.reshape(count * per_filter, *self.pictures.shape[2:])
        colour = np.repeat(flat[..., None], 3, axis=3) if flat.ndim == 3 else flat
        if columns is None and per_filter > 1:
            columns = per_filter * math.ceil(math.sqrt(count * per_filter) / per_filter)
        title = f"{self.title} · number: activation reached (best of random pictures)"
        if self.weak.any():
            title += f" · {_WEAK} no better than random"
        return pictures(
            colour,
            columns=columns,
            padding=padding,
            zoom=zoom,
            captions=self._captions() if captions else None,
            title=title,
            smaller="--filters 0-63, or a smaller --zoom",
        )

    def image(self, **options: Unpack[ShowOptions]) -> Image.Image:
        """Return the picture as a Pillow image; see `picture` for the options."""
        return self.picture(**options).image()

    def save(
        self, path: str | os.PathLike[str], *, force: bool = False, **options: Unpack[ShowOptions]
    ) -> Path:
        """Write the tiles (.png, .svg) or the bare pictures (.npy), whichever the suffix says.

        Args:
            path: The output; its folder must exist.
            force: Whether an existing file may be replaced.
            options: See `picture`.

        Raises:
            OptionError: The suffix is another, or an option's value makes no sense.
            OutputExistsError: The file exists and `force` is not set.
            FileError: It cannot be written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        check_suffix(path)
        npy = suffix == ".npy"
        contents = saving.npy(self.pictures) if npy else saving.drawn(self.picture(**options), suffix)
        return saving.write(path, contents, force=force)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the pixels, as JSON can hold it."""
        labels = self.labels or (None,) * len(self.indices)
        rows = zip(self.indices, labels, self.activations.tolist(), self.random.tolist(), strict=True)
        return {
            "model": self.source,
            "layer": self.layer,
            "value": self.value,
            "before": self.before or None,
            "total_filters": self.total,
            "shape": list(self.pictures.shape),
            "patch": self.patch,
            "place": None if self.place is None else list(self.place),
            "steps": self.steps,
            "seed": self.seed,
            "dead": list(self.dead),
            "warnings": list(self.warnings),
            "filters": [
                dict(zip(("filter", "label", "activations", "random"), row, strict=True)) for row in rows
            ],
        }

    def _captions(self) -> list[str]:
        names = [printable(label, LABEL) for label in self.labels] or [str(index) for index in self.indices]
        return [
            f"{name}: {figure(value)} ({figure(chance)}){f' {_WEAK}' if value <= chance else ''}"
            for name, values, chance in zip(
                names, self.activations.tolist(), self.random.tolist(), strict=True
            )
            for value in values
        ]

    def __repr__(self) -> str:
        return f"Visualization({self.title})"

    def _repr_png_(self) -> bytes:
        return self.picture().png()


def check_suffix(path: Path) -> None:
    """Refuse a file that `Visualization.save` cannot write.

    Raises:
        OptionError: The suffix is another.
    """
    saving.check_suffix(path.suffix.lower(), SUFFIXES, "visualizations", "filters.png")


def figure(value: float) -> str:
    """A number in few signs: 12.3, 0.047."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _listed(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(str(number) for number in numbers[:_NAMED])
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return f"{'filter' if len(numbers) == 1 else 'filters'} {shown}{more}"
