from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspector.errors import FileError, ImageError
from inspector.images import ImageSource, decode, find_images
from inspector.pixels import MAX_PIXELS

RNG = np.random.default_rng(7)
COLOURS = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def pixels(source: ImageSource) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(decode(source).image)


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


def test_lab_files_are_refused() -> None:
    with pytest.raises(ImageError) as caught:
        decode(encoded(Image.new("LAB", (2, 2)), "TIFF"), name="a.tif")
    assert caught.value.message == "a.tif: holds LAB colours; expected grey, RGB or CMYK"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 300.0]], "x.tif: holds pixels from 0 to 300; expected 0..1 or 0..255"),
        ([[-1, 0.5]], "x.tif: holds pixels from -1 to 0.5; expected 0..1 or 0..255"),
        ([[np.nan, 0.5]], "x.tif: holds NaN or infinite pixels; expected numbers 0..1 or 0..255"),
    ],
)
def test_float_files_outside_every_range_are_refused(values: list[list[float]], message: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(encoded(Image.fromarray(np.array(values, np.float32)), "TIFF"), name="x.tif")
    assert caught.value.message == message


def test_integers_beyond_sixteen_bits_are_refused() -> None:
    with pytest.raises(ImageError) as caught:
        decode(encoded(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF"), name="x.tif")
    assert caught.value.message == "x.tif: holds pixels from 0 to 70000; expected 0..65535"


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


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((2, 2, 2), np.uint8),
            "array: has the shape (2, 2, 2); expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)",
        ),
        (
            np.zeros((2, 2), np.int64),
            "array: has the dtype int64; expected uint8, uint16, bool or floats 0..1",
        ),
        (np.array([[0, 255.0]]), "array: holds floats from 0 to 255; expected 0..1"),
        (np.array([[0, np.nan]]), "array: holds floats from nan to nan; expected 0..1"),
        (np.zeros((0, 4), np.uint8), "array: has 4x0 pixels; expected at least one"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array: np.ndarray, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ImageError) as caught:
        decode(array)
    assert caught.value.message == message


def test_a_pillow_image_is_taken_without_being_changed() -> None:
    image = Image.new("RGBA", (2, 2), (1, 2, 3, 0))
    assert pixels(image)[0, 0].tolist() == [255, 255, 255]
    assert image.mode == "RGBA"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "an EPS or PostScript file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG or XML file"),
        (b"\0\0\0\x18ftypheic", "an AVIF or HEIC picture or an MP4 film"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"\7\1\2random bytes", "not a picture"),
    ],
)
def test_other_files_are_named_for_what_they_are(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "file.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        decode(path)
    assert caught.value.message == f"{path}: is {what}; expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF"])
def test_a_truncated_picture_is_damaged(kind: str) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    whole = encoded(noise, kind)
    with pytest.raises(
        ImageError, match=r"^cut: the picture is damaged or cut short \(.+\); expected a whole "
    ):
        decode(whole[: len(whole) * 2 // 3], name="cut")


def test_the_message_about_a_truncated_picture_says_what_was_found() -> None:
    whole = encoded(Image.fromarray(COLOURS), "PPM")
    with pytest.raises(ImageError) as caught:
        decode(whole[:10], name="cut.ppm")
    assert caught.value.message == (
        "cut.ppm: the picture is damaged or cut short (not enough image data); "
        "expected a whole JPEG, PNG, BMP, GIF, TIFF, WebP or PPM file"
    )


def png_of_size(width: int, height: int) -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"")) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(10_000, 9_000), (100_000, 100_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            decode(png_of_size(*size), name="bomb.png")
    assert caught.value.message == (
        f"bomb.png: has {size[0]:,}x{size[1]:,} pixels; expected at most {MAX_PIXELS:,}"
    )


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        decode(b"P6 0 0 255\n", name="none.ppm")
    assert "none.ppm: " in caught.value.message


def test_a_pillow_image_without_pixels_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        decode(Image.new("RGB", (0, 0)))
    assert caught.value.message == "image: has 0x0 pixels; expected at least one"


def test_no_bytes_are_no_picture() -> None:
    with pytest.raises(ImageError) as caught:
        decode(b"")
    assert caught.value.message == "picture: is empty; expected a picture"


def test_missing_and_empty_files_and_folders_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, message in (
        (tmp_path / "absent.png", "no such file; expected a picture"),
        (empty, "is empty; expected a picture"),
        (tmp_path, "is a directory; expected a picture"),
    ):
        with pytest.raises(FileError) as caught:
            decode(path)
        assert caught.value.message == f"{path}: {message}"


def test_damaged_exif_data_do_not_spoil_the_picture() -> None:
    data = encoded(Image.fromarray(COLOURS), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pixels(data).shape == COLOURS.shape


def test_any_damage_to_a_file_gives_a_picture_or_a_named_error() -> None:
    seeds = [
        encoded(Image.fromarray(COLOURS), kind)
        for kind in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
    ]
    rng = np.random.default_rng(1)
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(300):
            data = np.frombuffer(seeds[rng.integers(len(seeds))], np.uint8).copy()
            data[rng.integers(0, len(data), 6)] = rng.integers(0, 256, 6)
            try:
                assert decode(data.tobytes()).image.mode in ("L", "RGB")
            except ImageError:
                refused += 1
    assert 0 < refused < 300


def test_fast_decoding_reads_a_large_jpeg_at_a_reduced_scale() -> None:
    large = encoded(Image.new("RGB", (800, 640), (90, 120, 30)), "JPEG")
    small = decode(large, fast=("L", (80, 80)))
    assert (small.image.size, small.image.mode) == ((100, 80), "L")
    assert decode(large, fast=("RGB", (80, 80))).image.mode == "RGB"
    assert decode(large).image.size == (800, 640)


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(encoded(Image.new("L", (1, 1)), "PNG"))


def test_a_folder_gives_its_pictures_in_natural_order(tmp_path: Path) -> None:
    make(tmp_path, "p10.png", "p2.JPG", "p1.webp", "notes.txt", ".hidden.png", "below/p3.png")
    assert [path.name for path in find_images(tmp_path)] == ["p1.webp", "p2.JPG", "p10.png"]


def test_a_glob_reaches_the_folders_below(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "below/b.png", "below/labels.csv")
    assert [path.name for path in find_images(f"{tmp_path}/**")] == ["a.png", "b.png"]
    assert [path.name for path in find_images(f"{tmp_path}/*")] == ["a.png"]


def test_a_glob_with_a_suffix_gives_all_that_it_matches(tmp_path: Path) -> None:
    make(tmp_path, "1.dat", "2.dat", "3.png")
    assert [path.name for path in find_images(f"{tmp_path}/*.dat")] == ["1.dat", "2.dat"]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    make(tmp_path, "a[1].png", "a1.png")
    assert find_images(tmp_path / "a[1].png") == [tmp_path / "a[1].png"]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        find_images(tmp_path)
    assert caught.value.message == (
        f"{tmp_path}: there is no picture in this folder; "
        "expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM files"
    )


def test_a_glob_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        find_images(f"{tmp_path}/*.png")
    assert caught.value.message == (
        f"{tmp_path}/*.png: no picture matches; expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM files"
    )


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        find_images(tmp_path / "absent.png")
    assert caught.value.message == (
        f"{tmp_path / 'absent.png'}: no such file; expected a picture, a folder or a glob"
    )


def test_a_pattern_that_can_be_no_file_name_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no picture matches"):
        find_images(tmp_path / ("*" + "x" * 5000))
    with pytest.raises(FileError, match="cannot be read"):
        find_images(tmp_path / ("x" * 5000))


def test_memory_that_runs_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(image: Image.Image) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr("inspector.images.upright", starved)
    with pytest.raises(ImageError) as caught:
        decode(encoded(Image.fromarray(COLOURS), "PNG"), name="a.png")
    assert caught.value.message == "a.png: there is not enough memory to decode the picture"


def test_a_picture_without_pixels_is_called_so() -> None:
    bitmap = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 0, 0, 1, 24, 0, 0, 0, 0, 0, 0)
    for data, size in ((png_of_size(0, 0), "0x0"), (b"GIF89a\5\0\0\0\0\0\0", "5x0"), (bitmap, "0x0")):
        with pytest.raises(ImageError) as caught:
            decode(data, name="none")
        assert caught.value.message == f"none: has {size} pixels; expected at least one"


@pytest.mark.parametrize(("kind", "most"), [("WEBP", 25_000_000), ("JPEG", 33_333_333)])
def test_decoders_that_keep_more_than_the_picture_get_smaller_ones(
    kind: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(Image.new("RGB", (64, 64)), kind, **({"progressive": True} if kind == "JPEG" else {}))
    seen: list[int] = []
    monkeypatch.setattr("inspector.images.check_size", lambda size, name, most=0: seen.append(most))
    decode(data)
    assert seen == [most]


def test_a_plain_jpeg_may_have_as_many_pixels_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("inspector.images.check_size", lambda size, name, most=0: seen.append(most))
    decode(encoded(Image.new("RGB", (64, 64)), "JPEG"))
    assert seen == [MAX_PIXELS]


def test_bytes_are_capped_like_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.images.MAX_FILE_BYTES", 100)
    data = encoded(Image.new("RGB", (64, 64)), "BMP")
    with pytest.raises(ImageError) as caught:
        decode(data, name="-")
    assert caught.value.message == f"-: is {len(data):,} bytes, more than the 100 accepted for a picture"


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


def test_an_empty_path_is_not_this_folder() -> None:
    with pytest.raises(FileError) as caught:
        find_images("")
    assert caught.value.message == "'': is an empty path; expected a picture, a folder or a glob"


def test_what_cannot_be_read_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    try:
        (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    except OSError:
        pytest.skip("links cannot be made here")
    for spec in (tmp_path, tmp_path / "*", tmp_path / "*.png"):
        assert [path.name for path in find_images(spec)] == ["a.png", "b.png"]
    with pytest.raises(FileError) as caught:
        decode(tmp_path / "b.png")
    assert caught.value.message == f"{tmp_path / 'b.png'}: no such file; expected a picture"
