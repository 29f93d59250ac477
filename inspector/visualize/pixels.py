"""The line from a pixel to the number that a model's input holds for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from inspector.predictor import Predictor

Floats = NDArray[np.float32]

_ANY_SIDE = 8


@dataclass(frozen=True, eq=False)
class Pixels:
    """How pixels from black, 0, to white, 1, become the input: low + span × pixel, for each channel.

    Attributes:
        low: float32 (channels, 1, 1), what black becomes, in the order of the model's channels.
        span: float32 (channels, 1, 1), how far white is from it.
        flipped: Whether the model has blue first.
    """

    low: Floats
    span: Floats
    flipped: bool = False

    @property
    def channels(self) -> int:
        """1 or 3."""
        return len(self.low)

    def tensor(self, pictures: Floats) -> Floats:
        """Turn pictures, float32 (M, channels, H, W) in 0..1, red first, into the model's numbers."""
        ordered = pictures[:, ::-1] if self.flipped else pictures
        return np.ascontiguousarray(self.low + self.span * ordered, np.float32)

    def pulled(self, gradient: Floats) -> Floats:
        """Turn a gradient by the model's numbers into one by the pixels."""
        scaled = gradient * self.span
        return scaled[:, ::-1] if self.flipped else scaled


def pixels_of(ready: Predictor) -> Pixels:
    """Read off, by a black and a white picture, what the way to the input does to a pixel."""
    from PIL import Image

    layout, grey = ready.layout, ready.way.channels == "gray"
    size = (layout.width or _ANY_SIDE, layout.height or _ANY_SIDE)
    ends = []
    for colour in (0, 255):
        picture = Image.new("L", size, colour) if grey else Image.new("RGB", size, (colour,) * 3)
        made = ready.way.apply(picture, ready.input, where=str(ready.model.path)).astype(np.float32)
        first = layout.axes in ("NCHW", "CHW")
        one = made.reshape(layout.channels, -1)[:, 0] if first else made.reshape(-1, layout.channels)[0]
        ends.append(one.reshape(-1, 1, 1))
    return Pixels(ends[0], ends[1] - ends[0], ready.way.channels == "bgr")
