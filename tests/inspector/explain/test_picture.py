"""Explanations of one picture and of very many as a picture that fits a screen, or nearly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from inspector.explain import Explanation, Explanations
from inspector.explain.arrangement import GAP, arranged
from inspector.explain.result import Heatmap
from inspector.explain.trust import Trust


def explanations(count: int, side: int = 12, layer: str = "", label: str = "Lars") -> Explanations:
    """As many pictures, each with two maps."""
    values = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    heatmaps = Heatmap("layercam", np.abs(values), False, layer), Heatmap("occlusion", values, True)
    seen = np.full((side, side), 128, np.uint8)
    items = [Explanation(f"in/{at:03d}_face.png", 1, label, 0.876, seen, heatmaps) for at in range(count)]
    return Explanations("net.onnx", tuple(items))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_up_to_three_pictures_stand_one_below_the_other(count: int) -> None:
    grid = explanations(count).picture().grid
    assert grid is not None
    assert (grid.columns, grid.rows, grid.gap) == (3, count, 0)


@pytest.mark.parametrize("count", [6, 24, 60])
@pytest.mark.parametrize("side", [28, 91])
def test_more_are_laid_side_by_side_as_groups_about_as_wide_as_high(count: int, side: int) -> None:
    found = explanations(count, side)
    picture = found.picture()
    assert picture.grid is not None
    height, width = picture.canvas.shape[:2]
    assert 0.8 < width / height < 2
    assert max(height, width) <= 4000
    assert picture.grid.columns % 3 == 0
    assert picture.grid.gap == GAP
    assert picture.grid.tile[1] >= 140
    assert found.drawn == count
    assert [picture.grid.origin(index)[1] for index in range(3)] == [picture.grid.origin(0)[1]] * 3


def test_very_many_have_smaller_tiles_and_beyond_that_only_the_first_are_drawn() -> None:
    assert 96 <= arranged([(91, 91)] * 200, 3).side < 150
    found = explanations(1000, 8)
    picture = found.picture()
    assert picture.grid is not None
    assert found.drawn < 1000
    assert picture.grid.count == 3 * found.drawn
    assert max(picture.canvas.shape) <= 4000
    assert picture.texts[-1].text.startswith("each map to its own scale")
    assert f"; the first {found.drawn} of 1000 pictures" in picture.texts[-1].text


def test_a_zoom_that_was_chosen_is_kept_and_all_are_drawn() -> None:
    grid = explanations(30, 8).picture(zoom=3).grid
    assert grid is not None
    assert grid.tile == (24, 24)
    assert grid.count == 90
    assert math.isclose(grid.columns / 3 / grid.rows, 0.5, rel_tol=0.6)


def test_a_caption_is_no_wider_than_its_tile_and_keeps_what_tells_names_apart() -> None:
    name = "MobilenetV1/MobilenetV1/Conv2d_13_pointwise"
    picture = explanations(24, 64, name, "someone else entirely").picture()
    assert picture.grid is not None
    assert picture.grid.cell_width == picture.grid.tile[1]
    first, second, third = (text.text for text in picture.texts[:3])
    assert first.startswith("00") and first.endswith(" 87.6 %") and "…: someone" in first
    assert second.startswith("layercam at …") and second.endswith("_pointwise")
    assert third == "occlusion"


def test_the_caption_of_a_map_that_failed_says_so() -> None:
    (item,) = explanations(1, layer="conv_2")
    failed = Trust("blur", 0.4, 0.6, 0.5, 0.1, 0.6, 0.4, None, None, ("it is odd",))
    weak = Trust("mean", 0.6, 0.4, 0.5, 0.1, 0.6, 0.4, None, None, (), ("it is weak",))
    heatmaps = tuple(
        replace(heatmap, trust=trust) for heatmap, trust in zip(item.heatmaps, (failed, weak), strict=True)
    )
    picture = Explanations("net.onnx", (replace(item, heatmaps=heatmaps),)).picture()
    assert [text.text for text in picture.texts[1:3]] == ["layercam at conv_2: FAILS", "occlusion"]


@pytest.mark.parametrize(
    ("figure", "value", "words"),
    [
        ("masks", 1000.0, "1,000 masks"),
        ("standard error", 0.0464, "standard error 4.6% of the map's range"),
        (
            "completeness error",
            0.345,
            "its sum misses the difference between picture and blank, in logits, by 34.50%",
        ),
        ("rounds", 12000.0, "rounds 12,000"),
        ("rest", 0.12345, "rest 0.123"),
        ("rest", float("inf"), "rest inf"),
    ],
)
def test_a_figure_is_told_as_a_whole_number_or_as_a_share_of_what_it_is_a_part_of(
    figure: str, value: float, words: str
) -> None:
    heatmap = Heatmap("mine", np.ones((4, 4), np.float32), False, figures={figure: value})
    item = Explanation("a.png", 0, "Lars", 0.5, np.zeros((4, 4), np.uint8), (heatmap,))
    assert Explanations("net.onnx", (item,)).sentences == (f"mine: {words}",)
