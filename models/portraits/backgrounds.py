"""What stands behind a head: one function per kind, found by its decorator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.portraits.canvas import Canvas, Plane, inside, noise, rise

_Painter = Callable[[np.random.Generator, Plane, Plane], Plane]
BACKGROUNDS: dict[str, _Painter] = {}


def _background(paint: _Painter) -> _Painter:
    BACKGROUNDS[paint.__name__.strip("_")] = paint
    return paint


def paint_background(rng: np.random.Generator, canvas: Canvas, x: Plane, y: Plane) -> str:
    """Fill `canvas` with a background and return the name of its kind.

    Args:
        rng: Where chance comes from.
        canvas: What is painted.
        x: float32 (S, S), in pixels from the middle.
        y: As `x`, downwards.
    """
    kind = list(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))]
    angle = rng.normal(0, 0.08)
    turned_x = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    turned_y = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    canvas.gray[...] = np.clip(BACKGROUNDS[kind](rng, turned_x, turned_y), 0.02, 0.98)
    return kind


def _level(rng: np.random.Generator) -> np.float32:
    return np.float32(rng.uniform(0.08, 0.95))


@_background
def _plain(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    return _level(rng) + np.float32(0.04) * noise(rng, x, y, (30, 30))


@_background
def _gradient(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    share = rise(along, -50, 50)
    return _level(rng) * share + _level(rng) * (1 - share)


@_background
def _halo(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    cx, cy = rng.normal(0, 18, 2).astype(np.float32)
    share = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / np.float32(rng.uniform(25, 55) ** 2))
    return _level(rng) * share + _level(rng) * (1 - share)


@_background
def _blobs(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    size = rng.uniform(8, 24)
    return _level(rng) + np.float32(rng.uniform(0.15, 0.5)) * noise(rng, x, y, (size, size))


@_background
def _foliage(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    fine, coarse = rng.uniform(2.5, 5), rng.uniform(10, 18)
    leaves = 0.6 * noise(rng, x, y, (fine, fine)) + 0.6 * noise(rng, x, y, (coarse, coarse))
    return np.float32(rng.uniform(0.25, 0.65)) + np.float32(rng.uniform(0.25, 0.5)) * leaves


@_background
def _stripes(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    along = x if rng.random() < 0.6 else y
    wave = np.sin(along * np.float32(2 * np.pi / rng.uniform(5, 22)) + np.float32(rng.uniform(0, 6)))
    wave = np.tanh(wave * np.float32(rng.uniform(0.7, 6)))
    return _level(rng) + np.float32(rng.uniform(0.04, 0.2)) * wave


@_background
def _bricks(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    height = rng.uniform(5, 10)
    row = np.floor(y / np.float32(height))
    shifted = x + row * np.float32(height * 1.1)
    column = np.floor(shifted / np.float32(height * 2.2))
    seam = inside(np.abs(y - (row + 0.5) * np.float32(height)) - np.float32(height * 0.43), 1.5)
    joint = np.abs(shifted - (column + 0.5) * np.float32(height * 2.2)) - np.float32(height * 1.03)
    stone = _level(rng) + np.float32(0.12) * noise(rng, column * 7.3, row * 5.1, (1, 1))
    return stone + (1 - seam * inside(joint, 1.5)) * np.float32(rng.choice([-0.18, 0.18]))


@_background
def _shelves(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    height = rng.uniform(22, 36)
    row = np.floor((y + 60) / np.float32(height))
    width = rng.uniform(3, 7)
    # Books of uneven widths: the shelf's x is bent before it is cut into books.
    book = np.floor(x / np.float32(width) + 1.3 * noise(rng, x, row * 9.7, (9, 1)))
    gray = np.float32(0.45) + np.float32(0.33) * noise(rng, book * 3.7, row * 11.3, (1, 1))
    inner = np.abs((y + 60) - (row + 0.5) * np.float32(height)) - np.float32(height * 0.44)
    return gray * inside(inner, 1) + np.float32(rng.uniform(0.1, 0.6)) * (1 - inside(inner, 1))


@_background
def _window(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    cx, cy = rng.uniform(-30, 30), rng.uniform(-25, 10)
    w, h = rng.uniform(14, 32), rng.uniform(18, 36)
    dx, dy = np.abs(x - np.float32(cx)), np.abs(y - np.float32(cy))
    pane = inside(np.maximum(dx - np.float32(w), dy - np.float32(h)), 1.5)
    bars = inside(np.minimum(dx, dy) - np.float32(rng.uniform(0.8, 2)), 1)
    light = np.float32(rng.uniform(0.75, 0.98)) + np.float32(0.1) * noise(rng, x, y, (14, 14))
    frame = np.float32(rng.uniform(0.15, 0.9))
    wall = np.float32(rng.uniform(0.1, 0.6)) + np.float32(0.03) * noise(rng, x, y, (20, 20))
    return wall * (1 - pane) + (light * (1 - bars) + frame * bars) * pane


@_background
def _street(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    """Blocks of a town, out of focus, under a sky."""
    block = np.floor(x / np.float32(rng.uniform(12, 26)) + np.float32(rng.uniform(0, 1)))
    top = np.float32(-12) + np.float32(26) * noise(rng, block * 5.3, block * 0, (1, 1))
    sky = np.float32(rng.uniform(0.6, 0.97)) - np.float32(0.002) * (y + 45)
    wall = np.float32(0.4) + np.float32(0.3) * noise(rng, block * 3.1, block * 0, (1, 1))
    share = inside(top - y, 4)
    return wall * share + sky * (1 - share) + np.float32(0.06) * noise(rng, x, y, (4, 5))
