"""What a region is replaced by."""

import numpy as np
import pytest

from inspector.regions.replacement import ALONE, another, blur, inpaint, mean

REGION = np.zeros((20, 24), bool)
REGION[5:13, 6:15] = True
PICTURE = np.random.default_rng(0).uniform(0, 1, (2, 20, 24)).astype(np.float32)


@pytest.mark.parametrize("kind", ALONE)
def test_nothing_of_the_region_is_left_and_nothing_else_is_touched(kind):
    other = np.where(REGION, 7, PICTURE).astype(np.float32)
    found, again = ALONE[kind](PICTURE, REGION), ALONE[kind](other, REGION)
    assert np.allclose(found, again, atol=1e-4)
    assert np.array_equal(found[:, ~REGION], PICTURE[:, ~REGION])
    assert not np.allclose(found[:, REGION], PICTURE[:, REGION], atol=0.05)
    inside = found[:, REGION]
    assert inside.min() >= PICTURE.min() - 1e-5 and inside.max() <= PICTURE.max() + 1e-5


def test_the_mean_is_that_of_each_channel_outside():
    found = mean(PICTURE, REGION)
    for channel in (0, 1):
        assert np.allclose(found[channel][REGION], PICTURE[channel][~REGION].mean(), atol=1e-5)


def test_the_border_is_continued_as_a_harmonic_function_would_be():
    rows, columns = np.mgrid[:40, :48].astype(np.float32)
    ramp = (0.3 * rows + 0.7 * columns + 2)[None]
    region = np.zeros((40, 48), bool)
    region[10:30, 12:36] = True
    found = inpaint(np.where(region, 0, ramp).astype(np.float32), region)
    assert np.abs(found - ramp).max() < 0.05 * np.ptp(ramp)


def test_the_blur_of_a_flat_picture_is_flat():
    flat = np.full((1, 20, 24), 0.4, np.float32)
    assert np.allclose(blur(np.where(REGION, 1, flat).astype(np.float32), REGION), 0.4, atol=1e-5)


@pytest.mark.parametrize("kind", ALONE)
def test_a_region_that_is_the_whole_picture_becomes_its_mean(kind):
    everything = np.ones((20, 24), bool)
    found = ALONE[kind](PICTURE, everything)
    assert np.allclose(found, PICTURE.mean(axis=(1, 2), keepdims=True), atol=1e-5)


def test_another_pictures_content_covers_both_regions():
    other, elsewhere = PICTURE[:, ::-1], np.zeros((20, 24), bool)
    elsewhere[0, 0] = True
    found = another(PICTURE, REGION, other, elsewhere)
    both = REGION | elsewhere
    assert np.array_equal(found[:, both], other[:, both])
    assert np.array_equal(found[:, ~both], PICTURE[:, ~both])
