"""Captions, the title and the legend of a picture: where they stand, and how Pillow draws them."""

from __future__ import annotations

import unicodedata
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

# Pillow's built-in font has little beyond ASCII, and draws a box for all else; the bitmap font has Latin-1.
_BUILT_IN = {*map(chr, range(32, 127)), *"©«°±·»“”…™"}
_LATIN = {*map(chr, range(32, 127)), *map(chr, range(161, 256))}
_BOX, _NO_BOX = "\N{WHITE SQUARE}", "\N{CURRENCY SIGN}"
_OTHERWISE = {"…": "...", "\u2013": "-", "—": "-", "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O"}


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
    return max((int(np.ceil(font.getlength(_spell(line, font)))) for line in set(lines)), default=0)


def shortened(line: str, room: int, *, end: bool = False) -> str:
    """Return a line cut to a width, with "…" where something is missing.

    Args:
        line: What it says.
        room: Pixels that it may take.
        end: Whether its end is kept, as of a path, and not its beginning.

    Example:
        >>> shortened("blocks/13/pointwise", 80, end=True)
        '…/pointwise'
    """
    font = _font()

    def fits(text: str) -> bool:
        return font.getlength(_spell(text, font)) <= room

    if fits(line):
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(_cut(line, middle, end)) else (low, middle - 1)
    # A path is cut between its parts, if one of them fits.
    at = line.find("/", len(line) - low) if end and low else -1
    return f"…{line[at:]}" if 0 <= at < len(line) - 1 else _cut(line, low, end)


def _cut(line: str, count: int, end: bool) -> str:
    return f"…{line[len(line) - count :]}" if end else f"{line[:count]}…"


def draw(pixels: NDArray[np.uint8], texts: Sequence[Text]) -> NDArray[np.uint8]:
    """Return a copy of an RGB picture, uint8 (H, W, 3), with the texts on it."""
    from PIL import Image, ImageDraw

    image: Image.Image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    font = _font()
    for text in texts:
        # The anchor is worked out here: the bitmap font, used where FreeType is missing, knows none.
        line = _spell(text.text, font)
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


def _spell(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """A line in what the font has: a letter without its accent rather than none, or else a box."""
    from PIL import ImageFont

    scalable = isinstance(font, ImageFont.FreeTypeFont)
    known, box = (_BUILT_IN, _BOX) if scalable else (_LATIN, _NO_BOX)

    def spelled(sign: str) -> str:
        if sign in known:
            return sign
        plain = _OTHERWISE.get(sign) or "".join(
            part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part)
        )
        return plain if plain and set(plain) <= known else box

    # A letter and its accent may come apart, as in names of files on a Mac.
    return "".join(map(spelled, unicodedata.normalize("NFC", line)))
