from __future__ import annotations

import numpy as np
import pytest

from inspector.colormaps import NAMES, colormap
from inspector.errors import OptionError


def lightness(srgb: np.ndarray) -> np.ndarray:
    """CIE L*, by the standard's own formula: another space than the one that the maps are joined in."""
    unit = srgb / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > (6 / 29) ** 3, 116 * np.cbrt(luminance) - 16, luminance * (29 / 3) ** 3)


def test_gray_runs_from_black_over_128_to_white() -> None:
    table = colormap("gray", 253)
    assert table[[0, 126, 252]].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert (np.diff(table[:, 0].astype(int)) >= 1).all()


@pytest.mark.parametrize("name", ["coolwarm", "purple-green"])
def test_a_diverging_map_is_lightest_at_zero_and_darkens_alike_on_both_sides(name: str) -> None:
    light = lightness(colormap(name, 253).astype(float))
    assert light.argmax() == 126
    assert (np.diff(light[:127]) > -0.2).all()
    assert (np.diff(light[126:]) < 0.2).all()
    assert np.abs(light - light[::-1]).max() < 6


@pytest.mark.parametrize("name", ["gray", "viridis", "magma"])
def test_a_sequential_map_gets_lighter_all_the_way(name: str) -> None:
    assert (np.diff(lightness(colormap(name, 253).astype(float))) > -0.2).all()


@pytest.mark.parametrize("name", NAMES)
def test_each_map_has_the_asked_number_of_distinct_colours(name: str) -> None:
    table = colormap(name, 253)
    assert table.dtype == np.uint8
    assert table.shape == (253, 3)
    assert len(np.unique(table, axis=0)) > 200


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("virids", "there is no colormap 'virids'; nearest: viridis", "--colormap viridis"),
        (
            "qq",
            "there is no colormap 'qq'; there are gray, coolwarm, purple-green, viridis, magma",
            "--colormap gray",
        ),
    ],
)
def test_an_unknown_map_is_refused_with_what_there_is(name: str, message: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        colormap(name, 3)
    assert (caught.value.message, caught.value.hint) == (message, hint)
