"""The names that TensorFlow adds to, and those that their author gave."""

from __future__ import annotations

import pytest
from tf_files import GraphBuilder

from converters.tensorflow.names import author_names
from converters.tensorflow.topology import read_topology


def names(inner, variables, reads=(), wanted=None):
    """New names for nodes; `reads` says which node reads which variable."""
    graph = GraphBuilder()
    read = dict(reads)
    for variable in variables:
        graph.add(variable, "VarHandleOp")
    for name in wanted or {}:
        graph.add(name, "Placeholder")
    for name in inner:
        graph.add(name, "Relu", *([read[name]] if name in read else []))
    topology = read_topology(graph.graph, "net")
    return author_names(topology, inner, variables, wanted or {})


def test_the_models_own_name_is_left_out_of_nodes_and_variables():
    found = names(
        ["model/conv/Conv2D", "model/flat/Reshape"], {"a": "model/conv/kernel"}, {"model/conv/Conv2D": "a"}
    )
    assert found == {
        "a": "conv/kernel",
        "model/conv/Conv2D": "conv/Conv2D",
        "model/flat/Reshape": "flat/Reshape",
    }


@pytest.mark.parametrize("model", ["", "model/"])
def test_numbers_behind_every_scope_are_left_out(model):
    inner = ["model_1/conv_1_2/Conv2D_1", "model_1/conv_3/Conv2D", "model_1/drop_1/Mul"]
    variables = {"a": f"{model}conv_1/kernel", "b": f"{model}conv/kernel"}
    found = names(inner, variables, {inner[0]: "a", inner[1]: "b"})
    assert [found[name] for name in inner] == ["conv_1/Conv2D_1", "conv/Conv2D", "drop/Mul"]


def test_a_number_that_tells_two_layers_apart_stays():
    inner = ["model/conv/Conv2D", "model/conv_1/Conv2D"]
    found = names(inner, {"a": "conv/kernel"}, {inner[0]: "a", inner[1]: "a"})
    assert [found[name] for name in inner] == ["conv/Conv2D", "conv_1/Conv2D"]


def test_a_scope_with_variables_of_its_own_is_no_model():
    inner = ["layer/part/Conv2D", "layer/MatMul"]
    assert names(inner, {"a": "layer/kernel"}, {"layer/MatMul": "a"})["layer/MatMul"] == "layer/MatMul"


def test_no_two_nodes_get_one_name():
    inner = ["model/x/Relu", "model/y/Relu"]
    found = names(inner, {"a": "x/kernel", "b": "x/kernel"}, wanted={"input": "x/kernel", "other": "x/Relu"})
    assert len(set(found.values())) == len(found) == 6
    assert (found["input"], found["other"]) == ("x/kernel", "x/Relu")
    assert (found["a"], found["b"], found["model/x/Relu"]) == ("a", "b", "model/x/Relu")
