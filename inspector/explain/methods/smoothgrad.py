"""SmoothGrad: the gradient, averaged over noisy copies of the picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from inspector.explain.noise import noisy_gradients
from inspector.explain.options import Limits
from inspector.explain.registry import method
from inspector.explain.subject import Subject


@method(
    "smoothgrad",
    paper="Smilkov, Thorat, Kim, Viégas, Wattenberg: SmoothGrad, arXiv:1706.03825, 2017",
    needs="gradient",
    signed=False,
)
def smoothgrad(
    subject: Subject,
    *,
    samples: Annotated[int, Limits(1)] = 50,
    noise: Annotated[float, Limits(0)] = 0.15,
) -> NDArray[np.float32]:
    """The magnitude of the mean gradient over noisy copies, the largest over the colour channels.

    Args:
        subject: What is explained.
        samples: How many copies of each picture.
        noise: The noise's deviation, as a part of the picture's own range.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Smilkov et al. 2017, section 2: M = 1/n Σ M_c(x + N(0, σ²)).
    """
    means = [found.mean(axis=0) for found in noisy_gradients(subject, samples, noise)]
    values: NDArray[np.float32] = np.abs(np.stack(means)).max(axis=1)
    return values
