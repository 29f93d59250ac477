"""Expected gradients: integrated gradients over many blank pictures and one point on each way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.explain.registry import method
from inspector.explain.subject import Blank, Subject

_BLANKS: tuple[Blank, ...] = ("black", "mean", "blur")


@method(
    "expected-gradients",
    paper="Erion, Janizek, Sturmfels, Lundberg, Lee: Improving performance of deep learning models with "
    "axiomatic attribution priors and expected gradients, Nature Machine Intelligence 2021",
    needs="gradient",
    signed=True,
)
def expected_gradients(subject: Subject, *, samples: int = 60) -> NDArray[np.float32]:
    """The mean over reference pictures and points on the way of way × gradient, summed over the channels.

    The references are the other pictures of the subject and the blank ones: black, the mean, and a blur.

    Args:
        subject: What is explained.
        samples: Pairs of a reference and a point.

    Returns:
        float32 (N, height, width), signed.

    Reference:
        Erion et al. 2021, equation 3: E over x' and α of (x - x') · dS/dx at x' + α (x - x').
    """
    if samples < 1:
        raise OptionError(f"samples is {samples}; expected 1 or more", "-O expected-gradients.samples=60")
    blanks = [subject.blank(kind) for kind in _BLANKS]
    shape = (-1, *[1] * (subject.inputs.ndim - 1))
    maps = []
    for index, target in enumerate(subject.targets):
        random = np.random.default_rng((subject.seed, index))
        others = np.delete(subject.inputs, index, axis=0)
        references = np.concatenate([np.stack([blank[index] for blank in blanks]), others])
        # Every reference equally often, and a point in each of as many equal parts of the way.
        chosen = references[np.arange(samples) % len(references)]
        along = ((random.permutation(samples) + random.uniform(size=samples)) / samples).astype(np.float32)
        way = subject.inputs[index] - chosen
        gradients = subject.gradient(chosen + along.reshape(shape) * way, [target] * samples)["gradient"]
        maps.append((way * gradients).mean(axis=0))
    values: NDArray[np.float32] = subject.channels_first(np.stack(maps).astype(np.float32)).sum(axis=1)
    return values
