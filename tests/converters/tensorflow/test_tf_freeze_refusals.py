"""Graphs that cannot be frozen, and what is said of them."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from tf_files import GraphBuilder
from tf_graphs import mlp, ops, refusal, source

from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import read_source


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


def test_a_tensor_of_one_number_that_no_machine_holds_is_refused():
    graph = mlp()
    graph.const("shape", [100_000, 100_000], dtype="int32")
    graph.const("zero", 0.0)
    graph.add("filled", "Fill", "shape", "zero", T="float32")
    graph.add("y", "AddN", "net/Relu", "filled", T="float32")
    with pytest.raises(UnsupportedError) as caught:
        freeze(source(graph))
    assert caught.value.message == (
        "net.pb: the node 'filled' of op Fill makes a tensor of 10,000,000,000 elements; "
        "expected at most 268,435,456"
    )
