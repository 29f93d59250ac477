"""What `exemplars` returns: the best places for each filter, and the ways to show them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from inspector import saving
from inspector.errors import OptionError
from inspector.exemplars.card import LEAST, cards
from inspector.exemplars.gallery import Exemplar
from inspector.predictions import Failure
from inspector.safe_names import printable
from inspector.tiles import Picture, pictures
from inspector.visualize.result import LABEL, figure

if TYPE_CHECKING:
    from PIL import Image

    from inspector.visualize.result import Visualization

SUFFIXES = (".png", ".svg", ".json")
"""What `Exemplars.save` can write."""


class CardOptions(TypedDict, total=False):
    """The choices about a picture of exemplars; see `Exemplars.picture`."""

    columns: int | None
    padding: int | None
    side: int | None
    captions: bool


@dataclass(frozen=True, eq=False, repr=False)
class Exemplars:
    """The places in pictures that excite each filter of a layer most.

    Attributes:
        source: The model's file.
        layer: What was asked for: a layer's or a value's name.
        value: The value that was read.
        indices: The true number of each filter.
        labels: The classes' names where the filters are classes that have some; else empty.
        total: How many filters the layer has.
        count: How many exemplars each filter could have; it has fewer where there were fewer pictures.
        pictures_read: How many pictures were looked at.
        items: For each filter its exemplars, best first, at most one of each picture.
        kernels: float (filters, H, W), the pattern that each filter's kernels share; None without kernels.
        visualization: What each filter looks for; None where that was not asked for.
        failures: The pictures that could not be read.
        warnings: What the reader should know of the model, in sentences.
    """

    source: str
    layer: str
    value: str
    indices: tuple[int, ...]
    labels: tuple[str, ...]
    total: int
    count: int
    pictures_read: int
    items: tuple[tuple[Exemplar, ...], ...]
    kernels: NDArray[np.floating] | None = None
    visualization: Visualization | None = None
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """The activation of each exemplar, float32 (filters, count); NaN where pictures were too few."""
        scores = np.full((len(self.items), self.count), np.nan, np.float32)
        for row, best in enumerate(self.items):
            scores[row, : len(best)] = [each.score for each in best]
        return scores

    @property
    def silent(self) -> tuple[int, ...]:
        """The numbers of the filters that are zero for every picture."""
        pairs = zip(self.indices, self.items, strict=True)
        return tuple(index for index, best in pairs if all(each.score == 0 for each in best))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is remarkable, in sentences."""
        if not self.silent:
            return ()
        count = len(self.silent)
        verb = "filter is" if count == 1 else "filters are"
        return (f"{count} {verb} zero for every picture: {', '.join(map(str, self.silent))}",)

    @property
    def title(self) -> str:
        """What is shown, on one line."""
        shown = len(self.indices)
        of = f"{shown} of {self.total}" if shown < self.total else f"{shown}"
        kind = ("class", "classes") if self.layer == "logits" else ("filter", "filters")
        filters = f"{of} {kind[self.total != 1]}"
        most = min(self.count, self.pictures_read)
        pictures = f"{self.pictures_read:,} {'picture' if self.pictures_read == 1 else 'pictures'}"
        return f"{printable(self.layer)} · {filters} · what excites each most, {most} of {pictures}"

    def picture(
        self,
        *,
        columns: int | None = None,
        padding: int | None = None,
        side: int | None = None,
        captions: bool = True,
    ) -> Picture:
        """Draw a card for each filter: its kernels, what it looks for, and its exemplars, best first.

        Args:
            columns: Cards per row; by default, a near-square picture.
            padding: Pixels between cards.
            side: About how large an exemplar is drawn, in pixels, at least 32.
            captions: Whether to write each filter's number with the activation of its best exemplar, and a
                title.

        Raises:
            OptionError: An option's value makes no sense.
        """
        if side is not None and side < LEAST:
            raise OptionError(f"side is {side}; expected {LEAST} or more", f"--side {LEAST}")
        drawn = cards(
            self.items, self.count, self.kernels, self.visualization, set(self.silent), self.indices, side
        )
        beside = ["kernels"] * (self.kernels is not None) + ["what it looks for"] * (
            self.visualization is not None
        )
        left = f" · on the left {' and '.join(beside)}" if beside else ""
        return pictures(
            drawn,
            columns=columns,
            padding=padding if padding is not None else 12,
            zoom=1,
            captions=self._captions() if captions else None,
            title=f"{self.title} · number: activation of the best{left}",
            smaller="--filters 0-63, or a smaller --side",
        )

    def image(self, **options: Unpack[CardOptions]) -> Image.Image:
        """Return the picture as a Pillow image; see `picture` for the options."""
        return self.picture(**options).image()

    def save(
        self, path: str | os.PathLike[str], *, force: bool = False, **options: Unpack[CardOptions]
    ) -> Path:
        """Write the cards (.png, .svg) or the record (.json), whichever the suffix says.

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
        check_suffix(path)
        suffix = path.suffix.lower()
        if suffix == ".json":
            return saving.write(path, saving.json_text(self.to_dict()), force=force)
        contents = saving.drawn(self.picture(**options), suffix)
        return saving.write(path, contents, force=force)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the pixels, as JSON can hold it."""
        labels = self.labels or (None,) * len(self.indices)
        return {
            "model": self.source,
            "layer": self.layer,
            "value": self.value,
            "total_filters": self.total,
            "pictures": self.pictures_read,
            "silent": list(self.silent),
            "filters": [
                {"filter": index, "label": label, "exemplars": [_record(each) for each in best]}
                for index, label, best in zip(self.indices, labels, self.items, strict=True)
            ],
            "visualization": None if self.visualization is None else self.visualization.to_dict(),
            "failures": [failure.to_dict() for failure in self.failures],
            "warnings": list(self.warnings),
        }

    def _captions(self) -> list[str]:
        names = [printable(label, LABEL) for label in self.labels] or [str(index) for index in self.indices]
        silent = set(self.silent)
        return [
            f"{name}: zero for every picture" if index in silent else f"{name}: {figure(best[0].score)}"
            for name, index, best in zip(names, self.indices, self.items, strict=True)
        ]

    def __repr__(self) -> str:
        return f"Exemplars({self.title})"

    def _repr_png_(self) -> bytes:
        return self.picture().png()


def check_suffix(path: Path) -> None:
    """Refuse a file that `Exemplars.save` cannot write.

    Raises:
        OptionError: The suffix is another.
    """
    saving.check_suffix(path.suffix.lower(), SUFFIXES, "exemplars", "exemplars.png")


def _record(exemplar: Exemplar) -> dict[str, Any]:
    top, left, bottom, right = exemplar.box
    return {
        "source": exemplar.source,
        "activation": exemplar.score,
        "box": {"top": top, "left": left, "bottom": bottom, "right": right},
    }
