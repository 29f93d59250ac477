"""LIME: the linear model of a picture's patches that is nearest to the network around the picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from inspector.explain.options import Limits
from inspector.explain.registry import method
from inspector.explain.segments import answers, patches_of, weighted_least_squares
from inspector.explain.subject import Blank, Subject


@method(
    "lime",
    paper="Ribeiro, Singh, Guestrin: Why should I trust you?, KDD 2016",
    needs="forward",
    signed=True,
)
def lime(
    subject: Subject,
    *,
    samples: Annotated[int, Limits(2)] = 500,
    patches: Annotated[int, Limits(2, 1000)] = 50,
    width: Annotated[float, Limits(0, open=True)] = 0.25,
    ridge: Annotated[float, Limits(0)] = 1.0,
    blank: Blank = "mean",
) -> NDArray[np.float32]:
    """The coefficient of each superpixel in a weighted ridge regression of the target's probability.

    Args:
        subject: What is explained.
        samples: Pictures with some patches missing.
        patches: About how many superpixels.
        width: Of the exponential kernel on the cosine distance to the whole picture.
        ridge: The regression's penalty.
        blank: What stands for a missing patch: "mean", "blur", "black" or "zero".

    Returns:
        float32 (N, height, width), signed, the same within a superpixel.

    Reference:
        Ribeiro et al. 2016, equation 1 with the kernel exp(-D²/σ²) of section 3.4, D the cosine distance.
    """
    nothing, maps = subject.blank(blank), []
    for index in range(len(subject)):
        found = patches_of(subject, index, patches)
        random = np.random.default_rng((subject.seed, index))
        kept = random.random((samples, found.count)) < 0.5
        kept[0] = True
        said = answers(subject, index, found, kept, nothing)
        # The cosine of a row of zeros and ones with the row of ones.
        distance = 1 - np.sqrt(kept.mean(axis=1))
        weights = np.exp(-(distance**2) / width**2)
        maps.append(found.spread(weighted_least_squares(kept.astype(np.float64), said, weights, ridge)[1:]))
    return np.stack(maps)
