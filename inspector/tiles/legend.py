"""The bar that says which colour is which value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.choices import Scale
from inspector.tiles import levels, text
from inspector.tiles.text import Text

_BAR = (160, 10)  # width and height in pixels
_GAP = 6


@dataclass(frozen=True)
class Legend:
    """A bar from the most negative colour to the most positive one, with the values at its ends.

    Attributes:
        ends: What stands at the left end, the middle and the right end.
        note: How the scale was chosen.
        broken: Whether there are NaN or infinite weights to explain.
    """

    ends: tuple[str, str, str]
    note: str
    broken: bool

    @property
    def words(self) -> str:
        """The same as one line of text."""
        return f"{self.ends[0]} to {self.ends[2]}, {self.note}"

    @property
    def height(self) -> int:
        """Pixels that it needs from top to bottom."""
        return _GAP + _BAR[1] + (3 if self.broken else 2) * text.LINE

    @property
    def width(self) -> int:
        """Pixels that it needs from left to right."""
        return max(_BAR[0], text.width([self.note, *([_BROKEN] if self.broken else [])]) + _BAR[1] + _GAP)

    def place(self, canvas: NDArray[np.uint8], left: int, top: int) -> list[Text]:
        """Draw the bar on the canvas, in place, and return the texts that belong to it."""
        width, height = _BAR
        bar = canvas[top + _GAP : top + _GAP + height]
        if canvas.ndim == 3:
            bar[:, left : left + width] = np.rint(np.linspace(1, 255, width)).astype(np.uint8)[:, None]
        else:
            bar[:, left : left + width] = np.rint(np.linspace(2, 254, width)).astype(np.uint8)
        y = top + _GAP + height + text.SIZE + 1
        low, zero, high = self.ends
        texts = [
            Text(left, y, low, "start"),
            Text(left + width // 2, y, zero),
            Text(left + width, y, high, "end"),
            Text(left, y + text.LINE, self.note, "start"),
        ]
        if self.broken:
            y += 2 * text.LINE
            swatch = canvas[y - height + 1 : y + 1, left : left + height]
            swatch[:] = levels.NOT_A_NUMBER_COLOUR if canvas.ndim == 3 else levels.NOT_A_NUMBER
            texts.append(Text(left + height + _GAP, y, _BROKEN, "start"))
        return texts


_BROKEN = "NaN or infinite"


def legend(limit: NDArray[np.float64], scale: Scale, *, broken: bool, colour: bool) -> Legend:
    """Return the legend of a picture drawn with these limits, float64 (1,) or (N,)."""
    per = " and channels" if colour else ""
    if scale == "each":
        return Legend(("-max", "0", "+max"), "each tile to its own largest", broken)
    high = f"{limit[0]:.3g}"
    note = "clipped at the 99th percentile" if scale == "robust" else f"one scale for all tiles{per}"
    return Legend((f"-{high}", "0", f"+{high}"), note, broken)
