"""Maps over the picture that they belong to."""

import numpy as np
import pytest

from inspector.overlay import overlays

GREY = np.full((40, 60), 100, np.uint8)


def lit(pixels):
    """Where something covers the picture, which is grey elsewhere."""
    return np.ptp(pixels.astype(int), axis=-1) > 20


@pytest.mark.parametrize("corner", [(0, 0), (0, 2), (1, 0), (1, 2)])
def test_a_number_covers_the_part_of_the_picture_that_it_belongs_to(corner):
    values = np.zeros((1, 2, 3), np.float32)
    values[(0, *corner)] = 1
    found = lit(overlays(GREY, values).pixels[0])
    row, column = corner
    own = slice(20 * row, 20 * row + 20), slice(20 * column, 20 * column + 20)
    rows, columns = np.nonzero(found)
    assert found[own].mean() > 0.7
    assert own[0].start - 10 <= rows.min() and rows.max() < own[0].stop + 10
    assert own[1].start - 10 <= columns.min() and columns.max() < own[1].stop + 10
    strongest = found.nonzero()
    assert abs(strongest[0].mean() - own[0].start - 9.5) < 6
    assert abs(strongest[1].mean() - own[1].start - 9.5) < 6


def test_what_is_zero_shows_the_picture_a_little_darker():
    found = overlays(GREY, np.zeros((1, 4, 4), np.float32)).pixels
    assert (found == 85).all()


def test_numbers_on_either_side_of_zero_have_different_colours():
    values = np.zeros((1, 40, 60), np.float32)
    values[0, :, :20], values[0, :, 40:] = 1, -1
    pixels = overlays(GREY, values, colormap="coolwarm").pixels[0].astype(int)
    warm, cold = pixels[20, 5], pixels[20, 55]
    assert warm[0] > warm[2] + 60
    assert cold[2] > cold[0] + 60


def test_without_a_sign_what_is_below_zero_covers_nothing():
    values = np.zeros((1, 40, 60), np.float32)
    values[0, :, :20], values[0, :, 40:] = 1, -1
    found = lit(overlays(GREY, values, signed=False).pixels[0])
    assert found[:, :20].all() and not found[:, 40:].any()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_covers_nothing_and_the_key_says_that_there_are_such(number):
    values = np.zeros((1, 40, 60), np.float32)
    values[0, :, :20], values[0, :, 40:] = 1, number
    found = overlays(GREY, values)
    assert found.key.broken
    assert not lit(found.pixels[0])[:, 40:].any()
    assert not overlays(GREY, np.nan_to_num(values, posinf=0, neginf=0)).key.broken
