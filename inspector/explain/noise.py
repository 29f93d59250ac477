"""Gradients of noisy copies of a picture, for the methods that average over them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inspector.explain.subject import Floats, Subject


def noisy_gradients(subject: Subject, samples: int, noise: float) -> Iterator[Floats]:
    """The gradients of each picture's noisy copies.

    Args:
        subject: What is explained.
        samples: How many copies of each picture.
        noise: The noise's deviation, as a part of the picture's own range.

    Returns:
        For each picture float32 (samples, channels, height, width).
    """
    for index, target in enumerate(subject.targets):
        random = np.random.default_rng((subject.seed, index))
        picture = subject.inputs[index]
        deviation = noise * float(np.ptp(picture))
        copies = picture + random.normal(0, deviation, (samples, *picture.shape)).astype(np.float32)
        found = subject.gradient(copies.astype(np.float32), [target] * samples)["gradient"]
        yield subject.channels_first(found)
