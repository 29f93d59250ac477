"""VarGrad: how much the gradient varies over noisy copies of the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.explain.noise import noisy_gradients
from inspector.explain.registry import method
from inspector.explain.subject import Subject


@method(
    "vargrad",
    paper="Adebayo, Gilmer, Goodfellow, Kim: Local explanation methods for deep neural networks lack "
    "sensitivity to parameter values, ICLR workshop 2018",
    needs="gradient",
    signed=False,
)
def vargrad(subject: Subject, *, samples: int = 50, noise: float = 0.15) -> NDArray[np.float32]:
    """The variance of the gradient over noisy copies, summed over the channels.

    Args:
        subject: What is explained.
        samples: How many copies of each picture.
        noise: The noise's deviation, as a part of the picture's own range.

    Returns:
        float32 (N, height, width), zero or more.

    Raises:
        OptionError: There are not two samples, or the noise is negative.

    Reference:
        Adebayo et al. 2018, section 2: the variance of dS/dx under N(0, σ²).
    """
    if samples < 2:
        raise OptionError(
            f"samples is {samples}; expected 2 or more, which alone vary", "-O vargrad.samples=50"
        )
    return np.stack([found.var(axis=0).sum(axis=0) for found in noisy_gradients(subject, samples, noise)])
