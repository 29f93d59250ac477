from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from inspector.errors import ImageError, ModelError, OptionError
from inspector.layout import layout_of, show
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.graph import Dimension, Value
from inspector.preprocess import Preprocess, declared_in, default_for

RNG = np.random.default_rng(3)


def value(*shape: Dimension, dtype: DataType | None = DataType.FLOAT) -> Value:
    return Value("X", dtype, shape)


def picture(height: int, width: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        (("N", 91, 91, 1), "NHWC"),
        ((1, 224, 224, 3), "NHWC"),
        ((None, None, None, 3), "NHWC"),
        (("N", 3, 224, 224), "NCHW"),
        ((1, 1, 28, 28), "NCHW"),
        (("N", 3, None, None), "NCHW"),
        (("N", 28, 28), "NHW"),
        ((1, 28, 28), "NHW"),
        ((3, 32, 32), "CHW"),
        ((32, 32, 3), "HWC"),
    ],
)
def test_the_axes_of_an_input_are_told_from_its_shape(shape: tuple[Dimension, ...], axes: str) -> None:
    assert layout_of(value(*shape)).axes == axes


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            ("N", 3, 32, 3),
            "the input 'X' has the shape (N, 3, 32, 3), which may be NHWC or NCHW; expected one",
        ),
        (
            ("N", 10),
            "the input 'X' has the shape (N, 10); expected pictures: (batch, height, width, channels) or "
            "(batch, channels, height, width) with 1 or 3 channels",
        ),
        (
            (None, None, None, None),
            "the input 'X' has the shape (?, ?, ?, ?); expected pictures: (batch, height, width, channels) "
            "or (batch, channels, height, width) with 1 or 3 channels",
        ),
        (
            ("N", 784),
            "the input 'X' has the shape (N, 784), which may be flattened grey pictures; "
            "expected a declaration that it is",
        ),
        (("N", 0, 91, 1), "the input 'X' has the shape (N, 0, 91, 1); expected positive sizes"),
    ],
)
def test_an_input_that_takes_no_pictures_is_refused(shape: tuple[Dimension, ...], message: str) -> None:
    with pytest.raises(ImageError) as caught:
        layout_of(value(*shape))
    assert caught.value.message == message


def test_an_input_without_shape_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        layout_of(Value("X", DataType.FLOAT, None))
    assert caught.value.message == "the input 'X' does not declare its shape; expected that of pictures"


def test_shapes_are_written_as_people_do() -> None:
    assert [show(None), show((5,)), show(("N", None, 3))] == ["(unknown)", "(5,)", "(N, ?, 3)"]


def test_channels_must_be_those_of_the_input() -> None:
    for channels, shape, found in (("gray", (1, 8, 8, 3), "3 channels"), ("bgr", (1, 8, 8, 1), "1 channel")):
        with pytest.raises(OptionError) as caught:
            layout_of(value(*shape), channels)  # type: ignore[arg-type]
        gives = "1 channel" if channels == "gray" else "3 channels"
        assert caught.value.message == (
            f"the input 'X' has the shape {show(shape)}, that is {found}; channels {channels!r} gives {gives}"
        )


def test_rgb_is_handed_over_in_the_layout_of_the_input() -> None:
    image = picture(6, 5)
    last = Preprocess("rgb", "0..255").apply(image, value("N", 6, 5, 3))
    second = Preprocess("rgb", "0..255").apply(image, value("N", 3, 6, 5))
    assert last.dtype == second.dtype == np.float32
    assert np.array_equal(last, np.asarray(image, np.float32)[None])
    assert np.array_equal(second, np.asarray(image, np.float32).transpose(2, 0, 1)[None])
    assert second.flags.c_contiguous


def test_bgr_reverses_the_channels_before_mean_and_std_are_used() -> None:
    image = picture(4, 4)
    way = Preprocess("bgr", "0..255", mean=(104, 117, 123), std=(1, 2, 4))
    expected = np.empty((1, 4, 4, 3), np.float32)
    for y in range(4):
        for x in range(4):
            red, green, blue = image.getpixel((x, y))  # type: ignore[misc]
            expected[0, y, x] = [(blue - 104) / 1, (green - 117) / 2, (red - 123) / 4]
    assert np.array_equal(way.apply(image, value(None, 4, 4, 3)), expected)


@pytest.mark.parametrize(("scale", "low", "high"), [("0..1", 0, 1), ("0..255", 0, 255), ("-1..1", -1, 1)])
def test_a_range_says_what_black_and_white_become(scale: str, low: float, high: float) -> None:
    image = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8))
    found = Preprocess("gray", scale).apply(image, value("N", 2, 2, 1))  # type: ignore[arg-type]
    assert found.ravel().tolist() == [low, high, high, low]


def test_mean_and_std_are_in_the_units_of_the_range() -> None:
    image = Image.new("RGB", (2, 2), (255, 0, 51))
    way = Preprocess("rgb", "0..1", mean=(0.5,), std=(0.25,))
    assert np.allclose(way.apply(image, value(1, 3, 2, 2))[0, :, 0, 0], [2, -2, -1.2], atol=1e-6)


def test_division_by_255_is_exact_to_the_last_bit() -> None:
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    found = Preprocess("gray").apply(image, value("N", 16, 16, 1)).ravel()
    assert np.array_equal(found, np.arange(256, dtype=np.float32) / np.float32(255))


def test_grey_is_the_luma_of_itu_r_601() -> None:
    image = Image.new("RGB", (2, 2), (200, 100, 50))
    found = Preprocess("gray", "0..255").apply(image, value("N", 2, 2, 1))
    assert abs(found[0, 0, 0, 0] - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)) <= 0.5


def test_a_grey_picture_fills_three_channels() -> None:
    found = Preprocess("rgb", "0..255").apply(Image.new("L", (2, 2), 9), value("N", 2, 2, 3))
    assert found.ravel().tolist() == [9] * 12


def test_inputs_without_a_batch_or_channel_axis_get_none() -> None:
    image = picture(4, 4)
    assert Preprocess().apply(image, value(4, 4, 3)).shape == (4, 4, 3)
    assert Preprocess().apply(image, value(3, 4, 4)).shape == (3, 4, 4)
    assert Preprocess("gray").apply(image, value("N", 4, 4)).shape == (1, 4, 4)


def test_flattened_grey_pictures_are_taken_when_declared() -> None:
    image = Image.fromarray(RNG.integers(0, 256, (28, 28), dtype=np.uint8))
    found = Preprocess("gray", "0..255").apply(image, value("N", 784))
    assert np.array_equal(found, np.asarray(image, np.float32).reshape(1, 784))


def test_stretching_ignores_the_proportions() -> None:
    image = Image.fromarray(np.repeat(np.array([[0, 200]], np.uint8), [4, 4], axis=1).repeat(2, 0))
    found = Preprocess("gray", "0..255").apply(image, value("N", 2, 2, 1))[0, :, :, 0]
    assert found[0, 0] < 60 < 140 < found[0, 1]


def test_shrinking_averages_over_all_pixels() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (64, 32)))
    found = Preprocess("gray", "0..255").apply(stripes, value("N", 8, 8, 1))
    assert np.abs(found - 127.5).max() < 8


def bars(height: int, width: int) -> Image.Image:
    """Three vertical bars, the outer ones black, the middle one as wide as the picture is high."""
    shades = np.zeros((height, width), np.uint8)
    side = (width - height) // 2
    shades[:, side : side + height] = 200
    return Image.fromarray(shades)


def test_cropping_keeps_the_middle() -> None:
    found = Preprocess("gray", "0..255", resize="crop").apply(bars(30, 60), value("N", 30, 30, 1))
    assert (found == 200).all()
    upright = bars(30, 60).transpose(Image.Transpose.ROTATE_90)
    assert (Preprocess("gray", "0..255", resize="crop").apply(upright, value("N", 30, 30, 1)) == 200).all()


def test_padding_adds_black_bars_evenly() -> None:
    white = Image.new("L", (40, 20), 255)
    found = Preprocess("gray", "0..255", resize="pad").apply(white, value("N", 20, 20, 1))[0, :, :, 0]
    assert (found[5:15] == 255).all()
    assert (found[:5] == 0).all()
    assert (found[15:] == 0).all()


def test_an_input_without_sizes_keeps_the_picture_s() -> None:
    assert Preprocess().apply(picture(7, 11), value("N", 3, None, None)).shape == (1, 3, 7, 11)


def test_an_input_with_one_size_keeps_the_proportions() -> None:
    assert Preprocess().apply(picture(10, 20), value("N", 3, 30, None)).shape == (1, 3, 30, 60)
    assert Preprocess().apply(picture(10, 20), value("N", 3, None, 30)).shape == (1, 3, 15, 30)


def test_a_picture_that_would_become_too_large_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        Preprocess().apply(picture(1, 3000), value("N", 3, 1000, None))
    assert caught.value.message == (
        "the input 'X' made of a picture of 3,000x1: has 3,000,000x1,000 pixels; expected at most 50,000,000"
    )


@pytest.mark.parametrize("dtype", [DataType.FLOAT16, DataType.DOUBLE])
def test_other_float_inputs_get_their_own_type(dtype: DataType) -> None:
    found = Preprocess().apply(picture(2, 2), value("N", 2, 2, 3, dtype=dtype))
    assert found.dtype == dtype.numpy


def test_integer_inputs_get_the_pixels_by_default() -> None:
    image = Image.fromarray(np.array([[0, 128], [255, 7]], np.uint8))
    unsigned = value("N", 2, 2, 1, dtype=DataType.UINT8)
    signed = value("N", 2, 2, 1, dtype=DataType.INT8)
    found = default_for(unsigned).apply(image, unsigned), default_for(signed).apply(image, signed)
    assert [array.ravel().tolist() for array in found] == [[0, 128, 255, 7], [-128, 0, 127, -121]]
    assert [array.dtype for array in found] == [np.uint8, np.int8]


def test_values_that_an_integer_input_cannot_hold_are_refused() -> None:
    for dtype, way, message in (
        (DataType.INT8, Preprocess("gray", "0..255"), "-128..127; the pixels would be 0..255"),
        (DataType.UINT8, Preprocess("gray", "0..1"), "0..255; the pixels would be 0..1"),
    ):
        with pytest.raises(OptionError) as caught:
            way.check(value("N", 2, 2, 1, dtype=dtype))
        assert caught.value.message == f"the input 'X' takes whole numbers {message}"


def test_an_input_of_strings_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        Preprocess().check(value("N", 2, 2, 3, dtype=DataType.STRING))
    assert caught.value.message == "the input 'X' takes object; expected a type for pixels"


def test_the_default_is_grey_for_one_channel_and_rgb_for_three() -> None:
    assert default_for(value("N", 8, 8, 1)) == Preprocess("gray", "0..1")
    assert default_for(value("N", 3, 8, 8)) == Preprocess("rgb", "0..1")
    assert default_for(value("N", 784), "gray") == Preprocess("gray", "0..1")


def test_a_way_is_said_in_words() -> None:
    way = Preprocess("bgr", "0..255", mean=(104, 117, 123), std=(58.4,), resize="crop")
    assert way.sentence(value("N", 3, 224, 227)) == (
        "BGR, values 0..255, less (104, 117, 123), divided by (58.4), cropped to 227x224"
    )
    assert Preprocess().sentence(value("N", 3, None, None)) == "RGB, values 0..1"


def test_json_gives_back_what_was_stored() -> None:
    way = Preprocess("bgr", "-1..1", (1.5, 2, 3), (0.5,), "pad")
    assert Preprocess.from_json(way.to_json(), "m.onnx") == way


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "m.onnx: the metadata 'inspector.preprocess' is not JSON"),
        ("[" * 100_000, "m.onnx: the metadata 'inspector.preprocess' is not JSON"),
        (
            '["rgb"]',
            "m.onnx: the metadata 'inspector.preprocess' is not an object of "
            "channels, range, mean, std, resize",
        ),
        (
            '{"colour": "rgb"}',
            "m.onnx: the metadata 'inspector.preprocess' is not an object of "
            "channels, range, mean, std, resize",
        ),
        (
            '{"mean": "0.5"}',
            "m.onnx: mean in the metadata 'inspector.preprocess' is not a list of numbers",
        ),
        ('{"range": 1}', "m.onnx: range in the metadata 'inspector.preprocess' is not a string"),
        (
            '{"channels": "cmyk"}',
            "m.onnx: in the metadata 'inspector.preprocess', "
            "channels is 'cmyk'; expected one of rgb, bgr, gray",
        ),
    ],
)
def test_broken_stored_json_is_named(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        Preprocess.from_json(text, "m.onnx")
    assert caught.value.message == message
    assert caught.value.hint == "Set it anew: inspector annotate m.onnx"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mean": (1, 2)}, "mean is (1, 2); expected 1 or 3 finite numbers for rgb"),
        ({"channels": "gray", "std": (1, 2, 3)}, "std is (1, 2, 3); expected 1 finite numbers for gray"),
        ({"mean": (float("nan"),)}, "mean is (nan); expected 1 or 3 finite numbers for rgb"),
        ({"std": (0.0,)}, "std is (0); expected numbers above 0"),
        ({"resize": "squash"}, "resize is 'squash'; expected one of stretch, crop, pad"),
    ],
)
def test_values_that_make_no_sense_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Preprocess(**fields)  # type: ignore[arg-type]
    assert caught.value.message == message


def test_changing_some_fields_keeps_the_others() -> None:
    changed = Preprocess("bgr", mean=(1, 2, 3)).changed({"range": "0..255", "std": [2.0]})
    assert changed == Preprocess("bgr", "0..255", (1, 2, 3), (2.0,))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None),
        ({"Image.BitmapPixelFormat": "Bgr8"}, Preprocess("bgr", "0..255")),
        (
            {"Image.BitmapPixelFormat": "Gray8", "Image.NominalPixelRange": "Normalized_1_1"},
            Preprocess("gray", "-1..1"),
        ),
        (
            {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_0_1"},
            Preprocess("rgb", "0..1"),
        ),
        ({"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "NominalRange_16_235"}, None),
        ({"Image.BitmapPixelFormat": "Rgba8"}, None),
    ],
)
def test_onnx_s_own_declarations_are_read(metadata: dict[str, str], expected: Preprocess | None) -> None:
    assert declared_in(metadata, "m.onnx") == expected


def test_inspector_s_declaration_comes_first() -> None:
    metadata = {"Image.BitmapPixelFormat": "Bgr8", "inspector.preprocess": json.dumps({"range": "-1..1"})}
    assert declared_in(metadata, "m.onnx") == Preprocess("rgb", "-1..1")


def test_the_model_is_named_where_it_is_known() -> None:
    with pytest.raises(ImageError) as caught:
        default_for(Value("X", DataType.FLOAT, None), where="m.onnx")
    assert (
        caught.value.message == "m.onnx: the input 'X' does not declare its shape; expected that of pictures"
    )
    with pytest.raises(ImageError) as caught:
        Preprocess().check(value("N", 10), where="m.onnx")
    assert caught.value.message.startswith("m.onnx: the input 'X' has the shape (N, 10); expected pictures")
