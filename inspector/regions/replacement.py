"""What a region's pixels are replaced by, to see whether the decision depends on them.

No replacement is neutral: a grey patch, a blur and a stranger's hair each say something else to a network. An
effect that all of them show is the region's; one that a single kind shows may be the patch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Replacement = Literal["mean", "blur", "inpaint", "another"]

# The blur's deviation as a part of the picture's longer side.
_BLUR = 0.2
# Rounds of diffusion on each scale; the coarse ones have already brought the border's values inside.
_ROUNDS = 40
_SMALLEST = 8


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
    from inspector.explain.subject import blurred

    if region.all():
        return mean(picture, region)
    known = np.where(region, 0, 1).astype(np.float32)
    radius = _BLUR * max(region.shape)
    weighted = blurred((picture * known)[None], radius)[0]
    weight = blurred(known[None, None], radius)[0]
    return np.where(region, weighted / np.maximum(weight, 1e-6), picture).astype(np.float32)


def inpaint(picture: Floats, region: Mask) -> Floats:
    """Replace a region by what continues its border most smoothly: the solution of Laplace's equation in it.

    Args:
        picture: float32 (channels, height, width).
        region: bool (height, width).

    Reference:
        Bertalmio, Sapiro, Caselles, Ballester: Image inpainting, SIGGRAPH 2000, section 3 (diffusion); solved
        here from coarse to fine.
    """
    if region.all() or not region.any():
        return mean(picture, region)
    start = mean(picture, region)
    if min(region.shape) >= 2 * _SMALLEST:
        coarse = inpaint(_halved(start), _halved_mask(region))
        grown = coarse.repeat(2, axis=1).repeat(2, axis=2)[:, : region.shape[0], : region.shape[1]]
        start = np.where(region, grown, picture)
    for _ in range(_ROUNDS):
        edge = np.pad(start, ((0, 0), (1, 1), (1, 1)), mode="edge")
        around = (edge[:, :-2, 1:-1] + edge[:, 2:, 1:-1] + edge[:, 1:-1, :-2] + edge[:, 1:-1, 2:]) / 4
        start = np.where(region, around, picture)
    return start.astype(np.float32)


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


def _halved(picture: Floats) -> Floats:
    even = np.pad(picture, ((0, 0), (0, picture.shape[1] % 2), (0, picture.shape[2] % 2)), mode="edge")
    channels, height, width = even.shape
    found: Floats = even.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return found


def _halved_mask(region: Mask) -> Mask:
    """Coarse pixels of which any part is in the region; their means hold guesses."""
    even = np.pad(region, ((0, region.shape[0] % 2), (0, region.shape[1] % 2)), mode="edge")
    height, width = even.shape
    return np.asarray(even.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3)))
