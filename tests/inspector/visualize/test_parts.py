"""The parts of the ascent: each derivative against differences, each pattern against plain loops."""

import numpy as np
import pytest

from inspector.visualize.ascent import _roughness_gradient, _stepped
from inspector.visualize.diversity import likeness_gradient
from inspector.visualize.sampling import centred, drawn
from inspector.visualize.spectrum import Spectrum

RANDOM = np.random.default_rng(1)


def slope_by_differences(function, at, step=1e-2):
    """The gradient of a function of an array, by central differences."""
    found = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        above, below = at.copy(), at.copy()
        above[index] += step
        below[index] -= step
        found[index] = (function(above) - function(below)) / (2 * step)
    return found


@pytest.mark.parametrize("size", [(4, 5), (5, 6), (1, 1), (3, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_spectrum_is_differentiated(size, channels):
    spectrum = Spectrum(channels, *size)
    waves = spectrum.start([(0, 1)])
    weights = RANDOM.normal(size=(1, channels, *size)).astype(np.float32)
    mine = spectrum.pulled(weights, spectrum.pictures(waves)).view(np.float32)
    numbers = waves.view(np.float32)
    true = slope_by_differences(
        lambda parts: float((spectrum.pictures(parts.view(np.complex64)) * weights).sum(dtype=float)), numbers
    )
    np.testing.assert_allclose(mine, true, atol=2e-3)


def test_pixels_stay_between_black_and_white_whatever_the_waves():
    spectrum = Spectrum(3, 8, 8)
    pictures = spectrum.pictures(spectrum.start([(0,)]) * np.float32(1e5))
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert np.isfinite(pictures).all()


def test_the_light_of_a_colour_picture_moves_as_that_of_a_grey_one():
    grey, colour = Spectrum(1, 6, 6), Spectrum(3, 6, 6)
    waves = grey.start([(0,)])
    in_colour = np.concatenate([waves, 0 * waves, 0 * waves], axis=1)
    np.testing.assert_allclose(
        colour.pictures(in_colour), np.repeat(grey.pictures(waves), 3, axis=1), atol=1e-6
    )


def test_the_unmoved_window_is_the_middle_of_the_canvas():
    canvas = RANDOM.random((2, 3, 9, 8)).astype(np.float32)
    np.testing.assert_array_equal(centred((9, 8), (5, 6)).seen(canvas), canvas[:, :, 2:7, 1:7])


def test_a_view_and_its_derivative_are_each_others_transpose():
    view = drawn(np.random.default_rng(2), (11, 13), (7, 9))
    canvas = RANDOM.random((2, 1, 11, 13)).astype(np.float32)
    window = RANDOM.random((2, 1, 7, 9)).astype(np.float32)
    assert view.seen(canvas).shape == window.shape
    np.testing.assert_allclose(
        (view.seen(canvas) * window).sum(), (canvas * view.pulled(window)).sum(), rtol=1e-5
    )


def test_a_view_shows_a_flat_canvas_flat():
    view = drawn(np.random.default_rng(5), (20, 20), (16, 16))
    np.testing.assert_allclose(view.seen(np.full((1, 1, 20, 20), 0.3, np.float32)), 0.3, rtol=1e-6)


def test_roughness_is_differentiated():
    pictures = RANDOM.random((1, 2, 4, 5))

    def roughness(array):
        total = 0.0
        for channel in array[0]:
            for row in range(4):
                for column in range(5):
                    down = channel[row + 1, column] - channel[row, column] if row < 3 else 0
                    across = channel[row, column + 1] - channel[row, column] if column < 4 else 0
                    total += np.sqrt(down**2 + across**2 + 1e-4)
        return total

    true = slope_by_differences(roughness, pictures, 1e-5)
    np.testing.assert_allclose(_roughness_gradient(pictures), true, atol=1e-5)


def test_likeness_is_differentiated():
    pictures = RANDOM.normal(size=(3, 1, 1, 3, 4)) + 0.5 * RANDOM.normal(size=(3, 2, 1, 3, 4))
    pictures[0, 1] = -pictures[0, 0] + 0.1 * pictures[0, 1]

    def likeness(array):
        pairs = array.reshape(3, 2, -1)
        return sum(max(np.corrcoef(a, b)[0, 1], 0) ** 2 / 2 for a, b in pairs)

    flat = pictures.reshape(6, 1, 3, 4)
    true = slope_by_differences(likeness, flat, 1e-5)
    mine = likeness_gradient(flat, 2)
    np.testing.assert_allclose(
        mine, true * flat.std(axis=(1, 2, 3), keepdims=True) * 12, rtol=1e-4, atol=1e-5
    )
    assert not mine[:2].any() and mine[2:].any()


def test_likeness_of_several_is_the_mean_over_the_pairs():
    pictures = RANDOM.normal(size=(3, 1, 4, 4))
    alone = [likeness_gradient(pictures[[0, other]], 2)[0] for other in (1, 2)]
    np.testing.assert_allclose(likeness_gradient(pictures, 3)[0], np.mean(alone, axis=0), atol=1e-6)


def test_a_flat_picture_is_like_none():
    assert not likeness_gradient(np.ones((2, 1, 2, 2), np.float32), 2).any()


def test_the_first_step_of_adam_has_the_length_of_the_rate():
    waves = np.zeros((1, 1, 2, 2), np.complex64)
    slope = np.array([[[[3 + 4j, -1], [2j, 0.5 - 8j]]]], np.complex64)
    moved = _stepped(waves, slope, (np.zeros_like(waves), np.zeros_like(waves)), 1, 0.1)
    np.testing.assert_allclose(moved.view(np.float32), 0.1 * np.sign(slope.view(np.float32)), atol=1e-6)


def test_pictures_become_waves_and_pictures_again():
    spectrum = Spectrum(3, 6, 7)
    pictures = RANDOM.uniform(0.1, 0.9, (2, 3, 6, 7)).astype(np.float32)
    np.testing.assert_allclose(spectrum.pictures(spectrum.waves(pictures)), pictures, atol=1e-5)
