from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
from tf_files import GraphBuilder

from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import Collections, SourceGraph, read_source

PATH = Path("net.pb")


def source(builder: GraphBuilder, **fields: object) -> SourceGraph:
    return SourceGraph("frozen graph", PATH, (), builder.graph, **fields)


def refusal(builder: GraphBuilder, **options: object) -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        freeze(source(builder), **options)
    return caught.value


def ops(frozen) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.op, tuple(node.input)) for node in frozen.graph_def.node}


def mlp() -> GraphBuilder:
    graph = GraphBuilder()
    graph.placeholder("x", None, 3)
    graph.const("w", np.ones((3, 2)))
    graph.add("net/MatMul", "MatMul", "x", "w", T="float32")
    graph.add("net/Relu", "Relu", "net/MatMul", T="float32")
    return graph


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


def conditional(*, predicate: str = "train") -> GraphBuilder:
    """`x` doubled in training, as it is otherwise, and Switch and Merge that choose."""
    graph = mlp()
    graph.const("train", False, dtype="bool")
    graph.const("two/pivoted", 2.0, "^cond/on")
    graph.add("cond/Switch", "Switch", "net/Relu", predicate, T="float32")
    graph.add("cond/Pred", "Switch", predicate, predicate, T="bool")
    graph.add("cond/on", "Identity", "cond/Pred:1", T="bool")
    graph.add("cond/mul", "Mul", "cond/Switch:1", "two/pivoted", T="float32")
    graph.add("cond/Merge", "Merge", "cond/Switch", "cond/mul", T="float32", N=2)
    graph.add("y", "Neg", "cond/Merge", T="float32")
    return graph


def test_a_conditional_with_a_known_predicate_leaves_the_branch_that_runs():
    frozen = freeze(source(conditional()))
    assert ops(frozen)["y"] == ("Neg", ("net/Relu",))
    assert not {"Switch", "Merge", "Mul"} & {op for op, _ in ops(frozen).values()}


def test_the_number_of_the_branch_that_ran_is_known_too():
    graph = conditional()
    graph.add("index", "Cast", "cond/Merge:1", SrcT="int32", DstT="float32")
    graph.add("z", "Mul", "y", "index", T="float32")
    frozen = freeze(source(graph))
    assert ops(frozen)["z"] == ("Mul", ("y", "index"))
    assert ops(frozen)["index"][0] == "Const"


def test_a_predicate_is_computed_through_logic_and_casts():
    graph = conditional(predicate="not")
    graph.const("zero", 0, dtype="int32")
    graph.const("one", 1, dtype="int32")
    graph.add("less", "Less", "zero", "one", T="int32")
    graph.add("as_int", "Cast", "less", SrcT="bool", DstT="int32")
    graph.add("same", "Equal", "as_int", "one", T="int32")
    graph.add("not", "LogicalNot", "same")
    assert ops(freeze(source(graph)))["y"] == ("Neg", ("net/Relu",))


def test_an_output_that_runs_in_training_only_is_refused():
    error = refusal(conditional(), outputs=["cond/mul:0"])
    assert error.message == "net.pb: the output cond/mul:0 is computed in training only"


def test_an_output_that_is_a_constant_is_refused():
    error = refusal(conditional(), outputs=["w"])
    assert error.message == "net.pb: the output w:0 does not depend on any input"


def test_a_placeholder_named_after_inference_is_set_to_true():
    graph = mlp()
    graph.placeholder("is_test", dtype="bool")
    graph.add("s", "Switch", "net/Relu", "is_test", T="float32")
    graph.add("off", "Neg", "s", T="float32")
    graph.add("y", "Merge", "off", "s:1", T="float32")
    graph.add("z", "Relu", "y", T="float32")
    frozen = freeze(source(graph))
    assert ops(frozen)["z"] == ("Relu", ("net/Relu",))
    assert frozen.decisions[2] == "is_test:0 is set to True: it says whether the graph runs for inference."
    assert {name: bool(value) for name, value in frozen.settings.items()} == {"is_test:0": True}


def test_a_switch_asked_for_as_an_input_stays_one():
    graph = mlp()
    graph.placeholder("is_test", dtype="bool")
    graph.add("s", "Switch", "net/Relu", "is_test", T="float32")
    graph.add("off", "Neg", "s", T="float32")
    graph.add("y", "Merge", "off", "s:1", T="float32")
    frozen = freeze(source(graph), inputs=["x", "is_test"], outputs=["y"])
    assert [spec.name for spec in frozen.inputs] == ["x:0", "is_test:0"]
    assert {"Switch", "Merge"} <= {op for op, _ in ops(frozen).values()}


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


@pytest.mark.parametrize(
    "op", ["ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "TFRecordReaderV2", "RestoreV2"]
)
def test_an_op_that_touches_files_or_python_is_refused_where_it_is_needed(op):
    graph = mlp()
    graph.const("name", [b"/etc/passwd"], dtype="object")
    graph.add("outside", op, "name")
    graph.add("bad", "Mul", "net/Relu", "outside", T="float32")
    graph.add("good", "Neg", "net/Relu", T="float32")
    error = refusal(graph, outputs=["bad"])
    assert isinstance(error, UnsupportedError)
    assert error.message == (
        f"net.pb: the outputs need the node 'outside', whose op {op} touches files, Python or another "
        "process; expected a graph that computes its outputs from its inputs alone"
    )
    assert (
        error.hint
        == "Name outputs that do not depend on it (--outputs), or inputs that come after it (--inputs)."
    )
    assert "outside" not in ops(freeze(source(graph), outputs=["good"]))
    assert "outside" not in ops(freeze(source(graph), inputs=["net/Relu", "outside"], outputs=["bad"])) or (
        ops(freeze(source(graph), inputs=["net/Relu", "outside"], outputs=["bad"]))["outside"][0]
        == "Placeholder"
    )


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("RandomStandardNormal", "draws random numbers"),
        ("StatelessRandomUniform", "draws random numbers"),
        ("AssignAdd", "updates a variable"),
        ("ScatterUpdate", "updates a variable"),
    ],
)
def test_an_op_that_answers_otherwise_each_time_is_refused(op, reason):
    graph = mlp()
    graph.const("shape", [2], dtype="int32")
    graph.add("noise", op, "shape", dtype="float32")
    graph.add("y", "AddV2", "net/Relu", "noise", T="float32")
    assert refusal(graph).message == (
        f"net.pb: the outputs need the node 'noise', whose op {op} {reason}; expected a graph that computes "
        "its outputs from its inputs alone"
    )


def test_batch_normalization_built_for_training_is_warned_of():
    graph = mlp()
    graph.const("one", [1.0, 1.0])
    graph.add(
        "norm", "FusedBatchNormV3", "net/Relu", "one", "one", "one", "one", T="float32", is_training=True
    )
    assert freeze(source(graph)).warnings == (
        "norm normalizes with the statistics of each batch: the graph was built for training.",
    )


def test_a_variable_in_a_graph_without_values_is_refused():
    graph = mlp()
    graph.add("v", "VariableV2", dtype="float32", shape=(2,))
    graph.add("y", "AddV2", "net/Relu", "v", T="float32")
    error = refusal(graph)
    assert error.message == "net.pb: is not frozen: the variable 'v' has no value in it"
    assert error.hint == "Convert the checkpoint that belongs to it, or freeze the graph first."


def test_a_variable_that_the_checkpoint_lacks_is_named(tmp_path):
    graph = mlp()
    graph.add("v", "VariableV2", dtype="float32", shape=(2,))
    graph.add("y", "AddV2", "net/Relu", "v", T="float32")
    graph.write_checkpoint(tmp_path / "net", {"other": np.ones(2, np.float32)})
    with pytest.raises(SourceError) as caught:
        freeze(read_source(tmp_path))
    assert caught.value.message == (
        f"{tmp_path / 'net'}: the checkpoint has no variable 'v', which the graph needs"
    )


def test_a_variable_of_another_shape_is_named(tmp_path):
    graph = mlp()
    graph.add("v", "VariableV2", dtype="float32", shape=(2,))
    graph.add("y", "AddV2", "net/Relu", "v", T="float32")
    graph.write_checkpoint(tmp_path / "net", {"v": np.ones(5, np.float32)})
    with pytest.raises(SourceError) as caught:
        freeze(read_source(tmp_path))
    assert caught.value.message == (
        f"{tmp_path}: the variable 'v' has shape [5] in the checkpoint, and [2] in the graph"
    )


def test_a_variable_used_in_place_is_refused(tmp_path):
    graph = mlp()
    graph.add("v", "VarHandleOp", dtype="float32", shape=(2,))
    graph.add("y", "ResourceScatterNdAdd", "v", "net/Relu", T="float32")
    graph.write_checkpoint(tmp_path / "net", {"v": np.ones(2, np.float32)})
    with pytest.raises(UnsupportedError) as caught:
        freeze(read_source(tmp_path))
    assert caught.value.message == (
        f"{tmp_path}: the node 'y' of op ResourceScatterNdAdd uses the variable 'v' in place, which cannot "
        "be converted; expected a plain read"
    )


def test_an_input_or_output_that_is_not_there_is_refused_with_near_names():
    error = refusal(mlp(), outputs=["net/Rel:0"])
    assert error.message == "net.pb: the graph has no tensor 'net/Rel:0'"
    assert error.hint == "Nearest: net/Relu:0, net/MatMul:0"
    assert refusal(mlp(), inputs=["quite_another"]).hint == ""


def test_an_input_that_the_outputs_do_not_depend_on_is_refused():
    graph = mlp()
    graph.placeholder("other", None)
    assert refusal(graph, inputs=["x", "other"]).message == (
        "net.pb: the outputs do not depend on other:0, asked for as an input"
    )


def test_an_input_that_is_left_out_is_named():
    graph = mlp()
    graph.placeholder("bias", None, 2)
    graph.add("y", "AddV2", "net/Relu", "bias", T="float32")
    error = refusal(graph, inputs=["x"], outputs=["y"])
    assert error.message == "net.pb: the outputs also depend on bias:0, not among the inputs asked for"
    assert error.hint == "--inputs x:0,bias:0"


def test_a_graph_without_inputs_has_no_outputs():
    graph = GraphBuilder()
    graph.const("w", [1.0])
    graph.add("y", "Neg", "w", T="float32")
    assert refusal(graph).message == "net.pb: the graph has no output that depends on an input"
    assert refusal(graph, outputs=["y"]).message == "net.pb: the outputs depend on no input"


def test_nodes_of_the_same_name_and_nodes_without_one_are_refused():
    graph = mlp()
    graph.placeholder("x", None)
    assert refusal(graph).message == "net.pb: the graph is damaged: it has two nodes named 'x'"
    graph = mlp()
    graph.add("", "Relu", "x")
    assert refusal(graph).message == "net.pb: the graph is damaged: it has a node without a name or an op"


def test_a_cycle_is_refused():
    graph = mlp()
    graph.add("a", "AddV2", "net/Relu", "b", T="float32")
    graph.add("b", "Relu", "a", T="float32")
    graph.add("y", "Relu", "b", T="float32")
    assert refusal(graph).message == "net.pb: the graph has a cycle through the node 'a'; expected none"


def test_a_node_that_reads_what_is_not_there_is_refused():
    graph = mlp()
    graph.add("y", "AddV2", "net/Relu", "gone", T="float32")
    assert refusal(graph).message == "net.pb: the node 'y' reads 'gone', which the graph does not have"


def test_a_damaged_constant_is_refused():
    graph = mlp()
    (node,) = (node for node in graph.graph.node if node.name == "w")
    node.attr["value"].tensor.tensor_content = b"abc"
    assert (
        refusal(graph).message == "net.pb: the constant 'w' is damaged: it has 3 bytes where 24 are expected"
    )
    del node.attr["value"]
    assert refusal(graph).message == "net.pb: the constant 'w' is damaged: it has no value"


def test_thirty_thousand_nodes_in_a_row_are_no_trouble():
    graph = mlp()
    last = "net/Relu"
    for place in range(30_000):
        last = graph.add(f"n{place}", "Relu", last)
    began = time.perf_counter()
    frozen = freeze(source(graph))
    assert [spec.name for spec in frozen.outputs] == ["n29999:0"]
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    "op", ["Switch", "Merge", "ReadVariableOp", "Mul", "SelectV2", "Cast", "Identity", "Concat"]
)
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_wrong_number_of_inputs_never_breaks_the_reader(op, count):
    graph = mlp()
    graph.const("c", [1.0])
    graph.add("odd", op, *["c", "net/Relu", "c"][:count], T="float32")
    graph.add("y", "AddV2", "net/Relu", "odd", T="float32")
    with contextlib.suppress(InspectorError):
        freeze(source(graph), outputs=["y"])


def test_small_inputs_that_would_blow_up_are_not_computed():
    graph = mlp()
    graph.const("long", np.zeros((9000, 1)), dtype="int32")
    graph.const("wide", np.zeros((1, 9000)), dtype="int32")
    graph.add("outer", "AddV2", "long", "wide", T="int32")
    graph.add("float", "Cast", "outer", SrcT="int32", DstT="float32")
    graph.const("shape", [1 << 30], dtype="int32")
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
