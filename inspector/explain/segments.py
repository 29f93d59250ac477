"""The model's answers to a picture of which some patches are missing, for LIME and KernelSHAP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.explain.subject import Floats, Subject
from inspector.explain.superpixels import superpixels


@dataclass(frozen=True, eq=False)
class Patches:
    """A picture's patches.

    Attributes:
        labels: int32 (height, width), the number of each pixel's patch.
        count: How many there are.
    """

    labels: NDArray[np.int32]
    count: int

    def spread(self, values: NDArray[np.floating]) -> Floats:
        """Give each pixel the number of its patch, float (count,) → float32 (height, width)."""
        return values[self.labels].astype(np.float32)


def patches_of(subject: Subject, index: int, count: int) -> Patches:
    """Divide one of the pictures, as the model sees it, into about so many superpixels."""
    picture = subject.channels_first(subject.inputs[index : index + 1])[0]
    low, high = float(picture.min()), float(picture.max())
    pixels = ((picture - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    labels = superpixels(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0), count)
    return Patches(labels, int(labels.max()) + 1)


def answers(
    subject: Subject, index: int, patches: Patches, kept: NDArray[np.bool_], nothing: Floats
) -> NDArray[np.float64]:
    """The target's probability with only some patches there.

    Args:
        subject: What is explained.
        index: Which picture.
        patches: Its patches.
        kept: bool (M, patches): which are there.
        nothing: What the others are replaced by, as `Subject.blank` gives it.

    Returns:
        float64 (M,).
    """
    found = []
    for start in range(0, len(kept), 64):
        masks = kept[start : start + 64].astype(np.float32)[:, patches.labels]
        seen = subject.masked(index, masks, nothing)
        found.append(subject.probabilities(seen)[:, subject.targets[index]])
    return np.concatenate(found).astype(np.float64)


def weighted_least_squares(
    kept: NDArray[np.float64], said: NDArray[np.float64], weights: NDArray[np.float64], ridge: float = 0.0
) -> NDArray[np.float64]:
    """The coefficients that fit best: an intercept first, then one for each patch.

    Args:
        kept: float64 (M, patches).
        said: float64 (M,).
        weights: float64 (M,), how much each row counts.
        ridge: What is added to the squares of the coefficients other than the intercept.
    """
    rows = np.concatenate([np.ones((len(kept), 1)), kept], axis=1)
    penalty = ridge * np.eye(rows.shape[1])
    penalty[0, 0] = 0
    left = rows.T @ (weights[:, None] * rows) + penalty
    found: NDArray[np.float64] = np.linalg.lstsq(left, rows.T @ (weights * said), rcond=None)[0]
    return found
