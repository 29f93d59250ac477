"""RISE: the mean of random masks, each weighted by what the model says of the picture under it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from inspector.explain.options import Limits
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Blank, Floats, Subject

# Of fewer masks the standard error is not known well enough to stop.
_FEWEST = 256
# What a quotient is divided by in place of zero.
_LEAST = 1e-12


@method(
    "rise",
    paper="Petsiuk, Das, Saenko: RISE: Randomized input sampling for explanation of black-box models, "
    "BMVC 2018",
    needs="forward",
    signed=False,
)
def rise(
    subject: Subject,
    *,
    masks: Annotated[int, Limits(2)] = 1000,
    cells: Annotated[int, Limits(1, within=True)] = 8,
    keep: Annotated[float, Limits(0, 1, open=True)] = 0.5,
    enough: Annotated[float, Limits(0)] = 0.05,
    blank: Blank = "mean",
) -> Heatmaps:
    """The mean probability of the target over the masks that keep a pixel.

    Args:
        subject: What is explained.
        masks: How many masks at most.
        cells: Cells along each side of the coarse grid that a mask is made of.
        keep: How often a cell is kept.
        enough: Stop when the mean standard error of a pixel is below this part of the map's range; 0 to use
            all masks.
        blank: What is under a mask: "mean" (black is that for the networks of the paper), "blur", "black" or
            "zero".

    Returns:
        float32 (N, height, width), zero or more, less its smallest value, with the figures "masks" and
        "standard error", that of the mean probability at a pixel as a part of the map's range.

    Reference:
        Petsiuk et al. 2018, equation 6, and section 3.2 for the masks.
    """
    nothing = subject.blank(blank)
    found = [
        _one(subject, index, nothing, masks=masks, cells=cells, keep=keep, enough=enough)
        for index in range(len(subject))
    ]
    figures = {
        "masks": np.array([used for _, used, _ in found], np.float64),
        "standard error": np.array([error for _, _, error in found]),
    }
    return Heatmaps(np.stack([values for values, _, _ in found]), figures)


def _one(
    subject: Subject, index: int, nothing: Floats, *, masks: int, cells: int, keep: float, enough: float
) -> tuple[Floats, int, float]:
    """One picture's map, how many masks it took, and its standard error."""
    random = np.random.default_rng((subject.seed, index))
    target, size = subject.targets[index], subject.size
    sums, spread = np.zeros((2, *size)), np.zeros((3, *size))
    used, error = 0, np.inf
    while used < masks and error > enough:
        kept = random_masks(random, min(subject.batch, masks - used), cells, keep, size)
        said = subject.probabilities(subject.masked(index, kept, nothing))[:, target]
        flat, one = kept.reshape(len(kept), -1), np.ones_like(said)
        sums += (np.stack([said, one]) @ flat).reshape(sums.shape)
        spread += (np.stack([said**2, said, one]) @ flat**2).reshape(spread.shape)
        used += len(kept)
        if used >= _FEWEST or used == masks:
            error = _error(sums, spread)
    total, weight = sums
    # A pixel that no mask keeps is as good as the rest.
    values = np.where(weight > 0, total / np.maximum(weight, _LEAST), total.sum() / max(weight.sum(), _LEAST))
    return (values - values.min()).astype(np.float32), used, error


def _error(sums: NDArray[np.float64], spread: NDArray[np.float64]) -> float:
    """The mean standard error of a pixel, as a part of the map's range.

    Args:
        sums: float64 (2, height, width), the sums over the masks of kept × answer, and of kept.
        spread: float64 (3, height, width), those of kept² × answer², kept² × answer, and kept².

    Reference:
        Cochran: Sampling techniques, 1977, equation 6.13: the variance of a quotient of two means, here of
        kept × answer and kept.
    """
    weight = np.maximum(sums[1], _LEAST)
    mean = sums[0] / weight
    squares = np.maximum(spread[0] - 2 * mean * spread[1] + mean**2 * spread[2], 0)
    return float((np.sqrt(squares) / weight).mean() / max(float(np.ptp(mean)), _LEAST))


def random_masks(
    random: np.random.Generator, count: int, cells: int, keep: float, size: tuple[int, int]
) -> Floats:
    """Smooth random masks: a coarse grid of zeros and ones, enlarged bilinearly and shifted by chance.

    The grid has two nodes more than cells, so that there is a node behind every pixel however far it is
    shifted: by chance all pixels are alike, those at the edges too.

    Args:
        random: Where chance comes from.
        count: How many.
        cells: Cells along each side.
        keep: The probability of a one.
        size: Height and width.

    Returns:
        float32 (count, height, width) in 0..1.

    Reference:
        Petsiuk et al. 2018, section 3.2.
    """
    grid = (random.random((count, cells + 2, cells + 2)) < keep).astype(np.float32)
    down, across = (_enlargement(random, count, cells, length) for length in size)
    return np.asarray(down @ grid @ across.transpose(0, 2, 1), np.float32)


def _enlargement(random: np.random.Generator, count: int, cells: int, length: int) -> Floats:
    """Matrices (count, length, cells + 2) that enlarge a grid's side bilinearly from a random offset on."""
    cell = -(-length // cells)
    at = ((np.arange(length) + random.integers(0, cell, count)[:, None]) / cell).astype(np.float32)
    low = np.floor(at).astype(np.int64)
    share = (at - low).astype(np.float32)
    matrix = np.zeros((count, length, cells + 2), np.float32)
    samples, rows = np.ogrid[:count, :length]
    matrix[samples, rows, low] = 1 - share
    matrix[samples, rows, low + 1] = share
    return matrix
