"""Numbers laid over the picture that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.choices import Scale
from inspector.colormaps import colormap as colours_of
from inspector.tiles import Legend, levels
from inspector.tiles.legend import legend

# The strongest colour still lets the picture through.
_MOST_COVER = 0.85
# How dark the picture becomes where nothing lies on it: colours on top of it stand out.
_DIM = 0.85
_STEPS = 255


@dataclass(frozen=True)
class Overlays:
    """Maps over a picture.

    Attributes:
        pixels: uint8 (N, H, W, 3), sRGB.
        key: What the colours stand for.
    """

    pixels: NDArray[np.uint8]
    key: Legend


def overlays(
    picture: NDArray[np.uint8],
    maps: NDArray[np.floating],
    *,
    scale: Scale = "each",
    colormap: str = "magma",
    signed: bool = True,
) -> Overlays:
    """Lay each map over the picture: the further a number is from zero, the more its colour covers.

    Args:
        picture: uint8 (H, W), grey, or (H, W, 3), RGB.
        maps: float (N, h, w), enlarged to the picture bilinearly; NaN and infinity count as zero.
        scale: What gets the strongest colour, as for `inspector.tiles.tiles`.
        colormap: A name from `inspector.colormaps.NAMES`.
        signed: Whether zero is in the middle of the colours; otherwise it is at their low end.

    Raises:
        OptionError: There is no such colour map.
    """
    base = np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture
    limit = levels.limits(maps, scale)
    divisor = np.where(limit > 0, limit, 1).reshape(-1, 1, 1)
    share = np.clip(np.nan_to_num(maps / divisor, nan=0, posinf=0, neginf=0), -1 if signed else 0, 1)
    colours = colours_of(colormap, _STEPS)
    pixels = np.stack([_covered(base, one.astype(np.float32), colours, signed) for one in share])
    broken = not np.isfinite(maps).all()
    key = legend(limit, scale, broken=broken, colour=False, signed=signed, colours=colours)
    return Overlays(pixels, key)


def _covered(
    base: NDArray[np.uint8], share: NDArray[np.float32], colours: NDArray[np.uint8], signed: bool
) -> NDArray[np.uint8]:
    """One map, -1..1 or 0..1, over the picture."""
    large = resized(share, (base.shape[0], base.shape[1]))
    at = (large + 1) / 2 if signed else large
    painted = colours[np.rint(at * (_STEPS - 1)).astype(np.int64)]
    cover = (np.abs(large) * _MOST_COVER)[:, :, None]
    mixed: NDArray[np.uint8] = np.rint(base * _DIM * (1 - cover) + painted * cover).astype(np.uint8)
    return mixed


def resized(array: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Enlarge or shrink float32 (h, w) to `size`, height and width, bilinearly."""
    from PIL import Image

    if array.shape == size:
        return array
    image = Image.fromarray(array).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32)


def enlarged(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Enlarge a small picture, uint8 (H, W) or (H, W, 3), by the whole factor that brings it near `side`."""
    factor = max(1, round(side / max(picture.shape[:2])))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
