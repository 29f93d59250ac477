"""Colour tables for signed numbers: negative at one end, zero in the middle, positive at the other."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from inspector.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Anchors = tuple[tuple[int, int, int], ...]

# sRGB anchors, evenly spaced from the most negative value to the most positive one; what lies between is
# interpolated. An odd number puts one exactly on zero. The diverging maps get lighter towards zero by about
# the same steps on both sides, so that neither sign looks stronger than the other.
_ANCHORS: dict[str, _Anchors] = {
    "gray": ((0, 0, 0), (128, 128, 128), (255, 255, 255)),
    "coolwarm": (
        (33, 60, 145),
        (62, 116, 198),
        (144, 181, 226),
        (244, 243, 240),
        (232, 166, 141),
        (205, 89, 77),
        (134, 23, 47),
    ),
    "purple-green": (
        (80, 28, 112),
        (140, 98, 168),
        (195, 169, 213),
        (245, 244, 242),
        (146, 191, 147),
        (65, 131, 78),
        (4, 68, 33),
    ),
    "viridis": ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    "magma": ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)),
}

NAMES: tuple[str, ...] = tuple(_ANCHORS)
"""The names that `colormap` knows, the default first."""


def colormap(name: str, steps: int) -> NDArray[np.uint8]:
    """Return the colours from the most negative value to the most positive one.

    Args:
        name: One of `NAMES`.
        steps: How many colours; an odd number puts zero on the middle one.

    Returns:
        uint8 (steps, 3), sRGB.

    Raises:
        OptionError: There is no such map.

    Example:
        >>> colormap("gray", 3).tolist()
        [[0, 0, 0], [128, 128, 128], [255, 255, 255]]

    Reference:
        B. Ottosson, "A perceptual color space for image processing" (Oklab), 2020, for the space in which the
        anchors of the coloured maps are joined.
    """
    import numpy as np

    anchors = _ANCHORS.get(name)
    if anchors is None:
        near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.4)
        raise OptionError(
            f"there is no colormap {name!r}; "
            + (f"nearest: {near[0]}" if near else f"there are {', '.join(NAMES)}"),
            f"--colormap {near[0] if near else NAMES[0]}",
        )
    table = np.asarray(anchors, dtype=np.float64) / 255
    # Grey levels are read as numbers and follow the pixel value; colours are joined as the eye sees them.
    space = table if name == "gray" else to_oklab(table)
    at = np.linspace(0, len(anchors) - 1, steps)
    joined = np.stack([np.interp(at, np.arange(len(anchors)), column) for column in space.T], axis=1)
    colours = joined if name == "gray" else _from_oklab(joined)
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)


_RGB_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LMS_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def to_oklab(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn sRGB, float64 (…, 3) in 0..1, into Oklab: lightness 0..1, then green to red and blue to yellow."""
    import numpy as np

    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ np.array(_RGB_TO_LMS).T) @ np.array(_LMS_TO_LAB).T
    return lab


def _from_oklab(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    lms = (lab @ np.linalg.inv(np.array(_LMS_TO_LAB)).T) ** 3
    linear = np.clip(lms @ np.linalg.inv(np.array(_RGB_TO_LMS)).T, 0, 1)
    srgb: NDArray[np.float64] = np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    return srgb
