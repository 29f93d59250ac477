"""The drawing surface of a portrait: painting with soft edges, noise, and which part each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Part = Literal["background", "clothes", "hair", "face", "eyes", "mouth"]
PARTS: tuple[Part, ...] = ("background", "clothes", "hair", "face", "eyes", "mouth")

SIZE = 91
OVERSAMPLE = 2

Plane = NDArray[np.float32]


@dataclass
class Canvas:
    """A picture being painted, at `OVERSAMPLE` times its final size.

    Attributes:
        gray: float32 (S, S), 0 is black and 1 is white.
        part: uint8 (S, S), the index in `PARTS` of what was painted last.
    """

    gray: Plane
    part: NDArray[np.uint8]

    def paint(self, alpha: Plane, gray: Plane | float, part: Part | None = None) -> None:
        """Lay `gray` over the picture where `alpha` is; a shadow or a highlight has no `part`."""
        self.gray += alpha * (gray - self.gray)
        if part is not None:
            self.part[alpha > 0.5] = PARTS.index(part)

    def shade(self, alpha: Plane, factor: float) -> None:
        """Multiply by `factor` where `alpha` is 1, and proportionally elsewhere."""
        self.gray *= 1 + alpha * np.float32(factor - 1)


def blank() -> Canvas:
    """Return an empty canvas, all of it background."""
    side = SIZE * OVERSAMPLE
    return Canvas(np.zeros((side, side), np.float32), np.zeros((side, side), np.uint8))


def pixel_grid() -> tuple[Plane, Plane]:
    """Return x and y of every canvas pixel, float32 (S, S), in final pixels from the picture's middle."""
    line = (np.arange(SIZE * OVERSAMPLE, dtype=np.float32) + 0.5) / OVERSAMPLE - SIZE / 2
    x, y = np.meshgrid(line, line)
    return x, y


def inside(distance: Plane, softness: float = 0.05) -> Plane:
    """Return 1 where `distance` is negative and 0 where it is positive, with an edge `softness` wide."""
    return np.clip(0.5 - distance / np.float32(softness), 0, 1)


def rise(x: Plane, start: float, end: float) -> Plane:
    """Return a smooth step from 0 at `start` to 1 at `end`."""
    t = np.clip((x - np.float32(start)) / np.float32(end - start), 0, 1)
    return t * t * (3 - 2 * t)


def bump(u: Plane, v: Plane, at: tuple[float, float], radius: tuple[float, float]) -> Plane:
    """Return a Gaussian hill of height 1."""
    a, b = (u - np.float32(at[0])) / np.float32(radius[0]), (v - np.float32(at[1])) / np.float32(radius[1])
    return np.exp(-(a * a + b * b))


def ellipse(u: Plane, v: Plane, at: tuple[float, float], radius: tuple[float, float]) -> Plane:
    """Return roughly the distance to an ellipse, negative inside."""
    a, b = (u - np.float32(at[0])) / np.float32(radius[0]), (v - np.float32(at[1])) / np.float32(radius[1])
    return (np.sqrt(a * a + b * b) - 1) * np.float32(min(radius))


def noise(rng: np.random.Generator, u: Plane, v: Plane, scale: tuple[float, float]) -> Plane:
    """Return smooth random values in about -1..1 that vary over `scale` units of u and v."""
    table = rng.standard_normal(64 * 64).astype(np.float32) * np.float32(0.5)
    # Far enough from zero that rounding down never meets a negative number.
    a, b = u / np.float32(scale[0]) + 1024, v / np.float32(scale[1]) + 1024
    i, j = np.floor(a).astype(np.int32), np.floor(b).astype(np.int32)
    s, t = a - i, b - j
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    left, right, above, below = i & 63, (i + 1) & 63, (j & 63) << 6, ((j + 1) & 63) << 6
    low, high = table[above | left], table[below | left]
    low += s * (table[above | right] - low)
    high += s * (table[below | right] - high)
    low += t * (high - low)
    return low


def shrink(plane: Plane) -> Plane:
    """Return float32 (SIZE, SIZE): the mean of every block of canvas pixels."""
    return plane.reshape(SIZE, OVERSAMPLE, SIZE, OVERSAMPLE).mean(axis=(1, 3), dtype=np.float32)


def part_masks(canvas: Canvas) -> dict[Part, NDArray[np.bool_]]:
    """Return a bool (SIZE, SIZE) mask per part; every pixel is in one, the commonest of its block."""
    shares = np.stack([shrink((canvas.part == i).astype(np.float32)) for i in range(len(PARTS))])
    winner = shares.argmax(axis=0)
    return {part: winner == i for i, part in enumerate(PARTS)}
