"""Laplace's equation in a part of a picture: its values are as the border's, continued most smoothly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

# The error that is left, as a part of that of the mean outside, which is the start.
_ENOUGH = 1e-4
# A bound that no picture comes near to: twelve rounds are usual.
_MOST = 500
# How much of a Jacobi step is taken, and by what a coarse correction, too stiff in its blocks, is stretched.
_STEP, _STRETCH = 0.8, 1.8


@dataclass(frozen=True, eq=False)
class _Grid:
    """The equation on one scale: how strongly each place is tied to its neighbours and to the border.

    Attributes:
        across: float32 (height, width - 1), the ties between neighbours in a row.
        down: float32 (height - 1, width), those between neighbours in a column.
        total: float32 (height, width), the sum of all ties of a place, those to known pixels among them; zero
            where there is nothing to solve.
    """

    across: Floats
    down: Floats
    total: Floats

    def applied(self, values: Floats) -> Floats:
        """The sum over a place's ties of its value less the neighbour's; what is known counts as zero.

        Args:
            values: float32 (channels, height, width).
        """
        found: Floats = self.total * values
        found[:, :, :-1] -= self.across * values[:, :, 1:]
        found[:, :, 1:] -= self.across * values[:, :, :-1]
        found[:, :-1] -= self.down * values[:, 1:]
        found[:, 1:] -= self.down * values[:, :-1]
        return found

    @cached_property
    def step(self) -> Floats:
        """What a Jacobi step multiplies what is missing by."""
        return np.where(self.total > 0, 1 / np.maximum(self.total, 1), 0).astype(np.float32)

    def halved(self) -> _Grid:
        """The same with blocks of two by two places that share one value."""
        total = _paired(_paired(self.total, 0), 1)
        # What ties places of one block to each other pulls at nothing any more.
        across, down = _paired(self.across[:, ::2], 0), _paired(self.down[::2], 1)
        total[:, : across.shape[1]] -= 2 * across
        total[: down.shape[0]] -= 2 * down
        return _Grid(_paired(self.across[:, 1::2], 0), _paired(self.down[1::2], 1), total)


def harmonic(picture: Floats, region: Mask) -> Floats:
    """Solve Laplace's equation in a region: every pixel there becomes the mean of its neighbours.

    A pixel at the picture's edge has fewer neighbours. What is missed is about 1e-4 of the picture's range.

    Args:
        picture: float32 (channels, height, width).
        region: bool (height, width), with pixels inside and outside.

    Returns:
        float32 (channels, height, width).

    Reference:
        Braess: Towards algebraic multigrid for elliptic problems of second order, Computing 55, 1995:
        conjugate gradients, preconditioned by a cycle through grids of blocks that share a value.
    """
    # With the known pixels at its border nothing else of the picture matters.
    rows, columns = (_reach(np.any(region, axis=axis)) for axis in (1, 0))
    part, inside = picture[:, rows, columns], region[rows, columns]
    start = picture[:, ~region].mean(axis=1)[:, None, None]
    border = np.where(inside, _around(np.where(inside, 0, part - start)), 0).astype(np.float32)
    solved = picture.astype(np.float32)
    solved[:, rows, columns] = np.where(inside, start + _solved(_scales(inside), border), part)
    return solved


def _solved(scales: Sequence[_Grid], border: Floats) -> Floats:
    """Conjugate gradients, for each channel by itself."""
    found, missing = np.zeros_like(border), border
    way = better = _cycle(scales, missing)
    size = first = _products(missing, better)
    for _ in range(_MOST):
        # The product is the square of the error.
        if (size <= _ENOUGH**2 * first).all():
            break
        along = scales[0].applied(way)
        step = _quotients(size, _products(way, along))
        found, missing = found + step * way, missing - step * along
        better = _cycle(scales, missing)
        before, size = size, _products(missing, better)
        way = better + _quotients(size, before) * way
    return found


def _cycle(scales: Sequence[_Grid], missing: Floats) -> Floats:
    """About what has to be added where so much is missing: a step on each scale, coarser and back."""
    grid, *coarser = scales
    if not coarser:
        return grid.step * missing
    found = _STEP * grid.step * missing
    left = _paired(_paired(missing - grid.applied(found), 1), 2)
    height, width = grid.total.shape
    found += _STRETCH * _cycle(coarser, left).repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    found += _STEP * grid.step * (missing - grid.applied(found))
    return found


def _scales(region: Mask) -> Sequence[_Grid]:
    """The equation for each pixel of a region, then for blocks of 2x2, 4x4 and so on, up to a single one."""
    across, down = region[:, 1:] & region[:, :-1], region[1:] & region[:-1]
    total = np.where(region, _around(np.ones((1, *region.shape), np.float32))[0], 0)
    scales = [_Grid(across.astype(np.float32), down.astype(np.float32), total.astype(np.float32))]
    while scales[-1].total.size > 1:
        scales.append(scales[-1].halved())
    return scales


def _reach(inside: Mask) -> slice:
    """From the one before the first to the one behind the last."""
    first, last = np.flatnonzero(inside)[[0, -1]]
    return slice(max(first - 1, 0), last + 2)


def _around(values: Floats) -> Floats:
    """The sum of each pixel's four neighbours; there is nothing outside the picture."""
    edge = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    return edge[:, :-2, 1:-1] + edge[:, 2:, 1:-1] + edge[:, 1:-1, :-2] + edge[:, 1:-1, 2:]


def _paired(values: Floats, axis: int) -> Floats:
    """Sums of two along an axis; the last one stays alone where their number is odd."""
    sums: Floats = np.add.reduceat(values, np.arange(0, values.shape[axis], 2), axis=axis)
    return sums


def _products(one: Floats, other: Floats) -> Floats:
    """The inner product in each channel, (channels, 1, 1)."""
    found: Floats = np.einsum("chw,chw->c", one, other)[:, None, None]
    return found


def _quotients(above: Floats, below: Floats) -> Floats:
    """Quotients, zero where a channel has nothing left to be found."""
    found: Floats = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return found
