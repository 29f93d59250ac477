"""Which axis of a value is what."""

import onnx
import pytest
from onnx import TensorProto, helper

from inspector.axes import axes_of
from inspector.model import load


def opened(tmp_path, nodes, shape=("N", 8, 6, 3), initializers=()):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [value], [result], list(initializers))
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph), path)
    return load(path).graph


@pytest.mark.parametrize(
    ("shape", "rank", "axes"), [(("N", 8, 6, 3), 4, "NHWC"), (("N", 3, 8, 6), 4, "NCHW"), (("N", 9), 2, "NC")]
)
def test_an_input_has_the_axes_that_pictures_have(tmp_path, shape, rank, axes):
    graph = opened(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], shape)
    assert axes_of(graph, "x", rank) == axes
    assert axes_of(graph, "y", rank) == axes


def test_a_transpose_moves_the_letters(tmp_path):
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Sigmoid", ["t"], ["y"]),
    ]
    assert axes_of(opened(tmp_path, nodes), "y", 4) == "NCHW"


def test_a_convolution_and_a_pooling_have_channels_second_whatever_is_before_them(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
        helper.make_node("Transpose", ["p"], ["y"], perm=[0, 2, 3, 1]),
    ]
    size = helper.make_tensor("s", TensorProto.INT64, [4], [-1, 3, 8, 6])
    graph = opened(tmp_path, nodes, initializers=[size])
    assert axes_of(graph, "p", 4) == "NCHW"
    assert axes_of(graph, "y", 4) == "NHWC"


def test_a_value_that_only_its_readers_tell_has_the_axes_that_they_take(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("MaxPool", ["t"], ["y"], kernel_shape=[2, 2]),
    ]
    size = helper.make_tensor("s", TensorProto.INT64, [4], [-1, 8, 6, 3])
    graph = opened(tmp_path, nodes, initializers=[size])
    assert axes_of(graph, "r", 4) == "NHWC"
    assert axes_of(graph, "t", 4) == "NCHW"


def test_of_two_operands_the_one_that_is_computed_tells(tmp_path):
    nodes = [helper.make_node("Sub", ["mean", "x"], ["y"])]
    mean = helper.make_tensor("mean", TensorProto.FLOAT, [1, 1, 1, 3], [1.0, 2.0, 3.0])
    assert axes_of(opened(tmp_path, nodes, initializers=[mean]), "y", 4) == "NHWC"


def test_axes_that_nothing_tells_are_not_guessed(tmp_path):
    size = helper.make_tensor("s", TensorProto.INT64, [4], [-1, 8, 6, 3])
    graph = opened(tmp_path, [helper.make_node("Reshape", ["x", "s"], ["y"])], initializers=[size])
    assert axes_of(graph, "y", 4) is None
    assert axes_of(graph, "y", 7) is None
    assert axes_of(graph, "no such value", 4) is None
