"""Conditionals and switches of training in a graph that is frozen."""

from __future__ import annotations

from tf_files import GraphBuilder
from tf_graphs import mlp, ops, refusal, source

from converters.tensorflow.freeze import freeze


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
