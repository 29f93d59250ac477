"""Gradients of noisy copies of a picture, for the methods that average over them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inspector.errors import OptionError
from inspector.explain.subject import Floats, Subject


def noisy_gradients(subject: Subject, samples: int, noise: float) -> Iterator[Floats]:
    """The gradients of each picture's noisy copies.

    Args:
        subject: What is explained.
        samples: How many copies of each picture.
        noise: The noise's deviation, as a part of the picture's own range.

    Returns:
        For each picture float32 (samples, channels, height, width).

    Raises:
        OptionError: There are no samples, or the noise is negative.
    """
    if samples < 1 or noise < 0:
        raise OptionError(f"samples is {samples} and noise {noise}; expected 1 or more, and 0 or more", "")
    for index, target in enumerate(subject.targets):
        random = np.random.default_rng((subject.seed, index))
        picture = subject.inputs[index]
        deviation = noise * float(np.ptp(picture))
        copies = picture + random.normal(0, deviation, (samples, *picture.shape)).astype(np.float32)
        found = subject.gradient(copies.astype(np.float32), [target] * samples)["gradient"]
        yield subject.channels_first(found)
