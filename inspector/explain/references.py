"""Pictures to compare a picture with: a sample of those that are explained together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.errors import InspectorError

if TYPE_CHECKING:
    from inspector.images import ImageSource
    from inspector.picture_list import Named, PictureList

Floats = NDArray[np.float32]

# What is kept of a folder, however many pictures it has, and however large they are.
_MOST, _BYTES = 64, 256 * 2**20


def sampled(
    pictures: PictureList, read: Callable[[ImageSource, str], Floats], seed: int
) -> tuple[list[Floats], Iterable[Named]]:
    """Read some pictures of a list, drawn by chance; of an iterator, the first ones.

    Args:
        pictures: What is explained.
        read: A picture's source and name → the picture in the layout of the model's input.
        seed: Of the draw.

    Returns:
        At most 64 pictures and 256 MiB of them, none of a single one; and the items of the list, all of them.
    """
    if math.isinf(pictures.count):
        rest = iter(pictures.items)
        known = list(islice(rest, _MOST))
        items: Iterable[Named] = chain(known, rest)
    else:
        items = known = list(pictures.items)
    found: list[Floats] = []
    if len(known) < 2:
        return found, items
    for place in np.random.default_rng(seed).permutation(len(known)):
        name, source = known[place]
        try:
            picture = read(source, name)
        except InspectorError:
            # It is told when its turn to be explained comes.
            continue
        if len(found) == _MOST or sum(each.nbytes for each in found) + picture.nbytes > _BYTES:
            break
        found.append(picture)
    return found, items
