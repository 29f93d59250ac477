"""The pixels that a picture has, whatever it comes in."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from encoded_pictures import COLOURS, RNG, encoded, pixels
from PIL import Image

from inspector.images import decode


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels_that_were_stored(kind: str) -> None:
    assert np.array_equal(pixels(encoded(Image.fromarray(COLOURS), kind)), COLOURS)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_give_nearly_the_colour_that_was_stored(kind: str) -> None:
    found = pixels(encoded(Image.new("RGB", (16, 16), (200, 60, 30)), kind))
    assert found.shape == (16, 16, 3)
    assert np.abs(found.astype(int) - [200, 60, 30]).max() <= 4


@pytest.mark.parametrize("turn", range(2, 9))
def test_the_exif_rotation_is_applied(turn: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "turned.png"
    Image.fromarray(COLOURS).save(path, exif=exif)
    moved = {
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: np.rot90(COLOURS, -1),
        7: COLOURS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(COLOURS, 1),
    }
    assert np.array_equal(pixels(path), moved[turn])


def test_what_is_transparent_is_laid_on_white() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = [0, 255, 128]
    assert pixels(encoded(Image.fromarray(rgba), "PNG")).tolist() == [[[255] * 3, [0] * 3, [127] * 3]]


def test_grey_with_alpha_stays_grey_on_white() -> None:
    both = Image.merge("LA", [Image.new("L", (2, 1), 100), Image.fromarray(np.array([[0, 255]], np.uint8))])
    assert pixels(encoded(both, "PNG")).tolist() == [[255, 100]]


def test_a_transparent_palette_entry_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image, "PNG", transparency=1)).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_a_palette_becomes_its_colours() -> None:
    image = Image.new("P", (1, 1))
    image.putpalette([10, 20, 30])
    assert pixels(encoded(image, "BMP")).tolist() == [[[10, 20, 30]]]


def test_cmyk_becomes_rgb() -> None:
    found = pixels(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))
    assert found[0, 0].tolist() == [255, 0, 0]


def test_bilevel_becomes_black_and_white() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image, "PNG")).tolist() == [[0, 255]]


def test_sixteen_bits_are_scaled_to_eight_over_their_whole_range() -> None:
    deep = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert pixels(encoded(Image.fromarray(deep), "PNG")).tolist() == [[0, 1, 128, 255]]
    assert pixels(encoded(Image.fromarray(deep.astype(np.int32)), "TIFF")).tolist() == [[0, 1, 128, 255]]


def test_a_float_file_is_read_as_0_to_1_or_0_to_255() -> None:
    unit = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    full = Image.fromarray(np.array([[0, 100, 255]], np.float32))
    assert pixels(encoded(unit, "TIFF")).tolist() == [[0, 128, 255]]
    assert pixels(encoded(full, "TIFF")).tolist() == [[0, 100, 255]]


def test_of_an_animation_the_first_picture_is_taken_with_a_warning() -> None:
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 120, 255)]
    found = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), name="a.gif")
    assert found.warnings == ("a.gif: holds 3 pictures; the first one is used",)
    assert np.asarray(found.image.convert("L")).max() == 0


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0, 255]], np.uint8), [[0, 255]]),
        (np.array([[[0], [255]]], np.uint8), [[0, 255]]),
        (np.array([[0.0, 1.0, 0.5]]), [[0, 255, 128]]),
        (np.array([[0, 1]], np.float16), [[0, 255]]),
        (np.array([[False, True]]), [[0, 255]]),
        (np.array([[0, 65535, 257]], np.uint16), [[0, 255, 1]]),
        (np.array([[[1, 2, 3]]], np.uint8), [[[1, 2, 3]]]),
        (np.array([[[1, 2, 3, 255], [1, 2, 3, 0]]], np.uint8), [[[1, 2, 3], [255, 255, 255]]]),
    ],
)
def test_arrays_are_pictures_too(array: np.ndarray, expected: list[object]) -> None:  # type: ignore[type-arg]
    assert pixels(array).tolist() == expected


def test_a_pillow_image_is_taken_without_being_changed() -> None:
    image = Image.new("RGBA", (2, 2), (1, 2, 3, 0))
    assert pixels(image)[0, 0].tolist() == [255, 255, 255]
    assert image.mode == "RGBA"


def test_damaged_exif_data_do_not_spoil_the_picture() -> None:
    whole, data = (
        encoded(Image.fromarray(COLOURS), "JPEG", exif=exif)
        for exif in (b"", b"Exif\0\0II*\0\xff\xff\xff\xff")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(pixels(data), pixels(whole))


def test_fast_decoding_reads_a_large_jpeg_at_a_reduced_scale() -> None:
    large = encoded(Image.new("RGB", (800, 640), (90, 120, 30)), "JPEG")
    small = decode(large, fast=("L", (80, 80)))
    assert (small.image.size, small.image.mode) == ((100, 80), "L")
    coloured = decode(large, fast=("RGB", (80, 80))).image
    assert (coloured.size, coloured.mode, coloured.getpixel((50, 40))) == ((100, 80), "RGB", (90, 120, 30))
    assert decode(large).image.size == (800, 640)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rgba = np.dstack([COLOURS, RNG.integers(0, 256, COLOURS.shape[:2], dtype=np.uint8)])
    deep = RNG.integers(0, 65536, (9, 7)).astype(np.uint16)
    whole = pixels(encoded(Image.fromarray(rgba), "PNG")), pixels(encoded(Image.fromarray(deep), "PNG"))
    monkeypatch.setattr("inspector.pixels._STRIP_PIXELS", 50)
    parts = pixels(encoded(Image.fromarray(rgba), "PNG")), pixels(encoded(Image.fromarray(deep), "PNG"))
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])
    share = rgba[..., 3:] / 255
    assert np.abs(whole[0] - (COLOURS * share + 255 * (1 - share))).max() <= 1
    assert np.array_equal(whole[1], np.rint(deep * (255 / 65535)))
