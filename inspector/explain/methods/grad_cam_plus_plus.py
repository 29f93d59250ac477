"""Grad-CAM++: a layer's maps, weighted so that several instances of a class count alike."""

from __future__ import annotations

import numpy as np

from inspector.explain.cam import maps_with_gradients, over_picture
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Subject


@method(
    "grad-cam++",
    paper="Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++, WACV 2018",
    needs="gradient",
    signed=False,
    layered=True,
)
def grad_cam_plus_plus(subject: Subject) -> Heatmaps:
    """The rectified sum of the maps, weighted by a mean of their positive gradients.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Chattopadhay et al. 2018, equations 18 to 20: with an exponential after the logit, the second and
        third derivatives are powers of the first.
    """
    maps = maps_with_gradients(subject)
    assert maps.gradients is not None
    first, second, third = (maps.gradients**power for power in (1, 2, 3))
    total = maps.values.sum(axis=(2, 3), keepdims=True)
    below = 2 * second + total * third
    alpha = second / np.where(below != 0, below, 1)
    weights = (alpha * np.maximum(first, 0)).sum(axis=(2, 3), keepdims=True)
    return over_picture(subject, (weights * maps.values).sum(axis=1), maps.layer)
