"""What is no picture, or one too large or damaged: one sentence each."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from encoded_pictures import COLOURS, RNG, encoded
from PIL import Image

from inspector.errors import FileError, ImageError
from inspector.images import decode
from inspector.pixels import MAX_PIXELS


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
    # Pillow does not take such a PPM for a picture.
    with pytest.raises(
        ImageError, match=r"^none\.ppm: the picture is damaged or cut short \(.+\); expected a "
    ):
        decode(b"P6 0 0 255\n", name="none.ppm")


def with_size(data: bytes, side: int) -> bytes:
    """A JPEG or WebP that claims to be a square of this size."""
    changed = bytearray(data)
    if data.startswith(b"RIFF"):
        changed[26:30] = side.to_bytes(2, "little") * 2
    else:
        # The frame's marker, its length and its depth come before.
        at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
        changed[at : at + 4] = side.to_bytes(2, "big") * 2
    return bytes(changed)


def refusal_of_size(most: int, kind: str, **options: bool) -> tuple[str, str]:
    """What is said of a picture of a little more than these pixels, and what is expected to be said."""
    small = encoded(Image.new("RGB", (64, 64)), kind, **options)
    assert decode(with_size(small, 64)).image.size == (64, 64)
    side = math.isqrt(most) + 1
    with pytest.raises(ImageError) as caught:
        decode(with_size(small, side), name="large")
    return caught.value.message, f"large: has {side:,}x{side:,} pixels; expected at most {most:,}"


@pytest.mark.parametrize(
    ("kind", "options", "most"), [("WEBP", {}, 25_000_000), ("JPEG", {"progressive": True}, 33_333_333)]
)
def test_decoders_that_keep_more_than_the_picture_get_smaller_ones(
    kind: str, options: dict[str, bool], most: int
) -> None:
    found, expected = refusal_of_size(most, kind, **options)
    assert found == expected


def test_a_plain_jpeg_may_have_as_many_pixels_as_any() -> None:
    found, expected = refusal_of_size(MAX_PIXELS, "JPEG")
    assert found == expected


def test_bytes_are_capped_like_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.images.MAX_FILE_BYTES", 100)
    data = encoded(Image.new("RGB", (64, 64)), "BMP")
    with pytest.raises(ImageError) as caught:
        decode(data, name="-")
    assert caught.value.message == f"-: is {len(data):,} bytes, more than the 100 accepted for a picture"
