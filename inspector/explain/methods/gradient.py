"""The gradient itself: how fast the target's logit changes with each pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.explain.registry import method
from inspector.explain.subject import Subject


@method(
    "gradient",
    paper="Simonyan, Vedaldi, Zisserman: Deep inside convolutional networks, ICLR workshop 2014",
    needs="gradient",
    signed=False,
)
def gradient(subject: Subject) -> NDArray[np.float32]:
    """The magnitude of the gradient, the largest over the colour channels.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Simonyan et al. 2014, section 3.1: M = max over c of |w|.
    """
    found = subject.gradient(subject.inputs, subject.targets)["gradient"]
    values: NDArray[np.float32] = np.abs(subject.channels_first(found)).max(axis=1)
    return values
