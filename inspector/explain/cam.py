"""What class activation maps share: the maps of a layer, their gradients, and the way up to the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inspector.explain.registry import Heatmaps
from inspector.explain.subject import Floats, Subject
from inspector.explain.target_layer import no_maps
from inspector.overlay import resized


@dataclass(frozen=True, eq=False)
class Maps:
    """A layer's maps for each picture.

    Attributes:
        values: float32 (N, channels, height, width).
        gradients: As `values`, of the target's logit; None where they were not asked for.
        layer: The layer's name.
    """

    values: Floats
    gradients: Floats | None
    layer: str


def maps_with_gradients(subject: Subject) -> Maps:
    """Compute a layer's maps and their gradients in one run; nothing before the layer is differentiated."""
    layer = subject.target_layer
    found = subject.gradient(subject.inputs, subject.targets, wrt=layer.value, outputs=(layer.value,))
    maps, slopes = (_channels_first(subject, found[name]) for name in (layer.value, "gradient"))
    return Maps(maps, slopes, layer.name)


def maps_alone(subject: Subject) -> Maps:
    """Compute a layer's maps."""
    layer = subject.target_layer
    found = subject.values(subject.inputs, [layer.value])[layer.value]
    return Maps(_channels_first(subject, found), None, layer.name)


def _channels_first(subject: Subject, array: Floats) -> Floats:
    """Turn what the target layer gives into (N, channels, height, width)."""
    layer = subject.target_layer
    if array.ndim != len(layer.axes):
        # The shape of a value that is no layer's may be declared nowhere.
        raise no_maps(subject.model, layer.name)
    return array.transpose([layer.axes.index(letter) for letter in "NCHW"])


def over_picture(subject: Subject, maps: Floats, layer: str, *, positive: bool = True) -> Heatmaps:
    """Bring maps, float32 (N, h, w), to the picture's size, by default without what is below zero."""
    kept = np.maximum(maps, 0) if positive else maps
    return Heatmaps(np.stack([resized(one.astype(np.float32), subject.size) for one in kept]), layer=layer)
