"""VarGrad: how much the gradient varies over noisy copies of the picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from inspector.explain.noise import noisy_gradients
from inspector.explain.options import Limits
from inspector.explain.registry import method
from inspector.explain.subject import Subject


@method(
    "vargrad",
    paper="Adebayo, Gilmer, Goodfellow, Kim: Local explanation methods for deep neural networks lack "
    "sensitivity to parameter values, ICLR workshop 2018",
    needs="gradient",
    signed=False,
)
def vargrad(
    subject: Subject,
    *,
    samples: Annotated[int, Limits(2)] = 50,
    noise: Annotated[float, Limits(0)] = 0.15,
) -> NDArray[np.float32]:
    """The variance of the gradient over noisy copies, summed over the channels.

    Args:
        subject: What is explained.
        samples: How many copies of each picture; a single one does not vary.
        noise: The noise's deviation, as a part of the picture's own range.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Adebayo et al. 2018, section 2: the variance of dS/dx under N(0, σ²).
    """
    return np.stack([found.var(axis=0).sum(axis=0) for found in noisy_gradients(subject, samples, noise)])
