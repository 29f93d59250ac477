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
        colours: On a picture in colour, those of the bar from left to right, uint8 (steps, 3); None for grey.
    """

    ends: tuple[str, str, str]
    note: str
    broken: bool
    colours: NDArray[np.uint8] | None = None

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
        if self.colours is not None:
            at = np.rint(np.linspace(0, len(self.colours) - 1, width)).astype(np.int64)
            bar[:, left : left + width] = self.colours[at]
        elif canvas.ndim == 3:
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


def legend(
    limit: NDArray[np.float64],
    scale: Scale,
    *,
    broken: bool,
    colour: bool,
    signed: bool = True,
    colours: NDArray[np.uint8] | None = None,
) -> Legend:
    """Return the legend of a picture drawn with these limits, float64 (1,) or (N,)."""
    per = " and channels" if colour else ""
    if scale == "each":
        ends = ("-max", "0", "+max") if signed else ("0", "", "max")
        return Legend(ends, "each tile to its own largest", broken, colours)
    high = f"{limit[0]:.3g}"
    note = "clipped at the 99th percentile" if scale == "robust" else f"one scale for all tiles{per}"
    ends = (f"-{high}", "0", f"+{high}") if signed else ("0", "", high)
    return Legend(ends, note, broken, colours)
