"""KernelSHAP: the Shapley values of a picture's patches, by a weighted regression."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from inspector.explain.options import Limits
from inspector.explain.registry import method
from inspector.explain.segments import answers, patches_of
from inspector.explain.subject import Blank, Subject


@method(
    "kernel-shap",
    paper="Lundberg, Lee: A unified approach to interpreting model predictions, NeurIPS 2017",
    needs="forward",
    signed=True,
)
def kernel_shap(
    subject: Subject,
    *,
    samples: Annotated[int, Limits(2)] = 1000,
    patches: Annotated[int, Limits(2, 1000)] = 30,
    blank: Blank = "mean",
) -> NDArray[np.float32]:
    """The Shapley value of each superpixel for the target's probability.

    Coalitions come with their complements. The values of a picture's patches sum to the difference between
    the probabilities of the picture and of the blank one.

    Args:
        subject: What is explained.
        samples: Coalitions; with 2 to the power of the number of patches or more, all are taken and the
            values are exact.
        patches: About how many superpixels.
        blank: What stands for a missing patch: "mean", "blur", "black" or "zero".

    Returns:
        float32 (N, height, width), signed, the same within a superpixel.

    Reference:
        Lundberg, Lee 2017, theorem 2 (the kernel); Covert, Lee: Improving KernelSHAP, AISTATS 2021, section
        3.2 (paired sampling).
    """
    nothing, maps = subject.blank(blank), []
    for index in range(len(subject)):
        found = patches_of(subject, index, patches)
        random = np.random.default_rng((subject.seed, index))
        kept, weights = _coalitions(random, found.count, samples)
        ends = np.array([[False] * found.count, [True] * found.count])
        said = answers(subject, index, found, np.concatenate([ends, kept]), nothing)
        maps.append(found.spread(_values(kept, said[2:], weights, float(said[0]), float(said[1]))))
    return np.stack(maps)


def _coalitions(
    random: np.random.Generator, count: int, samples: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which patches are there, bool (M, count), and how much each coalition counts, float64 (M,)."""
    if count < 60 and 2**count <= samples:
        rows = [
            [patch in chosen for patch in range(count)]
            for size in range(1, count)
            for chosen in combinations(range(count), size)
        ]
        kept = np.array(rows, bool).reshape(-1, count)
        sizes = kept.sum(axis=1)
        weights = [(count - 1) / (comb(count, int(n)) * n * (count - n)) for n in sizes]
        return kept, np.array(weights)
    sizes = np.arange(1, count)
    # How often a size is drawn is the kernel summed over the coalitions of that size; then all count alike.
    often = 1 / (sizes * (count - sizes))
    drawn = random.choice(sizes, size=-(-samples // 2), p=often / often.sum())
    order = np.argsort(random.random((len(drawn), count)), axis=1)
    half = order < drawn[:, None]
    return np.concatenate([half, ~half]), np.ones(2 * len(half))


def _values(
    kept: NDArray[np.bool_],
    said: NDArray[np.float64],
    weights: NDArray[np.float64],
    empty: float,
    full: float,
) -> NDArray[np.float64]:
    """The regression's solution under the constraint that the values sum to the whole difference."""
    if kept.shape[1] == 1:
        return np.array([full - empty])
    # The last value is what the others leave.
    rows = kept[:, :-1].astype(np.float64) - kept[:, -1:]
    rest = said - empty - kept[:, -1] * (full - empty)
    left, right = rows.T @ (weights[:, None] * rows), rows.T @ (weights * rest)
    values = np.linalg.lstsq(left, right, rcond=None)[0]
    return np.append(values, full - empty - values.sum())
