"""Captions, the title and the legend of a picture: where they stand, and how Pillow draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image, ImageFont

Anchor = Literal["start", "middle", "end"]

SIZE = 12
"""Height of all text in pixels, whatever the zoom."""

APART = 4
"""Least distance between two captions in pixels."""

INK = (226, 232, 240)
LINE = SIZE + 5
"""Height of a strip that holds one line."""

_BITMAP_ASCENT = 9

# Pillow's built-in font has little beyond ASCII; a "?" is clearer than its empty box.
_BUILT_IN = {*map(chr, range(32, 127)), "±", "·"}


@dataclass(frozen=True)
class Text:
    """One line of text on a picture.

    Attributes:
        x: Where its anchor stands, in pixels from the left.
        y: Its baseline, in pixels from the top.
        text: What it says.
        anchor: Which part of the text stands at x.
    """

    x: int
    y: int
    text: str
    anchor: Anchor = "middle"


def width(lines: Sequence[str]) -> int:
    """Return the width in pixels of the widest of the lines."""
    font = _font()
    return max((int(np.ceil(font.getlength(_spell(line)))) for line in set(lines)), default=0)


def draw(pixels: NDArray[np.uint8], texts: Sequence[Text]) -> NDArray[np.uint8]:
    """Return a copy of an RGB picture, uint8 (H, W, 3), with the texts on it."""
    from PIL import Image, ImageDraw

    image: Image.Image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    font = _font()
    for text in texts:
        # The anchor is worked out here: the bitmap font, used where FreeType is missing, knows none.
        line = _spell(text.text)
        length = font.getlength(line)
        left = text.x - {"start": 0.0, "middle": length / 2, "end": length}[text.anchor]
        pen.text((round(left), text.y - _ascent(font)), line, fill=INK, font=font)
    return np.asarray(image)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont, features

    return ImageFont.load_default(SIZE) if features.check_module("freetype2") else ImageFont.load_default()


def _ascent(font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    metrics = getattr(font, "getmetrics", None)
    return int(metrics()[0]) if metrics else _BITMAP_ASCENT


def _spell(line: str) -> str:
    return "".join(sign if sign in _BUILT_IN else "?" for sign in line)
