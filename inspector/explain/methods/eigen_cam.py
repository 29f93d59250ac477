"""Eigen-CAM: what a layer's maps have in common; it asks for no class."""

from __future__ import annotations

import numpy as np

from inspector.explain.cam import maps_alone, over_picture
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Subject


@method(
    "eigen-cam",
    paper="Muhammad, Yeasin: Eigen-CAM, IJCNN 2020",
    needs="forward",
    signed=False,
    layered=True,
    caution="it is the same for every class: what the layer sees, not why the model decides",
)
def eigen_cam(subject: Subject) -> Heatmaps:
    """The projection of a layer's maps on their first principal direction.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Muhammad, Yeasin 2020, equations 3 and 4; the direction's sign is the one in which the maps are
        stronger.
    """
    maps = maps_alone(subject)
    found = []
    for values in maps.values:
        flat = values.reshape(len(values), -1).T.astype(np.float64)
        centred = flat - flat.mean(axis=0)
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        projected = centred @ directions[0]
        sign = 1 if projected @ flat.sum(axis=1) >= 0 else -1
        found.append((sign * projected).reshape(values.shape[1:]))
    return over_picture(subject, np.stack(found), maps.layer)
