"""What `explain` returns: heatmaps with what is known of them, and the ways to show them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from inspector import saving
from inspector.errors import InspectorError, OptionError
from inspector.explain.picture import draw, drawn
from inspector.explain.trust import Trust, summary
from inspector.predictions import Failure
from inspector.tiles import Picture

if TYPE_CHECKING:
    from PIL import Image

    from inspector.regions.result import RegionReport

SUFFIXES = (".png", ".svg", ".npy", ".json")
"""What `Explanations.save` can write."""


def check_suffix(suffix: str) -> None:
    """Refuse a kind of file that explanations cannot be written as.

    Raises:
        OptionError: It is none of `SUFFIXES`.
    """
    saving.check_suffix(suffix, SUFFIXES, "explanations", "explanation.png")


@dataclass(frozen=True)
class Answer:
    """What the model itself says of a picture.

    Attributes:
        index: The class that it finds likeliest.
        label: Its name.
        probability: What the model gives it.
    """

    index: int
    label: str
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"index": self.index, "label": self.label, "probability": round(self.probability, 6)}


@dataclass(frozen=True)
class Refusal:
    """A method that cannot explain this model, while others can.

    Attributes:
        method: Its name.
        error: Why.
    """

    method: str
    error: InspectorError

    @property
    def sentence(self) -> str:
        """Why, in one sentence that names it."""
        return f"{self.method} is left out: {self.error.message}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"method": self.method, "error": self.error.message}


@dataclass(frozen=True, eq=False)
class Heatmap:
    """One method's answer for one picture.

    Attributes:
        method: The method's name.
        values: float32 (height, width), over the input's pixels.
        signed: Whether what is below zero speaks against the target.
        layer: The layer whose maps were used, if any.
        figures: What was measured on the way, by name.
        notes: What the reader should know, in sentences.
        trust: How far it can be trusted on this model; None when that was not asked for.
        options: Every option of the method with the value that was used.
    """

    method: str
    values: NDArray[np.float32]
    signed: bool
    layer: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    trust: Trust | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """All but the map, as JSON has it."""
        return {
            "method": self.method,
            "signed": self.signed,
            "layer": self.layer or None,
            "figures": dict(self.figures),
            "notes": list(self.notes),
            "trust": None if self.trust is None else self.trust.to_dict(),
            "options": dict(self.options),
        }


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why the model decides as it does about one picture, by each method.

    Attributes:
        source: The picture's path, or what stands for it.
        target: The class that the explanation is about.
        label: Its name.
        probability: What the model gives it.
        seen: uint8 (H, W) or (H, W, 3): the picture as the model sees it.
        heatmaps: One for each method.
        warnings: What a person may want to know of the picture, in sentences.
        answer: What the model itself says, if that is known: the target, unless another was asked for.
    """

    source: str
    target: int
    label: str
    probability: float
    seen: NDArray[np.uint8]
    heatmaps: tuple[Heatmap, ...]
    warnings: tuple[str, ...] = ()
    answer: Answer | None = None

    def __getitem__(self, method: str) -> Heatmap:
        """One method's heatmap.

        Raises:
            OptionError: The picture was not explained by it.
        """
        for heatmap in self.heatmaps:
            if heatmap.method == method:
                return heatmap
        known = ", ".join(heatmap.method for heatmap in self.heatmaps)
        raise OptionError(f"{self.source}: was not explained by {method!r}; it was by {known}", "")

    def to_dict(self) -> dict[str, Any]:
        """All but the maps, as JSON has it."""
        return {
            "source": self.source,
            "target": self.target,
            "label": self.label,
            "probability": round(self.probability, 6),
            "heatmaps": [heatmap.to_dict() for heatmap in self.heatmaps],
            "warnings": list(self.warnings),
            "answer": None if self.answer is None else self.answer.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class Explanations(Sequence[Explanation]):
    """The explanations for several pictures, in the order in which these were given.

    Attributes:
        model: The model's file.
        items: One for each picture that could be read.
        failures: The others.
        warnings: What a person may want to know of the model, in sentences.
        regions: Which region decides; None when that was not asked for.
        refused: The methods that cannot explain this model.
        seed: Of whatever was drawn by chance.
        preprocess: The way from pixels to the input, as the model's file has it.
    """

    model: str
    items: tuple[Explanation, ...]
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: RegionReport | None = None
    refused: tuple[Refusal, ...] = ()
    seed: int = 0
    preprocess: Mapping[str, Any] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Explanation, ...]: ...
    def __getitem__(self, index: int | slice) -> Explanation | tuple[Explanation, ...]:
        """One explanation, or several."""
        return self.items[index]

    def __len__(self) -> int:
        """How many pictures were explained."""
        return len(self.items)

    def __iter__(self) -> Iterator[Explanation]:
        """One explanation after the other."""
        return iter(self.items)

    def heatmaps(self, method: str) -> NDArray[np.float32]:
        """One method's maps, float32 (N, height, width); the pictures must have one size."""
        return np.stack([item[method].values for item in self.items])

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is to be known of each method, and how far it can be trusted here, over all pictures."""
        lines = []
        for heatmap in self.items[0].heatmaps if self.items else ():
            name = heatmap.method
            mine = [item[name] for item in self.items]
            lines += [f"{name}: {note}" for note in dict.fromkeys(note for one in mine for note in one.notes)]
            for figure in heatmap.figures:
                mean = float(np.mean([one.figures[figure] for one in mine]))
                lines.append(f"{name}: {_measured(figure, mean)}")
            lines += self._verdict(name)
        return tuple(lines)

    @property
    def failing(self) -> tuple[str, ...]:
        """Those of the sentences that say of a method that it failed on a picture."""
        methods = self.items[0].heatmaps if self.items else ()
        return tuple(
            line
            for heatmap in methods
            if any(each.failures for each in self._trust(heatmap.method))
            for line in self._verdict(heatmap.method)
        )

    def _trust(self, method: str) -> list[Trust]:
        """How far each of a method's maps can be trusted, where that was measured."""
        return [trust for item in self.items if (trust := item[method].trust) is not None]

    def _verdict(self, method: str) -> list[str]:
        records = self._trust(method)
        return [f"{method}: {summary(records)}"] if records else []

    def picture(self, *, captions: bool = True, zoom: int | None = None) -> Picture:
        """Draw a group for each picture: the picture, its regions if there are any, each method's map.

        Up to three pictures stand one below the other; more are laid side by side as well. Of very many only
        the first are drawn, `drawn` of them.

        Args:
            captions: Whether to write methods, classes and the meaning of the colours.
            zoom: Screen pixels per pixel of the input; by default, what makes the whole about 1,000 wide, or
                as much larger as the number of pictures needs.

        Raises:
            OptionError: No picture was explained.
        """
        if not self.items:
            raise OptionError(f"{self.model}: no picture could be explained, so there is nothing to show", "")
        return draw(self.items, captions=captions, zoom=zoom, masks=self._masks)

    @property
    def drawn(self) -> int:
        """How many of the pictures `picture` draws; the .npy and .json files have all."""
        return drawn(self.items, self._masks)

    @property
    def _masks(self) -> tuple[Mapping[str, NDArray[np.bool_]], ...]:
        """The regions of each picture, if there are any."""
        found = () if self.regions is None else self.regions.masks
        return found if len(found) == len(self.items) else ()

    def image(self) -> Image.Image:
        """Return the picture as a Pillow image."""
        return self.picture().image()

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write the picture (.png, .svg), the maps (.npy) or the record (.json), as the suffix says.

        The maps are float32 (pictures, methods, height, width).

        Args:
            path: The output; its folder must exist.
            force: Whether an existing file may be replaced.

        Raises:
            OptionError: The suffix is another, or there is nothing to show.
            OutputExistsError: The file exists and `force` is not set.
            FileError: It cannot be written.
        """
        path = Path(path)
        return saving.write(path, self.encode(path.suffix.lower()), force=force)

    def encode(self, suffix: str) -> bytes:
        """Return the contents of a file of this kind; see `save`."""
        check_suffix(suffix)
        if suffix == ".json":
            return saving.json_text(self.to_dict())
        if not self.items:
            raise OptionError(f"{self.model}: no picture could be explained, so there is nothing to show", "")
        if suffix == ".npy":
            maps = [np.stack([heatmap.values for heatmap in item.heatmaps]) for item in self.items]
            if len({each.shape for each in maps}) > 1:
                raise OptionError(
                    "the pictures have different sizes, which one array cannot hold", "Write one at a time."
                )
            return saving.npy(np.stack(maps))
        return saving.drawn(self.picture(), suffix)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the maps, as JSON has it."""
        return {
            "model": self.model,
            "explanations": [item.to_dict() for item in self.items],
            "failures": [failure.to_dict() for failure in self.failures],
            "warnings": list(self.warnings),
            "regions": None if self.regions is None else self.regions.to_dict(),
            "refused": [refusal.to_dict() for refusal in self.refused],
            "seed": self.seed,
            "preprocess": dict(self.preprocess),
        }

    def _repr_png_(self) -> bytes:
        return self.encode(".png")


# What a figure of a method is called where a person reads it.
_FIGURES = {
    "completeness error": "its sum misses the difference between picture and blank, in logits, by {:.2%}",
    "conservation error": "its sum misses the logit by {:.2%}",
    "standard error": "standard error {:.1%} of the map's range",
    "masks": "{:,.0f} masks",
}


def _measured(figure: str, value: float) -> str:
    """A figure in words: a whole number as one, a part of something as a share of it."""
    if figure in _FIGURES:
        return _FIGURES[figure].format(value)
    return f"{figure} {value:,.0f}" if float(value).is_integer() else f"{figure} {value:.3g}"
