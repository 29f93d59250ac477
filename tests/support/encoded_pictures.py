"""Pictures as the bytes of a file."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from inspector.images import ImageSource, decode

RNG = np.random.default_rng(7)
COLOURS = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def pixels(source: ImageSource) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(decode(source).image)
