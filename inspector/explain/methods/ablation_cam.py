"""Ablation-CAM: a layer's maps, weighted by how much the logit falls without each."""

from __future__ import annotations

import numpy as np

from inspector.explain.cam import maps_alone, over_picture
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Subject


@method(
    "ablation-cam",
    paper="Desai, Ramaswamy: Ablation-CAM, WACV 2020",
    needs="forward",
    signed=False,
    layered=True,
)
def ablation_cam(subject: Subject) -> Heatmaps:
    """The rectified sum of the maps, each weighted by the part of the logit that is lost without it.

    The paper divides by the logit itself. A negative one would turn every weight over, though a number added
    to all logits changes no probability: what is divided by here is its magnitude.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Desai, Ramaswamy 2020, equations 2 and 4.
    """
    maps, layer = maps_alone(subject), subject.target_layer
    before = subject.scores(subject.inputs, subject.targets)
    found = []
    for index, values in enumerate(maps.values):
        channels, after = np.arange(len(values)), []
        for start in range(0, len(values), subject.batch):
            missing = channels[start : start + subject.batch]
            kept = (missing[:, None] != channels)[:, :, None, None]
            after.append(subject.scores_from(index, layer, values * kept))
        weights = (before[index] - np.concatenate(after)) / (abs(before[index]) or 1)
        found.append(np.tensordot(weights, values, axes=1))
    return over_picture(subject, np.stack(found), maps.layer)
