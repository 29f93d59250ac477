"""Operators of TensorFlow Lite that cannot be written: the layer and the reason."""

from __future__ import annotations

import numpy as np
import pytest
from lite_files import Part, Step, lite, stored
from lite_judge import refused, session_of
from lite_numbers import SHAPE, ints, numbers

from converters.errors import UnsupportedError


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
