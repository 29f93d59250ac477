from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont, features

from inspector.colormaps import NAMES, colormap
from inspector.errors import OptionError, OutputExistsError
from inspector.tiles import Picture, pictures, tiles
from inspector.tiles.levels import BACKGROUND_COLOUR, NOT_A_NUMBER_COLOUR
from inspector.tiles.text import _BUILT_IN, Text, draw, shortened, width

SLATE = list(BACKGROUND_COLOUR)
MAGENTA = list(NOT_A_NUMBER_COLOUR)


def random_tiles(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (count, *shape)).astype(np.float32)


def caption(text: str) -> np.ndarray:
    """The pixels of a line on the ground that pictures have."""
    ground = np.full((20, 80, 3), SLATE, np.uint8)
    return draw(ground, [Text(2, 14, text, "start")])


def tile_of(picture: Picture, index: int) -> np.ndarray:
    """The pixels of one tile, one per weight."""
    grid = picture.grid
    assert grid is not None
    x, y = grid.origin(index)
    height, width = grid.tile
    return picture.pixels[y : y + height * grid.zoom : grid.zoom, x : x + width * grid.zoom : grid.zoom]


def test_the_shared_scale_is_symmetric_with_zero_at_128() -> None:
    picture = tiles(np.array([[[-2.0, 0.0, 1.0]]]), zoom=1, padding=1)
    assert picture.pixels[1, 1:4, 0].tolist() == [0, 128, 192]
    assert picture.pixels[0, 0].tolist() == SLATE


def test_every_tile_stands_where_the_grid_says_enlarged_by_the_zoom() -> None:
    arrays = random_tiles(7, 3, 5)
    picture = tiles(arrays, columns=3, padding=2, zoom=4)
    grid = picture.grid
    assert grid is not None
    expected = np.empty((*grid.size, 3), np.uint8)
    expected[:] = SLATE
    grey = colormap("gray", 253)
    for index, array in enumerate(arrays):
        x, y = 2 + index % 3 * 22, 2 + index // 3 * 14
        level = np.rint(array / np.abs(arrays).max() * 126).astype(int) + 126
        for i in range(3):
            for j in range(5):
                expected[y + i * 4 : y + i * 4 + 4, x + j * 4 : x + j * 4 + 4] = grey[level[i, j]]
    assert (picture.pixels == expected).all()


def test_the_input_is_left_as_it_was() -> None:
    arrays = random_tiles(4, 3, 3)
    before = arrays.copy()
    arrays.flags.writeable = False
    tiles(arrays, scale="robust", captions=["a"] * 4)
    assert (arrays == before).all()


def test_scale_each_gives_every_tile_its_own_full_range() -> None:
    arrays = np.array([[[1.0, -1.0]], [[0.001, 0.0]], [[0.0, 0.0]]])
    picture = tiles(arrays, scale="each")
    assert [tile_of(picture, n)[0, :, 0].tolist() for n in range(3)] == [[255, 0], [255, 128], [128, 128]]


def test_scale_robust_clips_at_the_99th_percentile_of_magnitudes() -> None:
    arrays = np.linspace(-1, 1, 1000).reshape(1, 1, 1000)
    arrays[0, 0, 0] = -50
    picture = tiles(arrays, scale="robust", zoom=1)
    limit = np.percentile(np.abs(arrays), 99)
    expected = np.rint(np.clip(arrays[0, 0] / limit, -1, 1) * 126).astype(int) + 126
    assert (tile_of(picture, 0)[0] == colormap("gray", 253)[expected]).all()


def test_scale_robust_of_nearly_all_zeros_still_shows_the_rest() -> None:
    arrays = np.zeros((1, 1, 1000))
    arrays[0, 0, 3] = 0.5
    assert tile_of(tiles(arrays, scale="robust", zoom=1), 0)[0, 3].tolist() == [255] * 3


def test_nan_and_infinity_are_magenta_and_set_no_scale() -> None:
    arrays = np.array([[[np.nan, np.inf, -np.inf, 1.0, -0.5]]], np.float32)
    drawn = tile_of(tiles(arrays), 0)[0].tolist()
    assert drawn[:3] == [MAGENTA] * 3
    assert drawn[3] == [255] * 3
    assert drawn[4] == [64] * 3


@pytest.mark.parametrize("scale", ["shared", "robust", "each"])
def test_tiles_of_zeros_or_of_nothing_but_nan_are_drawn(scale: str) -> None:
    arrays = np.stack([np.zeros((2, 2)), np.full((2, 2), np.nan)])
    picture = tiles(arrays, scale=scale)
    assert (tile_of(picture, 0) == 128).all()
    assert (tile_of(picture, 1) == MAGENTA).all()


@pytest.mark.parametrize("factor", [1e-42, 1e38])
def test_weights_at_the_ends_of_the_range_of_float32_keep_their_shades(factor: float) -> None:
    arrays = (np.array([[[-3, 0, 1.5, 3]]]) * factor).astype(np.float32)
    assert np.abs(tile_of(tiles(arrays), 0)[0, :, 0].astype(int) - [0, 128, 192, 255]).max() <= 1


def test_kernels_with_three_slices_are_in_colour_on_one_scale() -> None:
    arrays = np.zeros((2, 1, 2, 3))
    arrays[0, 0, 0] = [2, 0, -2]
    arrays[1, 0, 1] = [0, 1, np.nan]
    picture = tiles(arrays)
    assert tile_of(picture, 0)[0].tolist() == [[255, 128, 1], [128] * 3]
    assert tile_of(picture, 1)[0].tolist() == [[128] * 3, MAGENTA]


@pytest.mark.parametrize("name", NAMES)
def test_no_weight_has_the_colour_of_the_gutter(name: str) -> None:
    colours = colormap(name, 253).astype(int)
    assert np.abs(colours - SLATE).sum(axis=1).min() >= 20


def test_a_colormap_colours_the_ends_and_the_middle() -> None:
    picture = tiles(np.array([[[-1.0, 0.0, 1.0]]]), colormap="coolwarm")
    assert (tile_of(picture, 0)[0] == colormap("coolwarm", 253)[[0, 126, 252]]).all()


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_nothing_to_draw_gives_a_small_empty_picture(shape: tuple[int, ...]) -> None:
    picture = tiles(np.zeros(shape))
    assert picture.pixels.shape == (16, 16, 3)
    assert (picture.pixels == SLATE).all()
    assert repr(picture) == "Picture(16 by 16 pixels, 0 tiles)"


def test_captions_leave_the_tiles_as_they_are() -> None:
    arrays = random_tiles(12, 2, 2)
    picture = tiles(arrays, captions=[f"{n}:{n}" for n in range(100, 112)], title="conv_1", padding=0, zoom=1)
    bare = tiles(arrays, zoom=1)
    for index in range(12):
        assert (tile_of(picture, index) == tile_of(bare, index)).all()


def test_captions_do_not_touch_one_another() -> None:
    picture = tiles(random_tiles(6, 1, 1), captions=["100:100"] * 6, columns=6, padding=0, zoom=1)
    grid = picture.grid
    assert grid is not None
    strip = picture.pixels[grid.tile[0] : grid.tile[0] + grid.caption]
    ink = (strip != SLATE).any(axis=2)
    for index in range(6):
        cell = ink[:, index * grid.cell_width : (index + 1) * grid.cell_width]
        assert cell[:, 1:-1].any()
        assert not cell[:, [0, -1]].any()


def test_captions_bring_a_legend_that_names_the_range() -> None:
    picture = tiles(np.array([[[-0.25, 0.1]]]), captions=["0"], title="conv_1")
    assert [text.text for text in picture.texts] == [
        "0",
        "conv_1",
        "-0.25",
        "0",
        "+0.25",
        "one scale for all tiles",
    ]
    assert picture.key == "-0.25 to +0.25, one scale for all tiles"


def test_the_legend_explains_each_scale_and_magenta() -> None:
    arrays = np.array([[[-0.25, np.nan]]])

    def said(scale: str) -> list[str]:
        return [text.text for text in tiles(arrays, captions=["0"], scale=scale).texts][1:]

    assert said("each") == ["-max", "0", "+max", "each tile to its own largest", "NaN or infinite"]
    assert said("robust") == ["-0.25", "0", "+0.25", "clipped at the 99th percentile", "NaN or infinite"]
    colour = tiles(np.full((1, 2, 2, 3), np.nan), captions=["0"])
    assert colour.texts[-2].text == "one scale for all tiles and channels"
    assert (colour.pixels == MAGENTA).all(axis=2).sum() > 4 * (colour.grid.zoom if colour.grid else 0) ** 2


def test_the_legend_bar_has_the_colours_of_the_tiles() -> None:
    picture = tiles(np.array([[[-1.0, 1.0]]]), captions=["0"], colormap="viridis")
    height, grid = picture.pixels.shape[0], picture.grid
    assert grid is not None
    bar = picture.pixels[grid.size[0] + 8, grid.padding : grid.padding + 160]
    assert (bar[[0, -1]] == colormap("viridis", 253)[[0, -1]]).all()
    assert height > grid.size[0] + 40


def test_groups_of_pictures_stand_further_apart_than_the_pictures_in_them() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (6, 10, 10, 3), dtype=np.uint8)
    picture = pictures(whole, columns=4, group=2, gap=7, padding=3, zoom=2)
    grid = picture.grid
    assert grid is not None
    assert [grid.origin(index) for index in range(6)] == [
        (3, 3), (26, 3), (56, 3), (79, 3), (3, 26), (26, 26)
    ]  # fmt: skip
    assert picture.pixels.shape == (2 * 20 + 3 * 3, 4 * 20 + 5 * 3 + 7, 3)
    for index in range(6):
        assert np.array_equal(tile_of(picture, index), whole[index])
    assert (picture.pixels[:, 46:56] == SLATE).all()


@pytest.mark.parametrize(
    ("text", "drawn"),
    [("Jörg", "Jorg"), ("Jo\u0308rg", "Jorg"), ("Straße", "Strasse"), ("café", "cafe"), ("a—b", "a-b")],
)
def test_a_letter_that_the_font_lacks_is_drawn_without_its_accent(text: str, drawn: str) -> None:
    assert (caption(text) == caption(drawn)).all()


@pytest.mark.parametrize("text", ["猫", "積", "�", "я"])
def test_a_sign_that_the_font_lacks_is_drawn_as_a_box_and_not_as_a_question(text: str) -> None:
    assert (caption(text) != SLATE).any()
    assert (caption(text) == caption("□")).all()
    assert not np.array_equal(caption(text), caption("?"))


def test_every_sign_that_is_taken_for_the_fonts_own_is_drawn_as_itself() -> None:
    font = ImageFont.load_default(12)
    boxes = bytes(font.getmask("猫"))
    assert not [sign for sign in _BUILT_IN if sign != " " and bytes(font.getmask(sign)) == boxes]
    assert font.getlength("…") > font.getlength(".")


def test_a_long_name_is_cut_to_the_room_at_its_end_or_between_the_parts_of_a_path() -> None:
    assert shortened("conv_1", 150) == "conv_1"
    path = "MobilenetV1/MobilenetV1/Conv2d_13_pointwise/Relu6"
    assert shortened(path, 90, end=True) == "…/Relu6"
    assert shortened(path, 190, end=True) == "…/Conv2d_13_pointwise/Relu6"
    beginning, end = shortened("abcdefgh" * 9, 80), shortened("abcdefgh" * 9, 80, end=True)
    assert beginning.startswith("abcdefgh") and beginning.endswith("…")
    assert end.startswith("…") and end.endswith("abcdefgh")
    assert 65 < width([beginning]) <= 80
    assert 65 < width([end]) <= 80


def test_captions_are_drawn_without_freetype_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bitmap = ImageFont.load_default_imagefont()
    monkeypatch.setattr(features, "check_module", lambda name: False)
    monkeypatch.setattr(ImageFont, "load_default", lambda size=None: bitmap)
    picture = tiles(random_tiles(4, 3, 3), captions=["0", "1", "2", "3"], zoom=4)
    grid = picture.grid
    assert grid is not None
    x, y = grid.origin(0)
    strip = picture.pixels[y + 12 : y + 12 + grid.caption, x : x + grid.cell_width]
    ink = (strip != SLATE).any(axis=2)
    assert ink.any()
    assert not ink[-1].any()


def test_a_png_has_the_pixels_of_the_picture(tmp_path: Path) -> None:
    for captions in (None, ["0"] * 9):
        picture = tiles(random_tiles(9, 3, 3), colormap="magma", captions=captions)
        path = picture.save(tmp_path / "p.PNG", force=True)
        with Image.open(path) as image:
            assert (np.asarray(image.convert("RGB")) == picture.pixels).all()
        assert (np.asarray(picture.image()) == picture.pixels).all()
        assert picture._repr_png_() == path.read_bytes()


def test_an_svg_holds_crisp_pixels_and_its_text_as_text() -> None:
    picture = tiles(random_tiles(2, 3, 3), captions=["<a&b>", "1"], title='"x" </svg><script>')
    root = ET.fromstring(picture.svg())
    space = "{http://www.w3.org/2000/svg}"
    said = [element.text for element in root.iter(f"{space}text")]
    assert said[:3] == ["<a&b>", "1", '"x" </svg><script>']
    image = root.find(f"{space}image")
    assert image is not None
    assert "image-rendering:pixelated" in image.attrib["style"]
    data = base64.b64decode(re.sub("^data:image/png;base64,", "", image.attrib["href"]))
    with Image.open(io.BytesIO(data)) as embedded:
        assert picture.palette is not None
        assert (np.asarray(embedded.convert("RGB")) == picture.palette[picture.canvas]).all()
        assert (root.attrib["width"], root.attrib["height"]) == tuple(map(str, embedded.size))


def test_a_picture_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    picture = tiles(np.ones((1, 2, 2)))
    path = picture.save(tmp_path / "p.svg")
    with pytest.raises(OutputExistsError):
        picture.save(path)
    assert picture.save(path, force=True).read_text() == picture.svg()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        tiles(np.ones((1, 2, 2))).save(tmp_path / "p.gif")
    assert caught.value.message == f"{tmp_path / 'p.gif'}: cannot write .gif; expected .png or .svg"


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (np.ones((1, 2, 2)), {"scale": "own"}, "there is no scale 'own'; expected shared, each or robust"),
        (
            np.ones((1, 2, 2, 3)),
            {"colormap": "magma"},
            "colormap 'magma' cannot show kernels that are in colour already",
        ),
        (np.ones((0, 2, 2)), {"columns": 0}, "columns is 0; expected 1 or more"),
    ],
)
def test_an_option_without_sense_is_refused(arrays: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        tiles(arrays, **options)
    assert caught.value.message == message


def test_two_thousand_tiles_are_at_least_one_pixel_per_weight_and_fit_a_window() -> None:
    picture = tiles(random_tiles(2048, 10, 10))
    assert picture.grid is not None
    assert picture.grid.zoom >= 1
    assert max(picture.pixels.shape) <= 1500


def test_two_thousand_captioned_tiles_are_as_large_as_their_captions_need_and_no_larger() -> None:
    picture = tiles(random_tiles(2048, 10, 10), captions=["63:31"] * 2048)
    grid = picture.grid
    assert grid is not None
    assert grid.cell_width == 10 * grid.zoom
    assert 10 * (grid.zoom - 1) < 31 + 4 <= grid.cell_width
