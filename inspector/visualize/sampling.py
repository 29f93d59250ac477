"""A picture looked at a little shifted, turned and enlarged, so that no solution hangs on one pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_TURN = 5.0  # degrees, either way
_GROWTH = 0.05  # share of the side, either way


@dataclass(frozen=True, eq=False)
class View:
    """Reads a window out of a larger canvas between its pixels.

    Attributes:
        canvas: Height and width of the canvas.
        window: Height and width of what is read.
        places: int64 (4, h · w), the four canvas pixels around each pixel of the window.
        weights: float32 (4, h · w), how much of each.
    """

    canvas: tuple[int, int]
    window: tuple[int, int]
    places: NDArray[np.int64]
    weights: Floats

    def seen(self, canvases: Floats) -> Floats:
        """Read the window out of each canvas: (M, C, H, W) to (M, C, h, w)."""
        flat = canvases.reshape(*canvases.shape[:2], -1)
        parts = (flat[:, :, at] * weight for at, weight in zip(self.places, self.weights, strict=True))
        seen: Floats = np.sum(np.stack(list(parts)), axis=0).reshape(*canvases.shape[:2], *self.window)
        return seen

    def pulled(self, gradient: Floats) -> Floats:
        """Turn a gradient by the window's pixels into one by the canvas's."""
        flat = gradient.reshape(-1, gradient.shape[2] * gradient.shape[3])
        spread = (flat[:, None, :] * self.weights).reshape(len(flat), -1)
        order = np.argsort(self.places, axis=None, kind="stable")
        places, firsts = np.unique(self.places.ravel()[order], return_index=True)
        found = np.zeros((len(flat), self.canvas[0] * self.canvas[1]), np.float32)
        found[:, places] = np.add.reduceat(spread[:, order], firsts, axis=1)
        return found.reshape(*gradient.shape[:2], *self.canvas)


def drawn(random: np.random.Generator, canvas: tuple[int, int], window: tuple[int, int]) -> View:
    """Draw a shift within the margin that the canvas has around the window, a turn and a scale."""
    margin = min(canvas[0] - window[0], canvas[1] - window[1]) // 2
    shift = random.integers(-margin, margin + 1, 2)
    angle = np.deg2rad(random.uniform(-_TURN, _TURN))
    return _view(canvas, window, shift.astype(np.float64), angle, random.uniform(1 - _GROWTH, 1 + _GROWTH))


def centred(canvas: tuple[int, int], window: tuple[int, int]) -> View:
    """The window in the middle of the canvas, as it is."""
    return _view(canvas, window, np.zeros(2), 0.0, 1.0)


def _view(
    canvas: tuple[int, int],
    window: tuple[int, int],
    shift: NDArray[np.float64],
    angle: float,
    scale: float,
) -> View:
    rows, columns = np.mgrid[: window[0], : window[1]]
    down, across = rows - (window[0] - 1) / 2, columns - (window[1] - 1) / 2
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    # The middle is rounded, so that the unmoved window falls on whole pixels.
    middle = [(canvas[i] - window[i]) // 2 + (window[i] - 1) / 2 for i in (0, 1)]
    y = np.clip(middle[0] + shift[0] + cosine * down - sine * across, 0, canvas[0] - 1).ravel()
    x = np.clip(middle[1] + shift[1] + sine * down + cosine * across, 0, canvas[1] - 1).ravel()
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    low, right = np.minimum(top + 1, canvas[0] - 1), np.minimum(left + 1, canvas[1] - 1)
    dy, dx = y - top, x - left
    places = np.stack([r * canvas[1] + c for r, c in ((top, left), (top, right), (low, left), (low, right))])
    weights = np.stack([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx])
    return View(canvas, window, places, weights.astype(np.float32))
