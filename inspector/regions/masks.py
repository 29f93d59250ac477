"""Which pixels belong to which region: masks in a folder, or rectangles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.images import decode

if TYPE_CHECKING:
    from PIL import Image

    from inspector.predictor import Predictor

Mask: TypeAlias = NDArray[np.bool_]
SUPERPIXELS = "superpixels"
_SEGMENT = "segment "

_RECTANGLE = re.compile(r"([^=]+)=(\d+),(\d+),(\d+),(\d+)")
_NUMBER = re.compile(r"\d+")
_HOW = "--regions FOLDER, --regions NAME=x,y,width,height, or --regions superpixels"


@dataclass(frozen=True)
class Rectangle:
    """A part of every picture, in pixels of the picture as it was given.

    Attributes:
        name: What it is called.
        left: Its first column.
        top: Its first row.
        width: How many columns it has.
        height: How many rows it has.
    """

    name: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Regions:
    """Where regions come from.

    Attributes:
        folder: A folder of masks, one file for each picture and part; None for none.
        rectangles: Parts that every picture has.
        superpixels: Whether each picture is divided by its own colours and edges.
    """

    folder: Path | None = None
    rectangles: tuple[Rectangle, ...] = ()
    superpixels: bool = False

    def of(self, ready: Predictor, image: Image.Image, name: str) -> dict[str, Mask]:
        """The regions of one picture, as the model sees it.

        A mask belongs to a picture when its name begins with the picture's, or with the number that the
        picture's begins with: `07_hair.png` to `07_lars.png`.

        Args:
            ready: The model; its way from pixels to the input also says where a mask's pixels go.
            image: The decoded picture.
            name: Its path.

        Returns:
            Region → bool (height, width) of the input.

        Raises:
            OptionError: The picture has no masks, or a mask has another size.
        """
        if self.superpixels:
            return _superpixels(ready, image, name)
        found = {each.name: _drawn(ready, image, each, name) for each in self.rectangles}
        if self.folder is not None:
            found |= self._read(ready, image, name)
        return found

    def _read(self, ready: Predictor, image: Image.Image, name: str) -> dict[str, Mask]:
        assert self.folder is not None
        stem = Path(name).stem
        number = _NUMBER.match(stem)
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        for key in (stem, number[0] if number else stem):
            parts = {path.stem[len(key) + 1 :]: path for path in files if path.stem.startswith(f"{key}_")}
            if parts:
                return {part: _loaded(ready, image, path, name) for part, path in parts.items()}
        raise OptionError(
            f"{name}: there is no mask for it in {self.folder}; expected {stem}_PART.png for each part",
            "Masks are white where the part is.",
        )


def parse(given: Sequence[str]) -> Regions:
    """Understand what `--regions` was given: a folder, rectangles `NAME=x,y,width,height`, or "superpixels".

    Raises:
        OptionError: It is none of these, or two that do not go together.

    Example:
        >>> parse(["hair=10,0,70,30"]).rectangles[0].width
        70
    """
    rectangles, folders = [], []
    for text in given:
        found = _RECTANGLE.fullmatch(text)
        if found:
            rectangles.append(Rectangle(found[1], *(int(number) for number in found.groups()[1:])))
        elif text != SUPERPIXELS:
            folders.append(Path(text))
    for folder in folders:
        if not folder.is_dir():
            raise OptionError(f"{folder}: is no folder of masks and no rectangle NAME=x,y,width,height", _HOW)
    alone = SUPERPIXELS in given
    if len(folders) > 1 or (alone and len(given) > 1):
        raise OptionError(f"regions are given in two ways: {', '.join(given)}; expected one", _HOW)
    for name, count in Counter(each.name for each in rectangles).items():
        if count > 1:
            raise OptionError(f"{count} rectangles are called {name}; expected a name for each", _HOW)
    for each in rectangles:
        if not each.width or not each.height:
            raise OptionError(f"the rectangle {each.name} has no pixels", _HOW)
    return Regions(folders[0] if folders else None, tuple(rectangles), alone)


def _loaded(ready: Predictor, image: Image.Image, path: Path, name: str) -> Mask:
    mask = decode(path, name=str(path)).image.convert("L")
    if mask.size != image.size:
        raise OptionError(
            f"{path}: has {mask.width}x{mask.height} pixels; expected {image.width}x{image.height}, "
            f"as {name} has",
            "Draw the mask over the picture itself.",
        )
    return _fitted(ready, mask, str(path))


def _drawn(ready: Predictor, image: Image.Image, area: Rectangle, name: str) -> Mask:
    from PIL import Image

    if area.left >= image.width or area.top >= image.height:
        raise OptionError(
            f"{name}: has {image.width}x{image.height} pixels, and the rectangle {area.name} begins at "
            f"{area.left},{area.top}, outside",
            _HOW,
        )
    mask = Image.new("L", image.size)
    mask.paste(255, (area.left, area.top, area.left + area.width, area.top + area.height))
    return _fitted(ready, mask, name)


def _fitted(ready: Predictor, mask: Image.Image, name: str) -> Mask:
    """A mask on the model's input: it goes the way of the picture's pixels."""
    fitted = np.asarray(ready.way.fitted(mask, ready.input, where=name))
    return (fitted if fitted.ndim == 2 else fitted[:, :, 0]) > 127


def _superpixels(ready: Predictor, image: Image.Image, name: str) -> dict[str, Mask]:
    from inspector.explain.superpixels import superpixels

    seen = np.asarray(ready.way.fitted(image, ready.input, where=name))
    segments = superpixels(seen)
    return {f"{_SEGMENT}{index}": segments == index for index in range(int(segments.max()) + 1)}


def short(name: str) -> str:
    """What stands in a region on a picture: a segment's number alone.

    Example:
        >>> short("segment 19"), short("hair")
        ('19', 'hair')
    """
    number = name.removeprefix(_SEGMENT)
    return number if number.isdecimal() else name
