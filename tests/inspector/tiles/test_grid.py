from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import OptionError
from inspector.tiles.grid import fit


@pytest.mark.parametrize(
    ("count", "tile", "columns"),
    [
        (64, (10, 10), 8),
        (32, (10, 10), 8),
        (2048, (10, 10), 64),
        (1, (3, 3), 1),
        (2, (3, 3), 2),
        (3, (3, 3), 2),
        (5, (3, 3), 3),
        (7, (3, 3), 4),
        (6, (3, 3), 3),
    ],
)
def test_the_grid_is_near_square_and_leaves_few_cells_empty(
    count: int, tile: tuple[int, int], columns: int
) -> None:
    assert fit(count, tile).columns == columns


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 12), st.integers(1, 12))
def test_every_automatic_grid_holds_all_tiles_apart_and_inside(count: int, height: int, width: int) -> None:
    grid = fit(count, (height, width))
    assert grid.rows * grid.columns >= count > (grid.rows - 1) * grid.columns
    assert grid.zoom >= 1
    assert 1 <= grid.padding <= 8
    for index in {0, count // 2, count - 1}:
        x, y = grid.origin(index)
        assert x >= grid.padding
        assert y >= grid.padding
        assert x + width * grid.zoom <= grid.size[1] - grid.padding
        assert y + height * grid.zoom <= grid.size[0] - grid.padding


@settings(deadline=None)
@given(st.integers(4, 3000), st.integers(1, 12))
def test_square_tiles_make_a_picture_that_is_at_most_about_twice_as_wide_as_tall(
    count: int, side: int
) -> None:
    height, width = fit(count, (side, side)).size
    assert 0.99 <= width / height <= 2.05


@pytest.mark.parametrize(("count", "side"), [(64, 10), (32, 10), (16, 5), (64, 3), (96, 11), (512, 3)])
def test_the_longer_side_is_as_near_to_1000_pixels_as_a_whole_zoom_brings_it(count: int, side: int) -> None:
    grid = fit(count, (side, side))
    chosen = max(grid.size)
    for other in (grid.zoom - 1, grid.zoom + 1):
        if other >= 1:
            size = max(fit(count, (side, side), zoom=other).size)
            assert max(chosen / 1000, 1000 / chosen) <= max(size / 1000, 1000 / size)


def test_captions_widen_the_cells_but_leave_the_columns() -> None:
    plain, captioned = fit(64, (10, 10)), fit(64, (10, 10), caption=(17, 30))
    assert captioned.columns == plain.columns
    assert captioned.cell_width >= 30
    assert captioned.pitch[0] == captioned.tile[0] * captioned.zoom + 17 + captioned.padding


def test_captions_taller_than_their_tiles_do_not_make_a_tall_picture() -> None:
    height, width = fit(64, (1, 9), caption=(17, 30)).size
    assert 1 <= width / height <= 2


def test_a_caption_wider_than_its_tile_centres_the_tile_in_the_cell() -> None:
    grid = fit(4, (2, 2), zoom=1, padding=1, caption=(17, 31))
    assert grid.origin(0) == (1 + 14, 1)


def test_what_the_caller_chooses_is_kept() -> None:
    grid = fit(10, (3, 5), columns=5, padding=0, zoom=2)
    assert (grid.columns, grid.padding, grid.zoom, grid.size) == (5, 0, 2, (12, 50))


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"columns": 0}, "columns is 0; expected 1 or more", "--columns 1"),
        ({"padding": -1}, "padding is -1; expected 0 or more", "--padding 0"),
        ({"zoom": 0}, "zoom is 0; expected 1 or more", "--zoom 1"),
        (
            {"zoom": 100_000},
            "the picture would be 800,072 by 800,072 pixels; at most 100,000,000 in all are drawn",
            "--filters 0-63, --reduce mean, or a smaller --zoom or --padding",
        ),
    ],
)
def test_a_number_out_of_range_is_refused(options: dict[str, int], message: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        fit(64, (1, 1), **options)
    assert (caught.value.message, caught.value.hint) == (message, hint)
