"""Pillow images of any mode and arrays of any pixel type, made into 8-bit grey or RGB."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

# What can be decoded, turned upright and predicted within 512 MB for the whole process.
MAX_PIXELS = 50_000_000
_STRIP_PIXELS = 2**20
_RESCALE = "Rescale the picture and save it with 8 or 16 bits."
_AS_ARRAY = "Give an array (H, W) or (H, W, 3) of uint8 0..255, or of floats 0..1."

FETCH = "Fetch or export the picture again."

# What Pillow raises on damaged files, ValueError among them: its PNG reader says so of oversized text chunks.
DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)


def check_size(size: tuple[int, int], name: str, most: int = MAX_PIXELS) -> None:
    """Refuse a picture (width, height) without pixels, or with more than `most`.

    Raises:
        ImageError: It has none, or too many.
    """
    width, height = size
    if width <= 0 or height <= 0:
        raise ImageError(f"{name}: has {width}x{height} pixels; expected at least one", FETCH)
    if width * height > most:
        raise ImageError(
            f"{name}: has {width:,}x{height:,} pixels; expected at most {most:,}",
            "Shrink the picture before.",
        )


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF data asks; damaged EXIF data asks for nothing."""
    from PIL import ImageOps

    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except DAMAGE:
        return image
    return image


def plain(image: Image.Image, name: str) -> Image.Image:
    """The picture in mode "L" or "RGB"; what is transparent is laid on white.

    Raises:
        ImageError: Its pixels are outside every known range, or of a mode that has no RGB equivalent.
    """
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_deep_to_8_bits(image, name))
    if image.has_transparency_data:
        return _on_white(image)
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("1", "LA", "La"):
        return image.convert("L")
    if image.mode == "LAB":
        raise ImageError(f"{name}: holds LAB colours; expected grey, RGB or CMYK", "Save it as RGB.")
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Lay a picture on white paper, in grey if it is."""
    from PIL import Image

    mode = "L" if image.mode in ("L", "LA", "La", "1") else "RGB"
    paper = Image.new(mode, image.size, "white")
    for top, strip in _strips(image):
        layer = strip.convert("RGBA")
        paper.paste(layer.convert(mode), (0, top), layer.getchannel("A"))
    return paper


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Cut a picture into strips, each with its first row, so that no second copy of the whole is needed."""
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _deep_to_8_bits(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Scale integers 0..65535, floats 0..1 or floats 0..255 to uint8 (H, W)."""
    floats = image.mode == "F"
    ends = []
    for _, strip in _strips(image):
        pixels = np.asarray(strip)
        if not np.isfinite(pixels).all():
            raise ImageError(
                f"{name}: holds NaN or infinite pixels; expected numbers 0..1 or 0..255", _RESCALE
            )
        ends.append((float(pixels.min()), float(pixels.max())))
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    top = 65535.0 if not floats else 1.0 if high <= 1 else 255.0
    if low < 0 or high > top:
        expected = "0..1 or 0..255" if floats else "0..65535"
        raise ImageError(f"{name}: holds pixels from {low:g} to {high:g}; expected {expected}", _RESCALE)
    scaled = np.empty((image.height, image.width), np.uint8)
    for row, strip in _strips(image):
        scaled[row : row + strip.height] = np.rint(np.asarray(strip, np.float64) * (255.0 / top))
    return scaled


def from_array(array: NDArray[np.generic], name: str) -> Image.Image:
    """An array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) as an image in mode "L" or "RGB".

    Raises:
        ImageError: Its shape, dtype or values are not those of a picture.
    """
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(
            f"{name}: has the shape {array.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)",
            _AS_ARRAY,
        )
    check_size((array.shape[1], array.shape[0]), name)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype == np.uint16:
        array = np.rint(array.astype(np.float64) / 257.0).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        low, high = float(np.min(array)), float(np.max(array))
        # Asked this way round, NaN is refused too.
        if not (math.isfinite(low) and math.isfinite(high) and low >= 0 and high <= 1):
            raise ImageError(
                f"{name}: holds floats from {low:g} to {high:g}; expected 0..1",
                "Divide by the largest value that a pixel can have, or give uint8.",
            )
        array = np.rint(array.astype(np.float64) * 255.0).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ImageError(
            f"{name}: has the dtype {array.dtype}; expected uint8, uint16, bool or floats 0..1", _AS_ARRAY
        )
    return plain(Image.fromarray(np.ascontiguousarray(array)), name)
