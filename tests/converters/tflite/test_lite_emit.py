"""Operators put together by hand: what the converter seldom writes, and what is refused."""

import numpy as np
import pytest
from lite_files import Part, Step, lite, run, stored
from lite_judge import check, refused, session_of

from converters.errors import UnsupportedError

RNG = np.random.default_rng(3)


def numbers(*shape, dtype=np.float32):
    return RNG.uniform(-3, 3, shape).astype(dtype)


def ints(*values, dtype=np.int32):
    return np.asarray(values, dtype)


SHAPE = (1, 4, 5, 3)
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
    "ADD with a tanh": (
        [Part(SHAPE), Part(SHAPE), Part(SHAPE)],
        Step("ADD", [0, 1], [2], {"fusedActivationFunction": 0}, "AddOptions"),
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


def conv(options, kernel=(2, 3, 3, 3), made=(1, 4, 5, 2)):
    given = {"padding": 0, "strideW": 1, "strideH": 1, **options}
    parts = [Part(SHAPE), stored(numbers(*kernel)), Part(made)]
    return lite(parts, [Step("CONV_2D", [0, 1], [2], given, "Conv2DOptions")])


def one(op, *others, made=SHAPE, shape=SHAPE, kind="", **options):
    """A graph of one operator that reads what is fed and these constants."""
    parts = [Part(shape), *(stored(other) for other in others), Part(made)]
    count = len(parts) - 1
    return lite(parts, [Step(op, list(range(count)), [count], options, kind)])


REFUSALS = {
    "a stride of zero": (
        conv({"strideH": 0}),
        "CONV_2D in t2 (its window [3, 3] has steps [0, 1] and [1, 1])",
    ),
    "another padding": (conv({"padding": 5}), "CONV_2D in t2 (its padding number 5 is not known)"),
    "another activation": (
        conv({"fusedActivationFunction": 5}),
        "CONV_2D in t2 (its activation SIGN_BIT is not known)",
    ),
    "kernels that do not fit": (
        conv({}, kernel=(2, 3, 3, 2)),
        "CONV_2D in t2 (its 2 kernels of 2 channels do not fit 3 of data)",
    ),
    "a kernel of three axes": (
        conv({}, kernel=(2, 3, 3)),
        "CONV_2D in t2 (its weights have the shape [2, 3, 3])",
    ),
    "a kernel without a scale": (
        lite(
            [Part(SHAPE), stored(np.ones((2, 3, 3, 3), np.int8)), Part((1, 4, 5, 2))],
            [Step("CONV_2D", [0, 1], [2], {"strideW": 1, "strideH": 1}, "Conv2DOptions")],
        ),
        "CONV_2D in t2 (its weights are int8 without a scale)",
    ),
    "a bias without a scale": (
        lite(
            [Part(SHAPE), stored(numbers(2, 3, 3, 3)), stored(ints(1, 2)), Part((1, 4, 5, 2))],
            [Step("CONV_2D", [0, 1, 2], [3], {"strideW": 1, "strideH": 1}, "Conv2DOptions")],
        ),
        "CONV_2D in t3 (its bias is int32, and its data or weights have no scale)",
    ),
    "a bias of two axes": (
        lite(
            [Part(SHAPE), stored(numbers(2, 3, 3, 3)), stored(numbers(1, 2)), Part((1, 4, 5, 2))],
            [Step("CONV_2D", [0, 1, 2], [3], {"strideW": 1, "strideH": 1}, "Conv2DOptions")],
        ),
        "CONV_2D in t3 (its bias has the shape [1, 2])",
    ),
    "a convolution of a vector": (
        lite(
            [Part((4, 3)), stored(numbers(2, 3, 3, 3)), Part((1, 4, 5, 2))],
            [Step("CONV_2D", [0, 1], [2], {"strideW": 1, "strideH": 1}, "Conv2DOptions")],
        ),
        "CONV_2D in t2 (its input has 2 axes; expected channels behind space)",
    ),
    "a transposed convolution of the wrong size": (
        one(
            "TRANSPOSE_CONV",
            kind="TransposeConvOptions",
        ),
        "TRANSPOSE_CONV in t1 (it has 1 inputs)",
    ),
    "an axis that is no constant": (
        lite(
            [Part(SHAPE), Part((1,), "int32"), Part(SHAPE)],
            [Step("REVERSE_V2", [0, 1], [2])],
            (0, 1),
        ),
        "REVERSE_V2 in t2 (its axis is not a constant)",
    ),
    "slopes of more axes": (
        one("PRELU", numbers(1, 1, 1, 1, 3)),
        "PRELU in t2 (its slopes have more axes than its input)",
    ),
    "an input that is left out": (
        lite([Part(SHAPE), Part(SHAPE)], [Step("ADD", [0, -1], [1], {}, "AddOptions")]),
        "ADD in t1 (it reads '', which has no counterpart)",
    ),
    "parts of different ranks": (
        one("CONCATENATION", numbers(2), kind="ConcatenationOptions"),
        "CONCATENATION in t2 (its inputs have different numbers of axes)",
    ),
    "a pile of different ranks": (
        one("PACK", numbers(2), kind="PackOptions", valuesCount=2),
        "PACK in t2 (its inputs have different numbers of axes)",
    ),
    "a shape that is no list": (
        one("BROADCAST_TO", np.int32(3)),
        "BROADCAST_TO in t2 (its new shape is not a list)",
    ),
    "a filling of many numbers": (
        lite([Part((2,), "int32"), stored(numbers(2)), Part((2, 2))], [Step("FILL", [0, 1], [2])]),
        "FILL in t2 (it is not filled with one number in a shape)",
    ),
    "a sorting of bytes": (
        lite(
            [Part((9,), "uint8"), stored(np.int32(2)), Part((2,), "uint8"), Part((2,), "int32")],
            [Step("TOPK_V2", [0, 1], [2, 3])],
        ),
        "TOPK_V2 in t2 (it sorts uint8)",
    ),
    "a text": (
        lite(
            [Part(SHAPE), Part(SHAPE, "string"), Part(SHAPE)],
            [Step("CAST", [0], [1]), Step("CAST", [1], [2])],
        ),
        "CAST in t1 (it makes STRING)",
    ),
    "no permutation": (
        one("TRANSPOSE", ints(0, 0, 1, 2)),
        "TRANSPOSE in t2 (its permutation is [0, 0, 1, 2])",
    ),
    "a shape that does not fit": (
        one("RESHAPE", ints(7, 7)),
        "RESHAPE in t2 (its 60 numbers do not fill the shape [7, 7])",
    ),
    "a wide axis to squeeze": (
        one("SQUEEZE", kind="SqueezeOptions", squeezeDims=[1]),
        "SQUEEZE in t1 (its axes [1] of [1, 4, 5, 3] are not of size 1)",
    ),
    "uneven parts": (
        lite(
            [stored(ints(1)), Part(SHAPE), Part(SHAPE)],
            [Step("SPLIT", [0, 1], [2], {"numSplits": 3}, "SplitOptions")],
            (1,),
        ),
        "SPLIT in t2 (its axis 1 of [1, 4, 5, 3] does not fall into 3 equal parts)",
    ),
    "parts of no axis": (
        one("SPLIT_V", ints(1, 3), ints(9), kind="SplitVOptions", numSplits=1),
        "SPLIT_V in t3 (its axis 9 of [1, 4, 5, 3] does not fall into parts of [1, 3])",
    ),
    "a stride of zero in a slice": (
        one("STRIDED_SLICE", ints(0), ints(1), ints(0), kind="StridedSliceOptions"),
        "STRIDED_SLICE in t4 (its stride is zero)",
    ),
    "ends that count from begins": (
        one("STRIDED_SLICE", ints(0), ints(1), ints(1), kind="StridedSliceOptions", offset=True),
        "STRIDED_SLICE in t4 (its ends count from its begins)",
    ),
    "a begin for too few axes": (
        one("SLICE", ints(0), ints(1)),
        "SLICE in t3 (its input 1 has the shape [1]; expected [4])",
    ),
    "a padding of another shape": (
        one("PAD", ints(1, 2)),
        "PAD in t2 (its padding is int32 [2]; expected [4, 2])",
    ),
    "a padding with many numbers": (
        one("PADV2", np.zeros((4, 2), np.int32), numbers(2)),
        "PADV2 in t3 (what it is padded with is not one constant number)",
    ),
    "a mirror beyond the border": (
        one("MIRROR_PAD", ints([0, 0], [9, 0], [0, 0], [0, 0]), kind="MirrorPadOptions"),
        "MIRROR_PAD in t2 (its padding [9, 0] mirrors an axis of 4)",
    ),
    "a mirror of another kind": (
        one("MIRROR_PAD", np.zeros((4, 2), np.int32), kind="MirrorPadOptions", mode=7),
        "MIRROR_PAD in t2 (its mode number 7 is not known)",
    ),
    "a picture of no size": (
        one("RESIZE_BILINEAR", ints(0, 5), kind="ResizeBilinearOptions"),
        "RESIZE_BILINEAR in t2 (its new size is [0, 5])",
    ),
    "a picture of a monstrous size": (
        one("RESIZE_NEAREST_NEIGHBOR", ints(2000000000, 5), kind="ResizeNearestNeighborOptions"),
        "RESIZE_NEAREST_NEIGHBOR in t2 (its new size is [2000000000, 5])",
    ),
    "no picture": (
        one("RESIZE_BILINEAR", ints(3, 5), shape=(4, 5), kind="ResizeBilinearOptions"),
        "RESIZE_BILINEAR in t2 (its input is no picture, or its new size is none)",
    ),
    "blocks that do not fit": (
        one("SPACE_TO_DEPTH", kind="SpaceToDepthOptions", blockSize=3),
        "SPACE_TO_DEPTH in t1 (its blocks of 3 do not fit its input)",
    ),
    "blocks of nothing": (
        one("SPACE_TO_BATCH_ND", ints(0, 0), np.zeros((2, 2), np.int32)),
        "SPACE_TO_BATCH_ND in t3 (its blocks [0, 0] do not fit its 4 axes)",
    ),
    "a tensor of a thousand millions": (
        one("TILE", ints(1000, 1000, 1000, 1)),
        "TILE in t2 (its output has 60,000,000,000 numbers)",
    ),
    "a monstrous depth": (
        lite(
            [
                Part((2,), "int32"),
                stored(ints(2000000000)),
                stored(numbers()),
                stored(numbers()),
                Part((2, 1)),
            ],
            [Step("ONE_HOT", [0, 1, 2, 3], [4], {"axis": -1}, "OneHotOptions")],
        ),
        "ONE_HOT in t4 (its depth is [2000000000])",
    ),
    "an endless sequence": (
        lite(
            [Part((2,)), *(stored(np.asarray(n, np.float32)) for n in (0, 1, 0)), Part((2,)), Part((2,))],
            [Step("RANGE", [1, 2, 3], [4]), Step("ADD", [0, 4], [5], {}, "AddOptions")],
        ),
        "RANGE in t5 (it goes from 0.0 to 1.0 in steps of 0.0)",
    ),
    "shuffled weights": (
        one("FULLY_CONNECTED", numbers(2, 3), kind="FullyConnectedOptions", weightsFormat=1),
        "FULLY_CONNECTED in t2 (its weights are shuffled)",
    ),
    "an operator without an emitter": (one("SVDF"), "SVDF in t1"),
    "too many inputs": (one("ABS", numbers(3)), "ABS in t2 (it has 2 inputs)"),
    "too few outputs": (
        one("UNPACK", kind="UnpackOptions", num=3, axis=3),
        "UNPACK in t1 (it has 1 outputs; expected 3)",
    ),
    "another axis": (
        one("CONCATENATION", kind="ConcatenationOptions", axis=6),
        "CONCATENATION in t1 (its axis 6 is not one of the 4 of its data)",
    ),
    "scores of whole numbers that are too wide": (
        lite(
            [Part(SHAPE, "int16", scale=[0.1], zero=[0]), Part(SHAPE, "int16", scale=[0.1], zero=[0])],
            [Step("LOGISTIC", [0], [1])],
        ),
        "LOGISTIC in t1 (its tensors have 16 bits, which needs opset 21)",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_written_is_named_with_its_layer_and_the_reason(tmp_path, name):
    content, message = REFUSALS[name]
    assert refused(tmp_path, content) == message


def test_a_transposed_convolution_whose_size_cannot_be_is_refused(tmp_path):
    parts = [stored(ints(1, 9, 5, 2)), stored(numbers(2, 3, 3, 3)), Part(SHAPE), Part((1, 9, 5, 2))]
    options = {"padding": 1, "strideW": 1, "strideH": 1}
    content = lite(parts, [Step("TRANSPOSE_CONV", [0, 1, 2], [3], options, "TransposeConvOptions")], (2,))
    assert refused(tmp_path, content) == (
        "TRANSPOSE_CONV in t3 (no input of its size gives an output of [9, 5])"
    )


def test_an_input_of_text_is_refused(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(lite([Part(SHAPE, "string"), Part(SHAPE)], [Step("CAST", [0], [1])]))
    with pytest.raises(UnsupportedError) as caught:
        session_of(path, tmp_path / "m.onnx")
    assert caught.value.message == f"{path}: its tensor 't0' holds STRING; expected numbers that numpy has"


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
    session, _ = session_of(tmp_path / "m.tflite", tmp_path / "m.onnx")
    assert session.get_inputs()[0].name == "t0"
    assert merged == (b"Pad" not in (tmp_path / "m.onnx").read_bytes().replace(b"pads", b""))
