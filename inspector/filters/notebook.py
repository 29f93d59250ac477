"""The plain picture that many notebooks draw: all kernels in one square, grey, from least to largest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.tiles import Picture

_PADDING = 4


def notebook(kernels: NDArray[np.floating], where: str, title: str = "") -> Picture:
    """Draw kernels the plain way, one pixel per weight.

    The slices of filter 0 come first, channel by channel, then those of filter 1, and so on, in rows of
    ⌈√N⌉ with 4 pixels between them. The result is square: where the slices end, it stays empty. The gaps
    are zeros that are scaled with the weights, so that they get the grey that zero happens to have. Grey
    levels are those of matplotlib's "gray" map with 256 entries: x in 0..1 is entry int(x · 256), and 1 is
    entry 255.

    Where all values are equal the picture is black. NaN and infinite weights are black and set no scale.

    Args:
        kernels: float (out, in, height, width), square.
        where: The layer, as the start of an error's sentence.
        title: What the picture shows.

    Returns:
        A grey picture of side ⌈√N⌉ · (height + 4) − 4.

    Raises:
        OptionError: The kernels are not square, or there are none.
    """
    *slices, height, width = kernels.shape
    count = math.prod(slices)
    if kernels.ndim != 4 or height != width or not kernels.size:
        sides = " x ".join(map(str, kernels.shape[2:]))
        raise OptionError(
            f"{where}: the notebook style needs square kernels; these are {sides}, {count} of them",
            "--style default",
        )
    per_row = math.ceil(math.sqrt(count))
    cells = np.zeros((per_row * per_row, height + _PADDING, width + _PADDING))
    cells[:count, :height, :width] = kernels.reshape(count, height, width)
    side = per_row * (height + _PADDING)
    whole = cells.reshape(per_row, per_row, height + _PADDING, width + _PADDING).swapaxes(1, 2)
    result = whole.reshape(side, side)[: side - _PADDING, : side - _PADDING]
    finite = np.isfinite(result)
    low, high = result.min(where=finite, initial=np.inf), result.max(where=finite, initial=-np.inf)
    key = f"{low:.3g} to {high:.3g}, black to white; the gaps are zero"
    share = np.where(finite, result - low, 0) / ((high - low) or 1)
    return Picture(np.minimum(share * 256, 255).astype(np.uint8), title=title, key=key)
