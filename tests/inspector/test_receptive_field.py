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


@pytest.mark.parametrize("name", CASES)
def test_a_position_sees_just_the_pixels_that_change_it(tmp_path, name):
    nodes, weights = CASES[name]
    model = saved(tmp_path, nodes, weights)
    field = receptive_field(model, "y")
    for row, column in ((0, 0), (2, 3)):
        top, left, bottom, right = field.box(row, column)
        inside = max(0, top), max(0, left), min(20, bottom), min(18, right)
        assert seen_by_trial(model, row, column, (1, 1, 20, 18)) == inside


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


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("GlobalAveragePool", ["x"], ["y"])],
        [helper.make_node("Flatten", ["x"], ["y"])],
        [helper.make_node("InstanceNormalization", ["x", "s", "s"], ["y"])],
        [helper.make_node("Concat", ["x", "x"], ["y"], axis=2)],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_what_sees_everything_has_no_field(tmp_path, nodes):
    model = saved(tmp_path, nodes, {"s": np.ones(1, np.float32)})
    assert receptive_field(model, "y") is None


def test_the_input_sees_itself_and_an_unknown_value_nothing(tmp_path):
    model = saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], {})
    assert receptive_field(model, "x").box(4, 5) == (4, 5, 5, 6)
    assert receptive_field(model, "z") is None
