"""How values lie, what they are called, and what becomes of outputs, whatever the op."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from emit_judge import Graph, judged
from tf_graphs import source

from converters.assemble import LAYER_KEY
from converters.tensorflow.emit import emit, emitters, missing, output_shapes
from converters.tensorflow.freeze import freeze


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def picture(*shape):
    graph = Graph()
    graph.placeholder("x", None, *shape)
    return graph


def test_a_value_is_moved_once_however_many_read_it(run):
    graph = picture(4, 5, 3)
    for name in ("a", "b", "c"):
        graph.convolved(name, "x", 3)
    graph.add("ab", "AddV2", "a", "b", T="float32")
    graph.add("y", "Mul", "ab", "c", T="float32")
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "y")
    assert answer.ops == ["Transpose", "Conv", "Conv", "Conv", "Add", "Mul", "Transpose"]


def test_moving_there_and_back_is_no_node(run):
    graph = picture(4, 5, 3)
    graph.convolved("a", "x", 3)
    graph.value("shape", np.array([-1, 60], np.int32))
    graph.add("flat", "Reshape", "a", "shape", T="float32", Tshape="int32")
    graph.value("back", np.array([-1, 4, 5, 3], np.int32))
    graph.add("again", "Reshape", "flat", "back", T="float32", Tshape="int32")
    graph.convolved("b", "again", 3)
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "flat", "b")
    assert answer.ops.count("Transpose") == 4


@pytest.mark.parametrize("shape", [(4, 5, 1), (1, 1, 3), (1, 5, 1)])
def test_moving_axes_of_size_one_is_a_reshape(run, shape):
    graph = picture(*shape)
    graph.convolved("y", "x", shape[-1])
    assert judged(run, graph, {"x": drawn(2, *shape)}, "y").ops == ["Reshape", "Conv", "Reshape"]


def test_an_output_in_the_middle_lies_as_tensorflow_has_it_under_its_own_name(run):
    graph = picture(4, 5, 3)
    graph.convolved("a", "x", 3)
    graph.add("r", "Relu", "a", T="float32")
    graph.convolved("y", "r", 3)
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "y", "r")
    assert [output.name for output in answer.model.graph.output] == ["y:0", "r:0"]
    assert answer.ops.count("Transpose") == 3


def test_an_output_that_another_node_reads_in_tensorflows_order_is_moved_once(run):
    graph = picture(4, 5, 3)
    graph.convolved("a", "x", 3)
    graph.value("shape", np.array([-1, 60], np.int32))
    graph.add("flat", "Reshape", "a", "shape", T="float32", Tshape="int32")
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "a", "flat")
    assert answer.ops.count("Transpose") == 2


def test_an_input_can_be_an_output(run):
    graph = picture(4)
    graph.add("same", "Identity", "x", T="float32")
    graph.add("y", "Relu", "same", T="float32")
    answer = judged(run, graph, {"x": drawn(2, 4)}, "y", "same")
    assert answer.ops == ["Relu", "Identity"]


def test_two_outputs_can_be_the_same_value(run):
    graph = picture(4)
    graph.add("y", "Relu", "x", T="float32")
    graph.add("z", "Identity", "y", T="float32")
    assert judged(run, graph, {"x": drawn(2, 4)}, "y", "z").ops == ["Relu", "Identity"]


def test_what_no_output_needs_is_left_out(run):
    graph = picture(4)
    graph.add("unused", "Relu", "x", T="float32")
    graph.add("y", "Tanh", "x", T="float32")
    assert judged(run, graph, {"x": drawn(2, 4)}, "y").ops == ["Tanh"]


def test_arithmetic_on_constants_is_done_beforehand(run):
    graph = picture(4)
    graph.value("variance", np.abs(drawn(4)))
    graph.value("epsilon", np.float32(0.001))
    graph.add("sum", "AddV2", "variance", "epsilon", T="float32")
    graph.add("root", "Rsqrt", "sum", T="float32")
    graph.add("y", "Mul", "x", "root", T="float32")
    assert judged(run, graph, {"x": drawn(2, 4)}, "y").ops == ["Mul"]


@pytest.mark.parametrize("channels", [8, 1])
@pytest.mark.parametrize("first", [True, False])
def test_what_tflearn_writes_as_a_prelu_is_one(run, channels, first):
    graph = picture(4, 5, 8)
    graph.convolved("c", "x", 8)
    x = "c" if first else "x"
    graph.value("slopes", drawn(channels))
    graph.value("half", np.float32(0.5))
    graph.add("relu", "Relu", x, T="float32")
    graph.add("size", "Abs", x, T="float32")
    graph.add("less", "Sub", x, "size", T="float32")
    graph.add("sloped", "Mul", "slopes", "less", T="float32")
    graph.add("halved", "Mul", "sloped", "half", T="float32")
    graph.add("y", "AddV2", "relu", "halved", T="float32")
    assert "PRelu" in judged(run, graph, {"x": drawn(2, 4, 5, 8)}, "y").ops


@pytest.mark.parametrize("change", ["half", "size", "relu"])
def test_what_is_no_prelu_stays_what_it_is(run, change):
    graph = picture(8)
    graph.value("slopes", drawn(8))
    graph.value("half", np.float32(0.25 if change == "half" else 0.5))
    graph.add("other", "Tanh", "x", T="float32")
    graph.add("relu", "Relu", "other" if change == "relu" else "x", T="float32")
    graph.add("size", "Abs", "other" if change == "size" else "x", T="float32")
    graph.add("less", "Sub", "x", "size", T="float32")
    graph.add("sloped", "Mul", "slopes", "less", T="float32")
    graph.add("halved", "Mul", "sloped", "half", T="float32")
    graph.add("y", "AddV2", "relu", "halved", T="float32")
    assert "PRelu" not in judged(run, graph, {"x": drawn(2, 8)}, "y").ops


def test_nodes_carry_their_layers_and_values_the_names_of_tensors():
    graph = picture(4, 5, 3)
    graph.convolved("conv_1/Conv2D", "x", 3)
    graph.add("conv_1/Relu", "Relu", "conv_1/Conv2D", T="float32")
    model = emit(freeze(source(graph))).nodes
    assert [(node.name, node.op_type) for node in model.graph.node] == [
        ("conv_1/Conv2D/Transpose", "Transpose"),
        ("conv_1/Conv2D", "Conv"),
        ("conv_1/Relu", "Relu"),
        ("conv_1/Relu/Transpose", "Transpose"),
    ]
    layers = {entry.value for node in model.graph.node for entry in node.metadata_props}
    assert layers == {"conv_1"}
    assert {entry.key for node in model.graph.node for entry in node.metadata_props} == {LAYER_KEY}
    assert model.graph.node[1].output[0] == "conv_1/Conv2D:0"


def test_names_are_unique_whatever_the_graph_calls_its_nodes(run):
    graph = picture(4, 5, 3)
    graph.convolved("c/Transpose", "x", 3)
    graph.convolved("c", "c/Transpose", 3)
    graph.add("constant", "Relu", "c", T="float32")
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "constant")
    names = [node.name for node in answer.model.graph.node]
    assert len(set(names)) == len(names)


def test_a_node_of_several_outputs_takes_no_other_nodes_name(run):
    graph = picture(2, 3)
    graph.add("parts", "Unpack", "x", T="float32", num=2, axis=1)
    graph.add("parts_1", "Relu", "parts:1", T="float32")
    answer = judged(run, graph, {"x": drawn(2, 2, 3)}, "parts:0", "parts_1")
    names = [node.name for node in answer.model.graph.node]
    assert len(set(names)) == len(names)


def test_a_small_weight_is_read_by_all_under_one_name(run):
    graph = picture(3)
    graph.value("w", drawn(3))
    graph.add("a", "Mul", "x", "w", T="float32")
    graph.add("y", "AddV2", "a", "w", T="float32")
    answer = judged(run, graph, {"x": drawn(2, 3)}, "y")
    assert [tensor.name for tensor in answer.model.graph.initializer] == ["w"]


def test_channels_that_tensorflow_has_first_too_need_no_moving():
    graph = picture(3, 4, 5)
    graph.value("kernel", drawn(3, 3, 3, 2))
    graph.value("b", drawn(2))
    attrs = {"T": "float32", "padding": b"SAME", "data_format": b"NCHW"}
    graph.add("c", "Conv2D", "x", "kernel", strides=[1, 1, 2, 1], **attrs)
    graph.add("biased", "BiasAdd", "c", "b", T="float32", data_format=b"NCHW")
    graph.add("r", "Relu", "biased", T="float32")
    graph.add("again", "BiasAdd", "r", "b", T="float32", data_format=b"NCHW")
    graph.add("y", "MaxPool", "again", ksize=[1, 1, 2, 2], strides=[1, 1, 2, 1], **attrs)
    frozen = freeze(source(graph))
    model = emit(frozen)
    assert [node.op_type for node in model.nodes.graph.node] == ["Conv", "Relu", "Add", "MaxPool"]
    assert output_shapes(frozen) == {"y:0": (None, 2, 1, 5)}
    # onnx infers the same: 4 rows by steps of 2 and 2, 5 columns by steps of 1.
    inferred = onnx.shape_inference.infer_shapes(model.with_outputs(()), strict_mode=True)
    assert [dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim][1:] == [2, 1, 5]


def test_a_graph_that_reads_what_is_not_there_is_named():
    graph = picture(4, 4, 3)
    for name in ("scale", "offset", "mean"):
        graph.value(name, drawn(3))
    graph.value("variance", np.ones(3, np.float32))
    attrs = {"T": "float32", "U": "float32", "is_training": False, "data_format": b"NHWC"}
    graph.add("n", "FusedBatchNormV3", "x", "scale", "offset", "mean", "variance", **attrs)
    graph.add("y", "Relu", "n:1", T="float32")
    (gap,) = missing(freeze(source(graph)))
    assert (gap.node, gap.reason) == ("y", "it reads 'n:1', which has no counterpart")


def test_emitters_are_found_by_themselves_and_each_op_has_one():
    found = emitters()
    assert {"Conv2D", "MatMul", "Reshape", "Softmax", "FusedBatchNormV3"} <= set(found)
    assert list(found) == sorted(found)


def test_a_graph_that_cannot_be_written_has_no_known_shapes():
    graph = picture(4)
    graph.add("y", "Lgamma", "x", T="float32")
    assert output_shapes(freeze(source(graph))) is None


def test_an_input_of_unknown_rank_is_named():
    graph = picture(4)
    graph.graph.node[0].attr["shape"].shape.Clear()
    graph.graph.node[0].attr["shape"].shape.unknown_rank = True
    graph.add("y", "Relu", "x", T="float32")
    (gap,) = missing(freeze(source(graph)))
    assert (gap.op, gap.node) == ("Placeholder", "x")
    assert gap.reason == "its rank is not known, as ONNX wants it at both ends"
