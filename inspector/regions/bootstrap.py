"""How sure a mean over pictures is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over pictures with its interval.

    Attributes:
        mean: The mean.
        low: Lower end of the 95 % interval; the mean itself for a single picture.
        high: Upper end.
        count: How many pictures.
    """

    mean: float
    low: float
    high: float
    count: int

    def text(self, *, percent: bool = False, sign: bool = False) -> str:
        """The estimate as a person reads it: "0.52 (0.45 to 0.58)"."""
        form = ("{:+" if sign else "{:") + (".0%}" if percent else ".2f}")
        middle, low, high = (form.format(number) for number in (self.mean, self.low, self.high))
        return middle if self.count < 2 else f"{middle} ({low} to {high})"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "mean": round(self.mean, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "pictures": self.count,
        }


def estimate(values: NDArray[np.floating], seed: int = 0) -> Estimate | None:
    """The mean of one number a picture, with the percentile bootstrap's 95 % interval.

    Args:
        values: float (N,); NaN where a picture has none.
        seed: Of the resampling.

    Returns:
        The estimate; None when no picture has a number.

    Reference:
        Efron, Tibshirani: An introduction to the bootstrap, 1993, section 13.3.

    Example:
        >>> estimate(np.array([1.0, 3.0, np.nan])).mean
        2.0
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    random = np.random.default_rng(seed)
    drawn = known[random.integers(0, len(known), (_DRAWS, len(known)))].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(known.mean()), float(low), float(high), len(known))
