"""Operators put together by hand: what the converter seldom writes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from lite_files import Part, Step, lite, run, stored
from lite_judge import check, session_of
from lite_numbers import RNG, SHAPE, ints, numbers

BY_HAND = {
    "SQUEEZE": ([Part((1, 4, 1, 3)), Part((4, 3))], Step("SQUEEZE", [0], [1])),
    "SQUEEZE named": (
        [Part((1, 4, 1, 3)), Part((1, 4, 3))],
        Step("SQUEEZE", [0], [1], {"squeezeDims": [2]}, "SqueezeOptions"),
    ),
    "EXPAND_DIMS": ([Part(SHAPE), stored(ints(-1)), Part((*SHAPE, 1))], Step("EXPAND_DIMS", [0, 1], [2])),
    "RELU_0_TO_1": ([Part(SHAPE), Part(SHAPE)], Step("RELU_0_TO_1", [0], [1])),
    "RELU6": ([Part(SHAPE), Part(SHAPE)], Step("RELU6", [0], [1])),
    "PRELU": (
        [Part(SHAPE), stored(numbers(1, 1, 3)), Part(SHAPE)],
        Step("PRELU", [0, 1], [2]),
    ),
    "RANK": ([Part(SHAPE), Part((), "int32")], Step("RANK", [0], [1])),
    "ZEROS_LIKE": ([Part(SHAPE), Part(SHAPE)], Step("ZEROS_LIKE", [0], [1])),
    "RESHAPE by an option": (
        [Part(SHAPE), Part((4, 15))],
        Step("RESHAPE", [0], [1], {"newShape": [4, 15]}, "ReshapeOptions"),
    ),
    "FULLY_CONNECTED without a bias": (
        [Part((2, 3)), stored(numbers(4, 3)), Part((2, 4))],
        Step("FULLY_CONNECTED", [0, 1, -1], [2], {}, "FullyConnectedOptions"),
    ),
    "TRANSPOSE of channels first": (
        [Part(SHAPE), stored(ints(0, 3, 1, 2)), Part((1, 3, 4, 5))],
        Step("TRANSPOSE", [0, 1], [2]),
    ),
    "CONV_2D with a kernel that is fed": (
        [Part(SHAPE), Part((2, 3, 3, 3)), stored(numbers(2)), Part((1, 2, 3, 2))],
        Step("CONV_2D", [0, 1, 2], [3], {"padding": 1, "strideW": 1, "strideH": 1}, "Conv2DOptions"),
    ),
    "FULLY_CONNECTED that keeps its axes": (
        [Part(SHAPE), stored(numbers(2, 3)), stored(numbers(2)), Part((1, 4, 5, 2))],
        Step(
            "FULLY_CONNECTED",
            [0, 1, 2],
            [3],
            {"keepNumDims": True, "fusedActivationFunction": 1},
            "FullyConnectedOptions",
        ),
    ),
    "FULLY_CONNECTED of all that is no channel": (
        [Part(SHAPE), stored(numbers(2, 15)), stored(numbers(2)), Part((4, 2))],
        Step("FULLY_CONNECTED", [0, 1, 2], [3], {}, "FullyConnectedOptions"),
    ),
    "FULLY_CONNECTED with weights that are fed": (
        [Part((2, 3)), Part((4, 3)), Part((4,)), Part((2, 4))],
        Step("FULLY_CONNECTED", [0, 1, 2], [3], {}, "FullyConnectedOptions"),
    ),
    "BATCH_MATMUL by a constant": (
        [Part((1, 4, 3)), stored(numbers(1, 3, 2)), Part((1, 4, 2))],
        Step("BATCH_MATMUL", [0, 1], [2], {}, "BatchMatMulOptions"),
    ),
    "SOFTMAX with a factor": (
        [Part(SHAPE), Part(SHAPE)],
        Step("SOFTMAX", [0], [1], {"beta": 0.3}, "SoftmaxOptions"),
    ),
    "ADD cut off at -1 and 1": (
        [Part(SHAPE), Part(SHAPE), Part(SHAPE)],
        Step("ADD", [0, 1], [2], {"fusedActivationFunction": 2}, "AddOptions"),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_an_operator_put_together_by_hand_gives_what_litert_gives(tmp_path, name):
    parts, step = BY_HAND[name]
    fed = [place for place in step.inputs if place >= 0 and parts[place].data is None]
    content = lite(parts, [step], fed)
    check(tmp_path, content, *(numbers(*parts[place].shape) * 3 for place in fed))


def test_truth_values_are_chosen_by_and_turned_round(tmp_path):
    shape = (3, 4)
    parts = [
        Part(shape, "bool"),
        Part(shape),
        Part(shape),
        Part(shape, "bool"),
        Part(shape),
        Part((3,), "bool"),
    ]
    parts.insert(5, stored(ints(1)))
    steps = [
        Step("LOGICAL_NOT", [0], [3]),
        Step("SELECT", [3, 1, 2], [4]),
        Step("REDUCE_ALL", [0, 5], [6], {"keepDims": False}, "ReducerOptions"),
    ]
    content = lite(parts, steps, (0, 1, 2), (4, 6))
    check(tmp_path, content, RNG.random(shape) < 0.8, numbers(*shape), numbers(*shape))


def test_whole_numbers_go_from_one_quantization_to_another(tmp_path):
    scales = {"dtype": "uint8", "scale": [0.1], "zero": [100]}
    parts = [Part((2, 8), **scales), Part((2, 8), "int8", scale=[0.17], zero=[-3]), Part((2, 8))]
    content = lite(parts, [Step("QUANTIZE", [0], [1]), Step("DEQUANTIZE", [1], [2])], (0,), (1, 2))
    check(tmp_path, content, RNG.integers(0, 256, (2, 8)).astype(np.uint8), within=1)


def test_slopes_of_whole_numbers_are_laid_out_as_the_data(tmp_path):
    kernel = stored(RNG.integers(-99, 99, (3, 1, 1, 3)).astype(np.int8), scale=[0.01], zero=[0])
    parts = [
        Part(SHAPE, "int8", scale=[0.03], zero=[4]),
        kernel,
        Part(SHAPE, "int8", scale=[0.04], zero=[-1]),
        stored(RNG.integers(-99, 99, (1, 1, 3)).astype(np.int8), scale=[0.01], zero=[2]),
        Part(SHAPE, "int8", scale=[0.05], zero=[-7]),
        stored(ints(5, -90, 300), scale=[0.03 * 0.01]),
    ]
    convolution = Step("CONV_2D", [0, 1, 5], [2], {"padding": 1, "strideW": 1, "strideH": 1}, "Conv2DOptions")
    content = lite(parts, [convolution, Step("PRELU", [2, 3], [4])], outputs=(4,))
    check(tmp_path, content, RNG.integers(-128, 128, SHAPE).astype(np.int8), within=2)


def test_weights_of_four_bits_are_two_to_a_byte(tmp_path):
    weights = np.asarray([[-8, 7, 3], [0, -1, 5]], np.int8)
    low = weights.reshape(-1)
    packed = ((low[0::2] & 15) | (low[1::2] << 4)).astype(np.uint8).tobytes()
    parts = [Part((1, 3)), Part((2, 3), "int4", raw=packed, scale=[0.5]), Part((1, 2))]
    path = tmp_path / "m.tflite"
    path.write_bytes(lite(parts, [Step("FULLY_CONNECTED", [0, 1], [2], {}, "FullyConnectedOptions")]))
    session, _ = session_of(path, tmp_path / "m.onnx")
    x = numbers(1, 3)
    assert np.allclose(session.run(None, {"t0": x})[0], x @ (weights.T * 0.5), atol=1e-6)


def test_sixteen_bits_are_written_where_the_opset_has_them(tmp_path):
    whole = {"dtype": "int16", "zero": [0]}
    parts = [Part((2, 9), scale=[1 / 4096], **whole), Part((2, 9), scale=[1 / 32768], **whole)]
    path = tmp_path / "m.tflite"
    path.write_bytes(lite(parts, [Step("LOGISTIC", [0], [1])]))
    session, _ = session_of(path, tmp_path / "m.onnx", opset=21)
    x = RNG.integers(-32768, 32768, (2, 9)).astype(np.int16)
    assert np.abs(session.run(None, {"t0": x})[0].astype(int) - run(path, x)[0]).max() <= 8


@pytest.mark.parametrize(
    ("padding", "stride", "again", "cut", "made", "out"),
    [
        (0, 1, (2, 2), 0, (4, 2, 3, 2), (1, 4, 6, 2)),
        (1, 1, (2, 2), 1, (4, 1, 2, 2), (1, 1, 3, 2)),
        (1, 1, (4, 1), 0, (4, 1, 2, 2), (1, 4, 2, 2)),
        (0, 2, (2, 2), 0, (4, 1, 2, 2), (1, 2, 4, 2)),
    ],
)
def test_phases_of_a_grid_that_are_no_dilation_stay_what_they_are(
    tmp_path, padding, stride, again, cut, made, out
):
    """Padded inside of a phase, cut off by more than was added, put together otherwise, or with steps."""
    parts = [
        Part((1, 4, 6, 3)),
        stored(ints(2, 2)),
        stored(np.zeros((2, 2), np.int32)),
        Part((4, 2, 3, 3)),
        stored(numbers(2, 2, 2, 3)),
        stored(numbers(2)),
        Part(made),
        stored(ints(*again)),
        stored(ints([cut, 0], [cut, 0])),
        Part(out),
    ]
    options = {"padding": padding, "strideW": stride, "strideH": stride}
    steps = [
        Step("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Step("CONV_2D", [3, 4, 5], [6], options, "Conv2DOptions"),
        Step("BATCH_TO_SPACE_ND", [6, 7, 8], [9]),
    ]
    check(tmp_path, lite(parts, steps), numbers(1, 4, 6, 3))


@pytest.mark.parametrize(
    ("paddings", "kind"),
    [
        ([[0, 0], [1, 0], [0, 2], [0, 0]], 1),
        ([[0, 0], [1, 0], [0, 2], [0, 0]], 0),
        ([[0, 0], [1, 0], [0, 2], [1, 0]], 1),
    ],
)
def test_zeros_before_a_convolution_are_its_own_where_they_can_be(tmp_path, paddings, kind):
    padded = tuple(size + sum(pair) for size, pair in zip(SHAPE, paddings, strict=True))
    size = [padded[1], padded[2]] if kind == 0 else [padded[1] - 1, padded[2] - 1]
    parts = [
        Part(SHAPE),
        stored(np.asarray(paddings, np.int32)),
        Part(padded),
        stored(numbers(2, 2, 2, padded[3])),
        stored(numbers(2)),
        Part((1, *size, 2)),
    ]
    options = {"padding": kind, "strideW": 1, "strideH": 1}
    steps = [Step("PAD", [0, 1], [2]), Step("CONV_2D", [2, 3, 4], [5], options, "Conv2DOptions")]
    check(tmp_path, lite(parts, steps), numbers(*SHAPE))
    merged = kind == 1 and paddings[3] == [0, 0]
    written = {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}
    assert "Conv" in written
    assert merged == ("Pad" not in written)
