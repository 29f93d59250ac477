"""What can be said of each filter: how strong it is, whether it is dead, whether another repeats it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEAD = 1e-3
"""A filter is dead when its norm is at most this share of the largest norm in its layer."""

ALIKE = 0.99
"""Two filters are near-duplicates when the cosine between their weights is at least this, in magnitude."""

_LARGEST = np.finfo(np.float64).max
_BLOCK_ELEMENTS = 2**20
_BLOCK_ROWS = 512


@dataclass(frozen=True, eq=False)
class Statistics:
    """Figures of N filters, over all weights of each that are numbers.

    Attributes:
        norm: Euclidean norm, float64 (N,); the largest float64 where it would be larger still.
        minimum: Smallest weight, float64 (N,); NaN for a filter without any number.
        maximum: Largest weight, float64 (N,); NaN likewise.
        mean: Mean weight, float64 (N,); NaN likewise.
        nonfinite: How many weights are NaN or infinite, int64 (N,).
    """

    norm: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    nonfinite: NDArray[np.int64]


def statistics(kernels: NDArray[np.floating]) -> Statistics:
    """Return the figures of each filter, float (N, …), in memory that does not grow with their number."""
    count = len(kernels)
    floats = np.full((4, count), np.nan)
    floats[0] = 0
    nonfinite = np.zeros(count, np.int64)
    for rows, block in _blocks(kernels):
        finite = np.isfinite(block)
        numbers = finite.sum(axis=1)
        nonfinite[rows] = block.shape[1] - numbers
        if not block.shape[1]:
            continue
        clean = np.where(finite, block, 0)
        # Powers of two bring the weights near 1 without rounding: squares of huge or tiny ones leave float64.
        power = np.frexp(np.abs(clean).max(axis=1))[1]
        unit = np.ldexp(clean, -power[:, None])
        with np.errstate(over="ignore"):
            norm = np.ldexp(np.sqrt(np.einsum("ij,ij->i", unit, unit)), power)
        floats[0, rows] = np.minimum(norm, _LARGEST)
        some = numbers > 0
        floats[1, rows] = np.where(some, block.min(axis=1, initial=np.inf, where=finite), np.nan)
        floats[2, rows] = np.where(some, block.max(axis=1, initial=-np.inf, where=finite), np.nan)
        floats[3, rows] = np.where(some, np.ldexp(unit.sum(axis=1) / np.maximum(numbers, 1), power), np.nan)
    return Statistics(floats[0], floats[1], floats[2], floats[3], nonfinite)


def dead(figures: Statistics) -> NDArray[np.bool_]:
    """Return which filters are dead, bool (N,): they add next to nothing to what comes after.

    A filter with NaN or infinite weights is broken, not dead. In a layer of zeros all are dead.
    """
    silent: NDArray[np.bool_] = figures.norm <= DEAD * figures.norm.max(initial=0)
    whole: NDArray[np.bool_] = figures.nonfinite == 0
    return silent & whole


def duplicates(
    kernels: NDArray[np.floating], left_out: NDArray[np.bool_], group: NDArray[np.int64]
) -> tuple[tuple[int, ...], ...]:
    """Return groups of filters that are multiples of one another, or nearly.

    Such filters compute the same but for a factor, so the cosine is taken of the weights as they are, and its
    sign is ignored. Every member of a group is like the group's first filter. Filters of one weight are
    multiples of each other by nature and are left out, as are filters that see different input channels.

    Args:
        kernels: float (N, …).
        left_out: bool (N,), filters that take no part: dead or broken ones.
        group: int64 (N,), the group of input channels that each filter sees.

    Returns:
        Row numbers, each group ascending, the groups by their first.
    """
    flat = kernels.reshape(len(kernels), -1) if kernels.size else np.zeros((0, 0))
    taken = np.array(left_out, copy=True)
    found: list[tuple[int, ...]] = []
    if flat.shape[1] < 2:
        return ()
    unit = _unit_rows(flat)
    for start in range(0, len(unit), _BLOCK_ROWS):
        # Only pairs to the right of the diagonal are needed: the rest of the matrix is never made.
        alike = np.abs(unit[start : start + _BLOCK_ROWS] @ unit[start:].T) >= ALIKE
        for row in np.flatnonzero(alike.sum(axis=1) > 1):
            first = start + int(row)
            if taken[first]:
                continue
            same = np.flatnonzero(alike[row]) + start
            same = same[(same > first) & ~taken[same] & (group[same] == group[first])]
            if same.size:
                taken[same] = True
                found.append((first, *map(int, same)))
    return tuple(found)


def similarity_order(kernels: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return an order, int64 (N,), in which each filter is followed by the one most like it of those left.

    It starts at the filter with the largest norm. Likeness is the cosine with its sign, since a negated
    kernel looks different. Ties go to the lower number; filters that are zero or broken come last. The
    matrix of all cosines is held: N² × 4 bytes.
    """
    flat = kernels.reshape(len(kernels), -1) if kernels.size else np.zeros((len(kernels), 0))
    norm = statistics(flat).norm
    usable = np.isfinite(flat).all(axis=1) & (norm > 0)
    first = np.flatnonzero(usable)
    if not first.size:
        return np.arange(len(flat))
    unit = _unit_rows(flat[first])
    likeness = unit @ unit.T
    at = int(np.argmax(norm[first]))
    order = [at]
    free = np.zeros(len(first), np.float32)  # 0 while free, −infinity once placed
    for _ in range(len(first) - 1):
        free[at] = -np.inf
        at = int(np.argmax(likeness[at] + free))
        order.append(at)
    return np.concatenate([first[order], np.flatnonzero(~usable)])


def _unit_rows(flat: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the rows at length 1, float32; zero for those that are zero or hold anything but numbers."""
    unit = np.zeros(flat.shape, np.float32)
    for rows, block in _blocks(flat):
        largest = np.abs(block).max(axis=1, keepdims=True, initial=0)
        good = np.isfinite(largest) & (largest > 0)
        # Divided by the largest first: squares of tiny or huge weights leave the range of numbers.
        scaled = np.where(good, block, 0) / np.where(good, largest, 1)
        length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
        unit[rows] = scaled / np.where(length > 0, length, 1)
    return unit


def _blocks(kernels: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Go through the filters a few at a time, flattened, as float64."""
    width = kernels[0].size if len(kernels) else 0
    step = max(1, _BLOCK_ELEMENTS // max(width, 1))
    for start in range(0, len(kernels), step):
        part = kernels[start : start + step]
        yield slice(start, start + len(part)), part.reshape(len(part), width).astype(np.float64)
