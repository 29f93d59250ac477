"""Superpixels: a picture divided into patches of like colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError

_ROUNDS = 10
# How much a step in space counts beside one in lightness; more makes rounder patches.
_COMPACTNESS = 10.0
# A patch smaller than this part of a cell joins its neighbour.
_SMALLEST = 0.25


def superpixels(picture: NDArray[np.uint8], count: int = 50) -> NDArray[np.int32]:
    """Divide a picture into about so many connected patches.

    Args:
        picture: uint8 (H, W), grey, or (H, W, 3), RGB.
        count: About how many.

    Returns:
        int32 (H, W): the number of each pixel's patch, from 0 without gaps.

    Raises:
        OptionError: The count is below 1.

    Reference:
        Achanta, Shaji, Smith, Lucchi, Fua, Süsstrunk: SLIC superpixels, IEEE TPAMI 2012, algorithm 1; colours
        in Oklab in place of CIELAB.

    Example:
        >>> halves = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1).repeat(8, axis=0)
        >>> found = superpixels(halves, 4)
        >>> bool((found[:, 7] != found[:, 8]).all())
        True
    """
    if count < 1:
        raise OptionError(f"there cannot be {count} superpixels; expected 1 or more", "")
    colours = _lightness_and_colour(picture)
    height, width = colours.shape[:2]
    side = max(1.0, np.sqrt(height * width / count))
    # A picture thinner than a cell is one cell wide.
    rows, columns = (
        np.arange(side / 2, length, side) if length > side / 2 else np.array([(length - 1) / 2])
        for length in (height, width)
    )
    centres = np.array([(y, x) for y in rows for x in columns])
    pixels = np.indices((height, width)).transpose(1, 2, 0)
    features = np.concatenate([colours * (100 / _COMPACTNESS), pixels / side], axis=2)
    means = features[centres[:, 0].astype(int), centres[:, 1].astype(int)]
    labels = np.zeros((height, width), np.int32)
    for _ in range(_ROUNDS):
        labels = _nearest(features, means, side)
        means = _means(features, labels, means)
    return _connected(labels, side**2 * _SMALLEST)


def _nearest(features: NDArray[np.float64], means: NDArray[np.float64], side: float) -> NDArray[np.int32]:
    """The nearest centre of each pixel, among those within two cells."""
    height, width = features.shape[:2]
    best = np.full((height, width), np.inf)
    labels = np.zeros((height, width), np.int32)
    reach = int(np.ceil(2 * side))
    for number, mean in enumerate(means):
        y, x = (mean[-2:] * side).astype(int)
        rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
        distance = ((features[rows, columns] - mean) ** 2).sum(axis=2)
        nearer = distance < best[rows, columns]
        best[rows, columns][nearer] = distance[nearer]
        labels[rows, columns][nearer] = number
    return labels


def _means(
    features: NDArray[np.float64], labels: NDArray[np.int32], before: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean of each patch; one without pixels stays where it was."""
    flat, depth = labels.ravel(), features.shape[2]
    counts = np.bincount(flat, minlength=len(before))
    sums = [np.bincount(flat, features[:, :, axis].ravel(), minlength=len(before)) for axis in range(depth)]
    return np.where(counts[:, None] > 0, np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None], before)


def _connected(labels: NDArray[np.int32], smallest: float) -> NDArray[np.int32]:
    """Number the connected parts; one that is too small joins the part before it."""
    height, width = labels.shape
    found = np.full((height, width), -1, np.int32)
    number = 0
    for y, x in np.ndindex(height, width):
        if found[y, x] >= 0:
            continue
        part, edge = [(y, x)], [(y, x)]
        found[y, x] = number
        beside = int(found[y, x - 1]) if x else int(found[y - 1, x]) if y else -1
        while edge:
            row, column = edge.pop()
            for i, j in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                inside = 0 <= i < height and 0 <= j < width
                if inside and found[i, j] < 0 and labels[i, j] == labels[y, x]:
                    found[i, j] = number
                    part.append((i, j))
                    edge.append((i, j))
        if len(part) < smallest and beside >= 0:
            for place in part:
                found[place] = beside
        else:
            number += 1
    return found


def _lightness_and_colour(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64 (H, W, 1 or 3), lightness 0..1 first."""
    if picture.ndim == 2:
        return picture[:, :, None] / 255
    from inspector.colormaps import to_oklab

    return to_oklab(picture / 255)
