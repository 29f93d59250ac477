"""What is left of a graph that is frozen."""

from __future__ import annotations

import time

import numpy as np
from tf_files import GraphBuilder
from tf_graphs import mlp, ops, source

from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import Collections


def test_identities_are_passed_over_but_the_name_of_an_output_is_kept():
    graph = mlp()
    graph.add("a", "Identity", "net/Relu", T="float32")
    graph.add("y", "Identity", "a", T="float32")
    frozen = freeze(source(graph))
    assert [spec.name for spec in frozen.outputs] == ["y:0"]
    assert ops(frozen)["y"] == ("Identity", ("net/Relu",))
    assert "a" not in ops(frozen)
    assert frozen.outputs[0].dtype == np.float32


def test_a_weight_above_one_kibibyte_becomes_a_placeholder_of_its_shape():
    graph = GraphBuilder()
    graph.placeholder("x", None, 128)
    value = np.arange(128 * 3, dtype=np.float32).reshape(128, 3)
    graph.const("w", value)
    graph.const("small", np.ones(256))
    graph.add("y", "MatMul", "x", "w", T="float32")
    frozen = freeze(source(graph))
    (node,) = (node for node in frozen.graph_def.node if node.name == "w")
    assert node.op == "Placeholder"
    assert [dim.size for dim in node.attr["shape"].shape.dim] == [128, 3]
    assert node.attr["dtype"].type == 1
    np.testing.assert_array_equal(frozen.weights["w"], value)


def test_a_scope_is_a_layer_and_its_last_tensor_is_its_value():
    graph = mlp()
    graph.add("Sigmoid", "Sigmoid", "net/Relu", T="float32")
    assert dict(freeze(source(graph)).layers) == {"net": ("net/Relu:0",), "Sigmoid": ("Sigmoid:0",)}


def test_shapes_that_are_known_are_computed_and_floats_are_left_to_the_runtime():
    graph = mlp()
    graph.const("size", [4, 6], dtype="int32")
    graph.const("from", [1], dtype="int32")
    graph.const("to", [2], dtype="int32")
    graph.const("step", [1], dtype="int32")
    graph.add("last", "StridedSlice", "size", "from", "to", "step", T="int32", shrink_axis_mask=1)
    graph.const("minus", -1, dtype="int32")
    graph.const("three", 3, dtype="int32")
    graph.add("third", "FloorDiv", "last", "three", T="int32")
    graph.add("shape", "Pack", "minus", "third", T="int32", N=2)
    graph.add("flat", "Reshape", "net/Relu", "shape", T="float32")
    graph.const("eps", 0.5)
    graph.const("var", 1.5)
    graph.add("sum", "AddV2", "var", "eps", T="float32")
    graph.add("y", "Mul", "flat", "sum", T="float32")
    frozen = freeze(source(graph))
    assert ops(frozen)["shape"][0] == "Const"
    assert "third" not in ops(frozen)
    assert ops(frozen)["sum"] == ("AddV2", ("var", "eps"))
    (shape,) = (node for node in frozen.graph_def.node if node.name == "shape")
    np.testing.assert_array_equal(np.frombuffer(shape.attr["value"].tensor.tensor_content, "<i4"), [-1, 2])


def test_batch_normalization_built_for_training_is_warned_of():
    graph = mlp()
    graph.const("one", [1.0, 1.0])
    graph.add(
        "norm", "FusedBatchNormV3", "net/Relu", "one", "one", "one", "one", T="float32", is_training=True
    )
    assert freeze(source(graph)).warnings == (
        "norm normalizes with the statistics of each batch: the graph was built for training.",
    )


def test_thirty_thousand_nodes_in_a_row_are_no_trouble():
    graph = mlp()
    last = "net/Relu"
    for place in range(30_000):
        last = graph.add(f"n{place}", "Relu", last)
    began = time.perf_counter()
    frozen = freeze(source(graph))
    assert [spec.name for spec in frozen.outputs] == ["n29999:0"]
    assert time.perf_counter() - began < 20


def test_small_inputs_that_would_blow_up_are_not_computed():
    graph = mlp()
    graph.const("long", np.zeros((9000, 1)), dtype="int32")
    graph.const("wide", np.zeros((1, 9000)), dtype="int32")
    graph.add("outer", "AddV2", "long", "wide", T="int32")
    graph.add("float", "Cast", "outer", SrcT="int32", DstT="float32")
    graph.const("shape", [1 << 28], dtype="int32")
    graph.const("zero", 0.0)
    graph.add("filled", "Fill", "shape", "zero", T="float32")
    graph.add("y", "AddN", "net/Relu", "float", "filled", T="float32")
    frozen = freeze(source(graph))
    assert ops(frozen)["outer"][0] == "AddV2"
    assert ops(frozen)["filled"][0] == "Fill"


def test_tflearns_target_layers_are_no_outputs():
    graph = mlp()
    graph.placeholder("targets/Y", None)
    graph.add("targets/one_hot", "OneHot", "targets/Y", T="float32")
    collections = Collections(
        inputs=("x:0",),
        targets=("targets/Y:0",),
        layer_tensors={"net": ("net/Relu:0",), "OneHot": ("targets/one_hot:0",), "x": ("x:0",)},
    )
    frozen = freeze(source(graph, collections=collections))
    assert [spec.name for spec in frozen.outputs] == ["net/Relu:0"]
    assert list(frozen.layers) == ["x", "net"]
