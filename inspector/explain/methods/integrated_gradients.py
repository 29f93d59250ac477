"""Integrated gradients: the gradient gathered on the way from a blank picture to the picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from inspector.explain.options import Limits
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Blank, Subject


@method(
    "integrated-gradients",
    paper="Sundararajan, Taly, Yan: Axiomatic attribution for deep networks, ICML 2017",
    needs="gradient",
    signed=True,
)
def integrated_gradients(
    subject: Subject, *, steps: Annotated[int, Limits(1)] = 50, blank: Blank = "black"
) -> Heatmaps:
    """The mean gradient on the straight way from a blank picture, times the way, summed over the channels.

    The integral is a Gauss-Legendre sum. By the completeness axiom a map sums to the difference of the logits
    of picture and blank; how far it misses that is reported, as a part of the difference.

    Args:
        subject: What is explained.
        steps: Points on the way.
        blank: Where it begins: "black", "mean" or "blur".

    Returns:
        float32 (N, height, width), signed, with the figure "completeness error".

    Reference:
        Sundararajan et al. 2017, equation 1, and proposition 1 for completeness.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    along, share = ((nodes + 1) / 2).astype(np.float32), (weights / 2).astype(np.float32)
    start = subject.blank(blank)
    way = subject.inputs - start
    shape = (-1, *[1] * (subject.inputs.ndim - 1))
    maps = []
    for index, target in enumerate(subject.targets):
        points = start[index] + along.reshape(shape) * way[index]
        gradients = subject.gradient(points, [target] * steps)["gradient"]
        maps.append((share.reshape(shape) * gradients).sum(axis=0) * way[index])
    found = subject.channels_first(np.stack(maps)).sum(axis=1)
    expected = subject.scores(subject.inputs, subject.targets) - subject.scores(start, subject.targets)
    missed = np.abs(found.sum(axis=(1, 2), dtype=np.float64) - expected)
    return Heatmaps(found, {"completeness error": missed / np.maximum(np.abs(expected), 1e-12)})
