"""Superpixels: connected patches of like colour."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.errors import OptionError
from inspector.explain.superpixels import superpixels


def textured(height, width, channels=None, seed=0):
    random = np.random.default_rng(seed)
    shape = (height, width) if channels is None else (height, width, channels)
    smooth = random.integers(0, 256, shape).astype(float)
    for axis in (0, 1):
        for _ in range(3):
            smooth = (smooth + np.roll(smooth, 1, axis) + np.roll(smooth, -1, axis)) / 3
    return np.clip((smooth - smooth.min()) / np.ptp(smooth) * 255, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("picture", [textured(40, 52), textured(40, 52, 3)], ids=["grey", "colour"])
def test_patches_are_numbered_without_gaps_connected_and_about_as_many_as_asked(picture):
    from scipy.ndimage import label

    found = superpixels(picture, 30)
    assert found.dtype == np.int32
    assert found.shape == picture.shape[:2]
    numbers = np.unique(found)
    assert np.array_equal(numbers, np.arange(len(numbers)))
    assert 10 <= len(numbers) <= 60
    assert all(label(found == number)[1] == 1 for number in numbers)


def test_patches_keep_to_the_edges_of_what_is_seen():
    picture = np.zeros((32, 32), np.uint8)
    yy, xx = np.indices((32, 32))
    disc = (yy - 15) ** 2 + (xx - 17) ** 2 < 90
    picture[disc] = 220
    found = superpixels(picture, 20)
    inside = np.array([disc[found == number].mean() for number in range(found.max() + 1)])
    sizes = np.bincount(found.ravel())
    mixed = np.minimum(inside, 1 - inside) * sizes
    assert mixed.sum() < 0.03 * picture.size


@pytest.mark.parametrize("shape", [(1, 1), (4, 100), (100, 3), (2, 9, 3)])
def test_a_thin_picture_is_divided_too(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = superpixels(picture, 2)
    assert found.shape == shape[:2]
    assert found.min() == 0


def test_a_flat_picture_is_cut_into_a_grid():
    found = superpixels(np.full((30, 30), 99, np.uint8), 9)
    sizes = np.bincount(found.ravel())
    assert len(sizes) == 9
    # Pixels half-way between two centres go to one of them.
    assert sizes.min() >= 81
    assert sizes.max() <= 121


def test_fewer_than_one_patch_is_refused():
    with pytest.raises(OptionError) as caught:
        superpixels(np.zeros((4, 4), np.uint8), 0)
    assert caught.value.message == "there cannot be 0 superpixels; expected 1 or more"
