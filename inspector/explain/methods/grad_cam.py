"""Grad-CAM: a layer's maps, weighted by their mean gradients."""

from __future__ import annotations

from inspector.explain.cam import maps_with_gradients, over_picture
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Subject


@method(
    "grad-cam",
    paper="Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM, ICCV 2017",
    needs="gradient",
    signed=False,
    layered=True,
)
def grad_cam(subject: Subject) -> Heatmaps:
    """The rectified sum of the maps, each weighted by the mean of its gradient.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Selvaraju et al. 2017, equations 1 and 2.
    """
    maps = maps_with_gradients(subject)
    assert maps.gradients is not None
    weights = maps.gradients.mean(axis=(2, 3), keepdims=True)
    return over_picture(subject, (weights * maps.values).sum(axis=1), maps.layer)
