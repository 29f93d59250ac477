"""Score-CAM: a layer's maps, weighted by what the model says of the picture seen through each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.explain.cam import maps_alone, over_picture
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Floats, Subject
from inspector.overlay import resized


@method(
    "score-cam",
    paper="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu: Score-CAM, CVPR workshops 2020",
    needs="forward",
    signed=False,
    layered=True,
)
def score_cam(subject: Subject) -> Heatmaps:
    """The rectified sum of the maps, weighted by the softmax of the logits under them.

    Each map, brought to the picture's size and to 0..1, is multiplied with the picture.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Wang et al. 2020, equations 4 to 7.
    """
    maps = maps_alone(subject)
    found = []
    for index, values in enumerate(maps.values):
        parts = np.split(values, range(subject.batch, len(values), subject.batch))
        scores = np.concatenate([_seen_through(subject, index, part) for part in parts])
        weights = np.exp(scores - scores.max())
        found.append(np.tensordot(weights / weights.sum(), values, axes=1))
    return over_picture(subject, np.stack(found), maps.layer)


def _seen_through(subject: Subject, index: int, maps: Floats) -> NDArray[np.float64]:
    """The logit of the picture's target under each map, float64 (M,)."""
    large = np.stack([resized(one.astype(np.float32), subject.size) for one in maps])
    low, high = large.min(axis=(1, 2), keepdims=True), large.max(axis=(1, 2), keepdims=True)
    kept = (large - low) / np.maximum(high - low, 1e-8)
    seen = subject.masked(index, kept, np.zeros_like(subject.inputs))
    return subject.scores(seen, [subject.targets[index]] * len(seen)).astype(np.float64)
