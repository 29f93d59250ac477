"""Receptive fields, against what really changes a position: a pixel moved at a time."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.model import load
from inspector.receptive_field import receptive_field

RANDOM = np.random.default_rng(0)


def saved(tmp_path, nodes, weights, shape=("N", 1, 20, 18)):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [value], [result], tensors)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return load(path)


def kernel(*shape):
    # All positive: nothing that is seen cancels out.
    return RANDOM.uniform(0.5, 1, shape).astype(np.float32)


def seen_by_trial(model, row, column, shape):
    """The box of the pixels that change y[0, :, row, column]; NCHW or NHWC input by its shape."""
    session = model.session()
    x = np.zeros(shape, np.float32)
    space = [axis for axis in (1, 2, 3) if shape[axis] > 1]
    base = session.run({"x": x})["y"][0, :, row, column].sum()
    rows, columns = [], []
    for i in range(shape[space[0]]):
        for j in range(shape[space[1]]):
            moved = x.copy()
            moved[(0, 0, i, j) if space == [2, 3] else (0, i, j, 0)] = 1
            if session.run({"x": moved})["y"][0, :, row, column].sum() != base:
                rows.append(i)
                columns.append(j)
    return min(rows), min(columns), max(rows) + 1, max(columns) + 1


CONV = {"w": kernel(2, 1, 3, 5)}
CASES = {
    "one convolution": ([helper.make_node("Conv", ["x", "w"], ["y"])], CONV),
    "stride, padding and dilation": (
        [helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 1], pads=[2, 2, 2, 2], dilations=[2, 1])],
        CONV,
    ),
    "pooling between convolutions": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 2, 1, 2]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("AveragePool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Conv", ["c", "v"], ["y"]),
        ],
        {**CONV, "v": kernel(1, 2, 3, 3)},
    ),
    "padded as TensorFlow does": (
        [helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[3, 2])],
        {"w": kernel(1, 1, 4, 4)},
    ),
    "padded as TensorFlow does, more in front": (
        [helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[2, 1])],
        {"w": kernel(1, 1, 5, 4)},
    ),
    "branches that look to different sides": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[2, 4, 0, 0]),
            helper.make_node("Conv", ["x", "v"], ["b"], pads=[0, 0, 2, 4]),
            helper.make_node("Add", ["a", "b"], ["y"]),
        ],
        {**CONV, "v": kernel(2, 1, 3, 5)},
    ),
    "a residual": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 2, 1, 2]),
            helper.make_node("Conv", ["a", "v"], ["b"], pads=[1, 1, 1, 1]),
            helper.make_node("Add", ["a", "b"], ["y"]),
        ],
        {**CONV, "v": kernel(2, 2, 3, 3)},
    ),
    "branches side by side": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 2, 1, 2]),
            helper.make_node("Conv", ["x", "v"], ["b"], pads=[3, 3, 3, 3]),
            helper.make_node("Concat", ["a", "b"], ["y"], axis=1),
        ],
        {**CONV, "v": kernel(1, 1, 7, 7)},
    ),
    "a pad of its own": (
        [
            helper.make_node("Pad", ["x", "pads"], ["p"]),
            helper.make_node("Conv", ["p", "w"], ["y"]),
        ],
        {**CONV, "pads": np.array([0, 0, 2, 1, 0, 0, 0, 1])},
    ),
}


TWICE = np.array([1, 1, 2, 2], np.float32)
CASES |= {
    "rows and columns exchanged": (
        [
            helper.make_node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]),
            helper.make_node("Conv", ["t", "w"], ["y"]),
        ],
        CONV,
    ),
    "rows and columns exchanged between convolutions": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 1]),
            helper.make_node("Transpose", ["a"], ["t"], perm=[0, 1, 3, 2]),
            helper.make_node("Conv", ["t", "v"], ["y"], pads=[1, 0, 0, 0]),
        ],
        {**CONV, "v": kernel(1, 2, 4, 3)},
    ),
    "a convolution of the whole picture added to every position": (
        [
            helper.make_node("Conv", ["x", "v"], ["b"]),
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("Add", ["c", "b"], ["y"]),
        ],
        {**CONV, "v": kernel(2, 1, 20, 18)},
    ),
    "a pooling of a part added to every position": (
        [
            helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[7, 6], strides=[14, 13]),
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("Add", ["p", "c"], ["y"]),
        ],
        CONV,
    ),
    "a row for all rows": (
        [
            helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[20, 3], pads=[0, 1, 0, 1]),
            helper.make_node("Sum", ["x", "p"], ["y"]),
        ],
        {},
    ),
    "a transposed convolution": (
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])],
        {"w": kernel(1, 1, 3, 5)},
    ),
    "a transposed convolution, padded, with gaps, between convolutions": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[1, 2, 1, 2]),
            helper.make_node(
                "ConvTranspose", ["a", "v"], ["b"], strides=[3, 2], pads=[1, 1, 0, 0], dilations=[2, 1]
            ),
            helper.make_node("Conv", ["b", "u"], ["y"], pads=[1, 1, 1, 1]),
        ],
        {**CONV, "v": kernel(2, 1, 4, 4), "u": kernel(1, 1, 3, 3)},
    ),
    "a transposed convolution padded as TensorFlow does": (
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 3], auto_pad="SAME_UPPER")],
        {"w": kernel(1, 1, 5, 4)},
    ),
    "channels become space": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2]),
            helper.make_node("DepthToSpace", ["a"], ["y"], blocksize=2),
        ],
        {"w": kernel(4, 1, 3, 5)},
    ),
    "space becomes channels": (
        [
            helper.make_node("SpaceToDepth", ["x"], ["a"], blocksize=2),
            helper.make_node("Conv", ["a", "w"], ["y"]),
        ],
        {"w": kernel(1, 4, 3, 2)},
    ),
    "channels parted and exchanged": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"]),
            helper.make_node("Split", ["a", "halves"], ["b", "c"], axis=1),
            helper.make_node("Concat", ["c", "b"], ["d"], axis=1),
            helper.make_node("Slice", ["d", "zero", "three", "one"], ["y"]),
        ],
        {
            "w": kernel(4, 1, 3, 5),
            "halves": np.array([2, 2]),
            "zero": np.array([0]),
            "three": np.array([3]),
            "one": np.array([1]),
        },
    ),
    "a part of the picture, every other column": (
        [
            helper.make_node("Slice", ["x", "starts", "ends", "axes", "steps"], ["a"]),
            helper.make_node("Conv", ["a", "w"], ["y"]),
        ],
        {
            "w": kernel(1, 1, 3, 2),
            "starts": np.array([-17, 3]),
            "ends": np.array([20, 2**40]),
            "axes": np.array([-2, 3]),
            "steps": np.array([1, 2]),
        },
    ),
    "down, up, and what went straight on": (
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 2, 1, 2]),
            helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Conv", ["b", "v"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Resize", ["c", "", "twice"], ["d"], mode="linear"),
            helper.make_node("Concat", ["a", "d"], ["e"], axis=1),
            helper.make_node("Conv", ["e", "u"], ["f"], pads=[1, 1, 1, 1]),
            helper.make_node("Add", ["f", "e"], ["y"]),
        ],
        {**CONV, "v": kernel(1, 2, 3, 3), "u": kernel(3, 3, 3, 3), "twice": TWICE},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_position_sees_just_the_pixels_that_change_it(tmp_path, name):
    nodes, weights = CASES[name]
    model = saved(tmp_path, nodes, weights)
    field = receptive_field(model, "y")
    for row, column in ((0, 0), (1, 2), (2, 3), (5, 6)):
        top, left, bottom, right = field.box(row, column)
        inside = max(0, top), max(0, left), min(20, bottom), min(18, right)
        assert seen_by_trial(model, row, column, (1, 1, 20, 18)) == inside


RESIZES = [
    *(("nearest", rounding, how) for rounding in ("floor", "ceil") for how in ("half_pixel", "asymmetric")),
    *(("nearest", f"round_prefer_{side}", "half_pixel") for side in ("floor", "ceil")),
    *(("nearest", f"round_prefer_{side}", "align_corners") for side in ("floor", "ceil")),
    *(
        ("linear", "floor", how)
        for how in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    ),
]


@pytest.mark.parametrize(("mode", "rounding", "how"), RESIZES)
@pytest.mark.parametrize("scale", [2, 1.5, 0.5, 3])
def test_each_position_of_an_enlarged_or_reduced_value_sees_what_it_is_made_of(
    tmp_path, mode, rounding, how, scale
):
    """Along the columns, behind a convolution of stride 2; the rows stay."""
    options = {"mode": mode, "nearest_mode": rounding, "coordinate_transformation_mode": how}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[1, 2]),
        helper.make_node("Resize", ["a", "", "s"], ["b"], **options),
        helper.make_node("Conv", ["b", "v"], ["y"]),
    ]
    weights = {"w": kernel(1, 1, 1, 2), "v": kernel(1, 1, 1, 2), "s": np.array([1, 1, 1, scale], np.float32)}
    model = saved(tmp_path, nodes, weights, shape=("N", 1, 2, 16))
    field = receptive_field(model, "y")
    for column in range(int(8 * scale) - 1):
        assert seen_by_trial(model, 1, column, (1, 1, 2, 16)) == field.box(1, column)


def test_a_cubic_resize_sees_no_more_than_its_field(tmp_path):
    """Where a position lies on one of the input's, the weights of its neighbours are zero."""
    nodes = [helper.make_node("Resize", ["x", "", "s"], ["y"], mode="cubic")]
    model = saved(tmp_path, nodes, {"s": np.array([1, 1, 1, 2], np.float32)}, shape=("N", 1, 2, 9))
    field = receptive_field(model, "y")
    for column in range(18):
        _, left, _, right = field.box(1, column)
        assert seen_by_trial(model, 1, column, (1, 1, 2, 9))[1::2] == (max(0, left), min(9, right))


def test_a_resize_to_a_size_needs_no_scale(tmp_path):
    nodes = [helper.make_node("Resize", ["x", "", "", "size"], ["y"], mode="linear")]
    model = saved(tmp_path, nodes, {"size": np.array([1, 1, 30, 9])}, shape=(1, 1, 20, 18))
    field = receptive_field(model, "y")
    for row, column in ((0, 0), (1, 3), (29, 8)):
        assert seen_by_trial(model, row, column, (1, 1, 20, 18)) == field.box(row, column)


def test_positions_between_the_kernels_of_a_transposed_convolution_see_one_pixel_at_most(tmp_path):
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[3, 3])]
    field = receptive_field(saved(tmp_path, nodes, {"w": kernel(1, 1, 1, 1)}), "y")
    assert field.box(3, 6) == (1, 2, 2, 3)
    assert field.box(4, 7) == (2, 3, 3, 4)


def test_a_deep_network_of_residuals_is_one_way(tmp_path):
    nodes = []
    for at in range(40):
        before = f"v{at}" if at else "x"
        nodes += [
            helper.make_node("Conv", [before, "w"], [f"c{at}"], pads=[1, 1, 1, 1]),
            helper.make_node("Add", [before, f"c{at}"], [f"v{at + 1}" if at < 39 else "y"]),
        ]
    field = receptive_field(saved(tmp_path, nodes, {"w": kernel(1, 1, 3, 3)}), "y")
    assert field.box(0, 0) == (-40, -40, 41, 41)


def test_channels_last_in_the_input_make_no_difference(tmp_path):
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"], strides=[2, 2]),
    ]
    model = saved(tmp_path, nodes, CONV, shape=("N", 20, 18, 1))
    assert receptive_field(model, "y").box(2, 3) == seen_by_trial(model, 2, 3, (1, 20, 18, 1))


def test_a_pad_of_pictures_with_channels_last_is_read_by_their_axes(tmp_path):
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        helper.make_node("Transpose", ["p"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"]),
    ]
    weights = {**CONV, "pads": np.array([0, 2, 1, 0, 0, 0, 3, 0])}
    model = saved(tmp_path, nodes, weights, shape=("N", 20, 18, 1))
    field = receptive_field(model, "y")
    assert field.box(0, 0) == (-2, -1, 1, 4)
    assert field.box(5, 6) == seen_by_trial(model, 5, 6, (1, 20, 18, 1))


BACKWARDS = {"last": np.array([-1]), "first": np.array([-99]), "rows": np.array([2])}


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("GlobalAveragePool", ["x"], ["y"])],
        [helper.make_node("Flatten", ["x"], ["y"])],
        [helper.make_node("InstanceNormalization", ["x", "s", "s"], ["y"])],
        [helper.make_node("Concat", ["x", "x"], ["y"], axis=2)],
        [helper.make_node("Split", ["x"], ["y", "z"], axis=2)],
        [helper.make_node("Slice", ["x", "last", "first", "rows", "last"], ["y"])],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_what_sees_everything_has_no_field(tmp_path, nodes):
    model = saved(tmp_path, nodes, {"s": np.ones(1, np.float32), **BACKWARDS})
    assert receptive_field(model, "y") is None


def test_the_input_sees_itself_and_an_unknown_value_nothing(tmp_path):
    model = saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], {})
    assert receptive_field(model, "x").box(4, 5) == (4, 5, 5, 6)
    assert receptive_field(model, "z") is None
