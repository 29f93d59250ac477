"""Input × gradient: how much each pixel's own value adds to the logit, to first order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.explain.registry import method
from inspector.explain.subject import Subject


@method(
    "input-x-gradient",
    paper="Shrikumar, Greenside, Shcherbina, Kundaje: Not just a black box, arXiv:1605.01713, 2016",
    needs="gradient",
    signed=True,
    nothing="zero",
)
def input_x_gradient(subject: Subject) -> NDArray[np.float32]:
    """The product of input and gradient, summed over the channels.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), signed.

    Reference:
        Shrikumar et al. 2016, section 2: x · dS/dx.
    """
    found = subject.gradient(subject.inputs, subject.targets)["gradient"]
    values: NDArray[np.float32] = subject.channels_first(subject.inputs * found).sum(axis=1)
    return values
