"""LayerCAM: a layer's maps, weighted by their positive gradients position by position."""

from __future__ import annotations

import numpy as np

from inspector.explain.cam import maps_with_gradients, over_picture
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Subject


@method(
    "layercam",
    paper="Jiang, Zhang, Hou, Cheng, Wei: LayerCAM, IEEE Transactions on Image Processing 2021",
    needs="gradient",
    signed=False,
    layered=True,
)
def layercam(subject: Subject) -> Heatmaps:
    """The rectified sum of the maps times the positive part of their gradients.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Jiang et al. 2021, equations 5 to 7.
    """
    maps = maps_with_gradients(subject)
    assert maps.gradients is not None
    weighted = np.maximum(maps.gradients, 0) * maps.values
    return over_picture(subject, weighted.sum(axis=1), maps.layer)
