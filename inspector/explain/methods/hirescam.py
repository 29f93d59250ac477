"""HiResCAM: a layer's maps, weighted by their gradients position by position."""

from __future__ import annotations

from inspector.explain.cam import maps_with_gradients, over_picture
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Subject


@method(
    "hirescam",
    paper="Draelos, Carin: Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional "
    "neural networks, arXiv:2011.08891, 2020",
    needs="gradient",
    signed=False,
    layered=True,
)
def hirescam(subject: Subject) -> Heatmaps:
    """The rectified sum of the maps times their gradients.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Draelos, Carin 2020, equation 6.
    """
    maps = maps_with_gradients(subject)
    assert maps.gradients is not None
    return over_picture(subject, (maps.gradients * maps.values).sum(axis=1), maps.layer)
