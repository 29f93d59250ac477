from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from inspector.errors import OptionError
from inspector.filters import Filters, Kernels, build


def made(array: np.ndarray) -> Filters:
    return build(Kernels("m.onnx", "conv", "Conv", "w", array))


def by_plain_loops(kernels: np.ndarray) -> np.ndarray:
    """The notebook's picture, weight by weight, in grey levels."""
    outs, ins, side, _ = kernels.shape
    per_row = 1
    while per_row * per_row < outs * ins:
        per_row += 1
    canvas = [[0.0] * (per_row * (side + 4) - 4) for _ in range(per_row * (side + 4) - 4)]
    place = 0
    for out in range(outs):
        for channel in range(ins):
            row, column = place // per_row, place % per_row
            for i in range(side):
                for j in range(side):
                    canvas[row * (side + 4) + i][column * (side + 4) + j] = float(kernels[out, channel, i, j])
            place += 1
    low, high = min(map(min, canvas)), max(map(max, canvas))
    levels = [[min(int((value - low) / (high - low) * 256), 255) for value in line] for line in canvas]
    return np.array(levels, np.uint8)


@pytest.mark.parametrize("shape", [(32, 1, 10, 10), (8, 3, 5, 5), (1, 1, 3, 3), (5, 5, 1, 1), (3, 7, 2, 2)])
@pytest.mark.parametrize("offset", [0.0, 2.0, -2.0])
def test_the_picture_is_that_of_plain_loops_pixel_for_pixel(shape: tuple[int, ...], offset: float) -> None:
    kernels = (np.random.default_rng(0).normal(0, 0.3, shape) + offset).astype(np.float32)
    picture = made(kernels).picture(style="notebook")
    expected = by_plain_loops(kernels)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == expected.shape
    assert (picture.pixels == expected).all()


def test_the_png_is_grey_with_those_pixels() -> None:
    kernels = np.random.default_rng(0).normal(0, 0.3, (4, 2, 3, 3)).astype(np.float32)
    with Image.open(io.BytesIO(made(kernels).encode(".png", style="notebook"))) as image:
        assert image.mode == "L"
        assert (np.asarray(image) == by_plain_loops(kernels)).all()


def test_equal_weights_and_nothing_else_make_a_black_picture() -> None:
    assert not made(np.full((1, 1, 2, 2), 0.5, np.float32)).picture(style="notebook").pixels.any()


def test_broken_weights_are_black_and_set_no_scale() -> None:
    kernels = np.array([[[[np.nan, np.inf], [1.0, 2.0]]]], np.float32)
    assert made(kernels).picture(style="notebook").pixels.tolist() == [[0, 0], [0, 255]]


@pytest.mark.parametrize(
    ("shape", "found"),
    [((2, 1, 3, 5), "3 x 5, 2"), ((2, 3, 2, 3, 3), "2 x 3 x 3, 12"), ((0, 1, 3, 3), "3 x 3, 0")],
)
def test_kernels_that_are_not_square_are_refused(shape: tuple[int, ...], found: str) -> None:
    with pytest.raises(OptionError) as caught:
        made(np.zeros(shape, np.float32)).picture(style="notebook")
    assert caught.value.message == (
        f"m.onnx: layer 'conv': the notebook style needs square kernels; these are {found} of them"
    )
    assert caught.value.hint == "--style default"


@pytest.mark.parametrize(
    "options", [{"scale": "each"}, {"colormap": "magma"}, {"columns": 3}, {"zoom": 1}, {"captions": True}]
)
def test_the_style_takes_no_other_option(options: dict[str, object]) -> None:
    with pytest.raises(OptionError) as caught:
        made(np.ones((1, 1, 3, 3), np.float32)).picture(style="notebook", **options)
    assert caught.value.message == (
        "the notebook style fixes order, scale, colours and padding; it takes no other option"
    )


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        made(np.ones((1, 1, 3, 3), np.float32)).picture(style="plain")
    assert caught.value.message == "there is no style 'plain'; expected default or notebook"
