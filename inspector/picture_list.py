"""Everything that a caller may call "images", as one list of pictures with names."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np

from inspector.errors import FileError, ImageError
from inspector.images import ImageSource, find_images, stands_for_many

Images: TypeAlias = "ImageSource | Iterable[ImageSource]"
Named: TypeAlias = tuple[str, ImageSource]


@dataclass(frozen=True)
class PictureList:
    """Pictures to read, in order.

    Attributes:
        items: Name and source of each.
        count: How many; infinite when nobody knows.
        single: Whether the caller gave one picture rather than some number of them.
    """

    items: Iterable[Named]
    count: float
    single: bool


def list_pictures(images: Images) -> PictureList:
    """List what a caller gives: one picture, a folder, a glob, or any number of all these.

    Args:
        images: A path, folder, glob, a file's bytes, a Pillow image, an array, an array (N, H, W, C) of
            several, or an iterable of all these, which is read only as far as it is used. A folder or glob
            in such an iterable that holds no picture is listed as if it were one, and fails by itself.

    Raises:
        FileError: The one file given does not exist, or the path is empty.
        ImageError: The one folder or glob given holds no picture.
    """
    if isinstance(images, (str, os.PathLike)):
        single = not stands_for_many(images)
        items = [(str(path), cast(ImageSource, path)) for path in find_images(images)]
        return PictureList(items, len(items), single)
    if isinstance(images, bytes) or not isinstance(images, Iterable):
        return PictureList([("image", images)], 1, True)
    if isinstance(images, np.ndarray) and images.ndim != 4:
        return PictureList([("image", images)], 1, True)
    if isinstance(images, (list, tuple, np.ndarray)):
        items = list(_named(images))
        return PictureList(items, len(items), False)
    return PictureList(_named(images), math.inf, False)


def _named(images: Iterable[ImageSource]) -> Iterator[Named]:
    for index, source in enumerate(images):
        if not isinstance(source, (str, os.PathLike)):
            yield f"image {index}", source
        elif stands_for_many(source):
            yield from _found(source)
        else:
            yield os.fspath(source), source


def _found(spec: str | os.PathLike[str]) -> list[Named]:
    """The pictures of a folder or glob, or the thing itself when it holds none: decoding it says so."""
    try:
        return [(str(path), path) for path in find_images(spec)]
    except (FileError, ImageError):
        return [(os.fspath(spec), spec)]
