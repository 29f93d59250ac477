"""Where regions lie, and how they are drawn."""

from __future__ import annotations

import numpy as np

from inspector.explain import Explanation, Explanations
from inspector.explain.result import Heatmap
from inspector.regions import RegionReport
from inspector.regions.places import _apart, _deepest, outlined, place
from inspector.tiles import Text

LINE = [255, 210, 60]


def test_a_place_is_a_box_a_centre_and_a_count() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:5, 3:9] = True
    mask[2, 3] = False
    rows, columns = np.nonzero(mask)
    assert place(mask) == {
        "box": [3, 2, 6, 3],
        "centre": [round(columns.mean(), 2), round(rows.mean(), 2)],
        "pixels": 17,
    }
    assert place(np.zeros((3, 3), bool)) is None


def test_a_regions_outline_lies_on_its_own_outermost_pixels() -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:8, 3:9] = True
    drawn = outlined(np.zeros((40, 40, 3), np.uint8), {"": mask})
    lines = (drawn == LINE).all(axis=2)
    expected = np.zeros((40, 40), bool)
    expected[8:32, 12:36] = True
    expected[9:31, 13:35] = False
    assert np.array_equal(lines, expected)


def test_a_region_has_its_name_or_its_segments_number_in_it() -> None:
    picture, whole = np.zeros((60, 80, 3), np.uint8), np.ones((60, 80), bool)
    drawn = [outlined(picture, {name: whole})[1:-1, 1:-1] for name in ("hair", "19", "segment 19")]
    assert drawn[0].any() and drawn[1].any()
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[1], drawn[2])


def test_names_stand_in_their_regions_and_never_on_one_another() -> None:
    masks = {}
    for name, rows in (("face", slice(10, 50)), ("mouth", slice(28, 34)), ("eyes", slice(26, 33))):
        masks[name] = np.zeros((60, 60), bool)
        masks[name][rows, 10:50] = True
    texts = _apart([Text(*_deepest(mask), name) for name, mask in masks.items()], (60, 60))
    heights = sorted(text.y for text in texts)
    assert len(texts) == 3
    assert min(np.diff(heights)) >= 12
    ring = np.zeros((40, 60), bool)
    ring[5:35, 5:55] = True
    ring[8:32, 8:45] = False
    x, y = _deepest(ring)
    assert ring[y, x] and 47 <= x <= 52


def test_explanations_with_regions_have_a_tile_of_them_beside_each_picture() -> None:
    values = np.ones((8, 8), np.float32)
    seen = np.full((8, 8), 200, np.uint8)
    items = tuple(
        Explanation(f"{at}.png", 0, "Lars", 0.9, seen, (Heatmap("gradient", values, False),)) for at in (0, 1)
    )
    mask = np.zeros((8, 8), bool)
    mask[:4] = True
    report = RegionReport("net.onnx", 2, (), ({"top": mask}, {"top": ~mask}), ("0.png", "1.png"))
    picture = Explanations("net.onnx", items, regions=report).picture()
    assert picture.grid is not None
    assert [text.text for text in picture.texts[:3]] == ["0.png: Lars 90.0 %", "regions", "gradient"]
    height, width = (size * picture.grid.zoom for size in picture.grid.tile)
    for at, rows in ((0, slice(0, height // 2)), (1, slice(height // 2, height))):
        x, y = picture.grid.origin(3 * at + 1)
        lines = (picture.canvas[y : y + height, x : x + width] == LINE).all(axis=2)
        assert lines[rows].any()
        assert lines.sum() == lines[rows].sum()
