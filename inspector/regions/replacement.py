"""What a region's pixels are replaced by, to see whether the decision depends on them.

No replacement is neutral: a grey patch, a blur and a stranger's hair each say something else to a network. An
effect that all of them show is the region's; one that a single kind shows may be the patch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.regions.laplace import harmonic

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Replacement = Literal["mean", "blur", "inpaint", "another"]

# The blur's deviation as a part of the picture's longer side.
_BLUR = 0.2


def mean(picture: Floats, region: Mask) -> Floats:
    """Replace a region by the mean of what is outside it.

    Args:
        picture: float32 (channels, height, width).
        region: bool (height, width).
    """
    outside = ~region if not region.all() else region
    return np.where(region, picture[:, outside].mean(axis=1)[:, None, None], picture)


def blur(picture: Floats, region: Mask) -> Floats:
    """Replace a region by a wide blur of what is outside it, so that nothing of the region leaks through.

    Args:
        picture: float32 (channels, height, width).
        region: bool (height, width).

    Reference:
        Knutsson, Westin: Normalized and differential convolution, CVPR 1993: the blur of the known pixels
        divided by the blur of where they are.
    """
    if region.all():
        return mean(picture, region)
    known = (~region).astype(np.float64)
    rows, columns = (_nearness(size, _BLUR * max(region.shape)) for size in region.shape)
    light, weight = rows @ (picture * known) @ columns, rows @ known @ columns
    return np.where(region, light / weight, picture).astype(np.float32)


def _nearness(size: int, radius: float) -> NDArray[np.float64]:
    """A Gaussian of the distance of any two places.

    It does not end anywhere: what is five deviations from all that is known still takes the light of that.
    """
    apart = np.subtract.outer(np.arange(size), np.arange(size))
    return np.exp(-0.5 * (apart / radius) ** 2)


def inpaint(picture: Floats, region: Mask) -> Floats:
    """Replace a region by what continues its border most smoothly: the solution of Laplace's equation in it.

    Args:
        picture: float32 (channels, height, width).
        region: bool (height, width).

    Reference:
        Bertalmio, Sapiro, Caselles, Ballester: Image inpainting, SIGGRAPH 2000, section 3 (diffusion), until
        nothing changes any more.
    """
    if region.all() or not region.any():
        return mean(picture, region)
    return harmonic(picture, region)


ALONE: Mapping[str, Callable[[Floats, Mask], Floats]] = {"mean": mean, "blur": blur, "inpaint": inpaint}
"""The replacements that need nothing but the picture."""


def another(picture: Floats, region: Mask, other: Floats, others: Mask) -> Floats:
    """Replace a region, and the place where the other picture has it, by the other picture's pixels.

    Args:
        picture: float32 (channels, height, width).
        region: bool (height, width): where this picture has the region.
        other: As `picture`.
        others: Where the other picture has it.
    """
    return np.where(region | others, other, picture)
