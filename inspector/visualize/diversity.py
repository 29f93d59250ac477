"""What keeps several pictures for one unit from becoming the same picture."""

from __future__ import annotations

import numpy as np

from inspector.visualize.head import Head
from inspector.visualize.pixels import Floats


def similarity_gradient(values: Floats, head: Head, group: int) -> Floats:
    """Differentiate how alike pictures of one unit look to the layer, by the layer's values.

    A picture's style is the Gram matrix of its channels; two pictures are as alike as the cosine between
    their styles. What is differentiated is the sum over the other pictures of the unit, in units of the
    size of the values, so that it weighs the same in every layer.

    Args:
        values: float32 (units · group, …), the layer's values for each picture.
        head: Says what their axes are.
        group: How many pictures each unit has.

    Returns:
        float32, as `values`.

    Reference:
        Olah, Mordvintsev, Schubert: Feature visualization, Distill 2017, "diversity"; Gatys, Ecker, Bethge:
        A neural algorithm of artistic style, 2015, equation 3, for the Gram matrix.
    """
    order = [head.value_axes.index(letter) for letter in "NCHW" if letter in head.value_axes]
    turned = values.transpose(order)
    count, channels = turned.shape[:2]
    maps = turned.reshape(count // group, group, channels, -1).astype(np.float64)
    style = maps @ maps.swapaxes(2, 3)
    size = np.sqrt((style**2).sum(axis=(2, 3), keepdims=True))
    size[size == 0] = 1
    style /= size
    others = style.sum(axis=1, keepdims=True) - style
    alike = (others * style).sum(axis=(2, 3), keepdims=True)
    slope = 2 * ((others - alike * style) / size) @ maps
    scaled = slope * np.sqrt((maps**2).sum(axis=(2, 3), keepdims=True))
    found: Floats = scaled.reshape(turned.shape).transpose(np.argsort(order)).astype(np.float32)
    return found
