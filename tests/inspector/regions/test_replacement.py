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


def _shapes():
    """Regions of small pictures: closed, open to the edge, in several parts, and nearly everything."""
    rows, columns = np.mgrid[:13, :17]
    disc = (rows - 6) ** 2 + (columns - 8) ** 2 < 20
    return {
        "closed": disc,
        "open to the edge": rows < 8,
        "open to three edges": columns > 1,
        "a ring around the known": ~disc,
        "several parts": (rows // 3 + columns // 4) % 2 == 0,
        "dust": np.random.default_rng(2).random((13, 17)) < 0.6,
        "one pixel": (rows == 12) & (columns == 16),
        "all but one pixel": (rows > 0) | (columns > 0),
    }


def _solved(picture, region):
    """Every pixel of the region as the mean of its neighbours, by a dense system of equations."""
    height, width = region.shape
    matrix, right = np.eye(region.size), picture.reshape(len(picture), -1).T.astype(np.float64)
    for row, column in zip(*np.nonzero(region), strict=True):
        beside = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
        neighbours = [y * width + x for y, x in beside if 0 <= y < height and 0 <= x < width]
        place = row * width + column
        matrix[place, neighbours] = -1 / len(neighbours)
        right[place] = 0
    return np.linalg.solve(matrix, right).T.reshape(picture.shape)


@pytest.mark.parametrize("shape", _shapes())
@pytest.mark.parametrize("turned", [False, True])
def test_the_border_is_continued_by_the_solution_of_laplaces_equation(shape, turned):
    region = _shapes()[shape]
    region = region.T if turned else region
    rows, columns = np.indices(region.shape) / max(region.shape)
    noise = np.random.default_rng(3).uniform(0, 1, region.shape)
    picture = np.stack([rows + 0.5 * columns, noise, np.full(region.shape, 0.3)]).astype(np.float32)
    assert np.abs(inpaint(picture, region) - _solved(picture, region)).max() < 1e-3


def test_a_slope_goes_on_through_a_large_hole():
    rows, columns = np.mgrid[:150, :180].astype(np.float32) / 180
    hole = np.zeros(rows.shape, bool)
    hole[10:140, 12:170] = True
    ramp = (0.3 * rows + 0.7 * columns)[None]
    assert np.abs(inpaint(np.where(hole, 0, ramp).astype(np.float32), hole) - ramp).max() < 1e-3


def test_a_wave_fades_towards_an_edge_that_reflects_it():
    below = np.arange(150)[:, None] >= 20 + np.zeros((1, 180))
    wave = np.cos(np.pi * (np.arange(180) + 0.5) / 180)
    found = inpaint(np.where(below, 0, wave).astype(np.float32)[None], below)[0]
    # A single wave is multiplied by one number from row to row; behind the last row stands its mirror.
    rate = np.arccosh(2 - np.cos(np.pi / 180))
    left = 149.5 - np.arange(19, 150)[:, None]
    assert np.abs(found[19:] - wave * np.cosh(rate * left) / np.cosh(rate * 130.5)).max() < 1e-3


@pytest.mark.parametrize(
    "region",
    [REGION, np.arange(24) >= 2 + np.zeros((20, 1)), (np.arange(24) > 0) | (np.arange(20)[:, None] > 0)],
    ids=["closed", "all but the left", "all but a corner"],
)
def test_the_blur_of_a_flat_picture_is_flat(region):
    flat = np.full((1, 20, 24), 0.8, np.float32)
    assert np.allclose(blur(np.where(region, 0, flat).astype(np.float32), region), 0.8, atol=1e-6)


def test_the_blur_weighs_what_is_known_by_its_distance():
    region = np.ones((9, 14), bool)
    region[2:5, 1:3] = region[8, 0] = False
    picture = PICTURE[:, :9, :14]
    expected = picture.astype(np.float64)
    known = [tuple(place) for place in np.argwhere(~region)]
    for row, column in np.argwhere(region):
        weights = [np.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * (0.2 * 14) ** 2)) for y, x in known]
        for channel in (0, 1):
            light = sum(w * picture[channel][place] for w, place in zip(weights, known, strict=True))
            expected[channel, row, column] = light / sum(weights)
    assert np.allclose(blur(picture, region), expected, atol=1e-6)


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
