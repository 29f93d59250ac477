"""What keeps several pictures for one unit from becoming the same picture."""

from __future__ import annotations

import numpy as np

from inspector.visualize.pixels import Floats


def likeness_gradient(pictures: Floats, group: int) -> Floats:
    """Differentiate how alike the pictures of each unit are, by their pixels.

    Two pictures are as alike as half the square of the correlation of their pixels where that is above zero,
    and not at all otherwise. What is differentiated for each picture is the mean over the other ones of its
    unit. It is in units of the picture's own contrast, so that it weighs the same beside a slope of length
    one whatever a unit answers with: at most about a third for two pictures.

    Args:
        pictures: float32 (units · group, channels, height, width); those of a unit stand together.
        group: How many pictures each unit has, at least 2.

    Returns:
        float32, as `pictures`.

    Reference:
        Olah, Mordvintsev, Schubert: Feature visualization, Distill 2017, "diversity". There it is the style
        in the layer that is kept apart: of a class's score or a dense layer's unit, which have none, that
        leaves the pictures alike.
    """
    flat = pictures.reshape(len(pictures) // group, group, -1).astype(np.float64)
    flat -= flat.mean(axis=2, keepdims=True)
    size = np.linalg.norm(flat, axis=2, keepdims=True)
    unit = flat / np.where(size > 0, size, 1)
    alike = unit @ unit.swapaxes(1, 2)
    alike[:, np.arange(group), np.arange(group)] = 0
    above = np.maximum(alike, 0)
    slope = above @ unit - (above * alike).sum(axis=2, keepdims=True) * unit
    scaled: Floats = (slope * np.sqrt(flat.shape[2]) / (group - 1)).astype(np.float32)
    return scaled.reshape(pictures.shape)
