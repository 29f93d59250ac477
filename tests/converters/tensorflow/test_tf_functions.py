"""Functions put in the place of their calls, and variables that loops take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tf_files import GraphBuilder

from converters.errors import InspectorError
from converters.tensorflow.captures import by_value
from converters.tensorflow.emit import emitters
from converters.tensorflow.evaluate import Evaluator
from converters.tensorflow.evaluator import rules
from converters.tensorflow.freeze import freeze
from converters.tensorflow.functions import functions_of, inlined
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.outputs import output_number, several_outputs

FLOAT, RESOURCE = 1, 20


def function(graph, name, inputs, outputs, nodes, ret):
    """Add a function; nodes are (name, op, inputs, attributes)."""
    added = graph.library.function.add()
    added.signature.name = name
    for argument, kind in inputs.items():
        added.signature.input_arg.add(name=argument, type=kind)
    for argument, kind in outputs.items():
        added.signature.output_arg.add(name=argument, type=kind)
    for node_name, op, read, attributes in nodes:
        node = added.node_def.add(name=node_name, op=op, input=read)
        for key, value in attributes.items():
            if key in ("f", "cond", "body"):
                node.attr[key].func.name = value
            else:
                node.attr[key].type = value
    for key, value in ret.items():
        added.ret[key] = value
    return added


def call(graph, name, called, inputs):
    node = graph.node.add(name=name, op="PartitionedCall", input=inputs)
    node.attr["f"].func.name = called
    return node


def nodes(graph):
    return {node.name: (node.op, list(node.input)) for node in graph.node}


def builder():
    made = GraphBuilder()
    made.placeholder("x", None, 4)
    return made


def refusal(graph, wanted=("call",)) -> str:
    with pytest.raises(InspectorError) as caught:
        inlined(graph, wanted, "net")
    return caught.value.message


def test_a_call_becomes_its_nodes_and_hands_on_their_results():
    graph = builder().graph
    body = [
        ("top", "TopKV2", ["a", "k:output:0"], {"T": FLOAT}),
        ("k", "Const", [], {}),
        ("n", "NoOp", ["^top"], {}),
    ]
    added = function(
        graph, "f", {"a": FLOAT}, {"y": FLOAT, "z": 3}, body, {"y": "top:values:0", "z": "top:indices:0"}
    )
    added.control_ret["n"] = "n"
    call(graph, "net/call", "f", ["x"])
    graph.node.add(name="end", op="Identity", input=["net/call:1", "^net/call"])
    graph.node.add(name="unneeded", op="NoOp")
    flat = inlined(graph, ["end"], "net")
    assert nodes(flat.graph_def) == {
        "x": ("Placeholder", []),
        "net/call/top": ("TopKV2", ["x", "net/call/k"]),
        "net/call/k": ("Const", []),
        "net/call/n": ("NoOp", ["^net/call/top"]),
        "net/call": ("IdentityN", ["net/call/top", "net/call/top:1", "^net/call/n"]),
        "end": ("Identity", ["net/call:1", "^net/call"]),
    }
    assert flat.places["net/call/top"] == "net/call/top"


def test_a_call_without_a_name_of_its_own_adds_no_scope_and_taken_names_stay_apart():
    graph = builder().graph
    function(
        graph, "f", {"a": FLOAT}, {"y": FLOAT}, [("r", "Relu", ["a"], {"T": FLOAT})], {"y": "r:activations:0"}
    )
    body = [
        ("PartitionedCall", "PartitionedCall", ["a"], {"f": "f"}),
        ("again", "f", ["PartitionedCall:output:0"], {}),
    ]
    function(graph, "g", {"a": FLOAT}, {"y": FLOAT}, body, {"y": "again:y:0"})
    call(graph, "PartitionedCall", "g", ["x"])
    flat = inlined(graph, ["PartitionedCall"], "net")
    assert nodes(flat.graph_def) == {
        "x": ("Placeholder", []),
        "r": ("Relu", ["x"]),
        "PartitionedCall/PartitionedCall": ("IdentityN", ["r"]),
        "again/r": ("Relu", ["PartitionedCall/PartitionedCall"]),
        "again": ("IdentityN", ["again/r"]),
        "PartitionedCall": ("IdentityN", ["again"]),
    }
    assert flat.places["r"] == "PartitionedCall/PartitionedCall/r"
    assert flat.places["again/r"] == "PartitionedCall/again/r"


def test_what_the_caller_fills_in_is_filled_in():
    graph = builder().graph
    added = function(graph, "f", {"a": FLOAT}, {"y": 0}, [("r", "Relu", ["a"], {})], {"y": "r:activations:0"})
    added.signature.output_arg[0].type_attr = "T"
    added.node_def[0].attr["T"].placeholder = "T"
    call(graph, "call", "f", ["x"]).attr["f"].func.attr["T"].type = FLOAT
    made = {node.name: node for node in inlined(graph, ["call"], "net").graph_def.node}
    assert made["call/r"].attr["T"].type == FLOAT
    assert list(made["call"].attr["T"].list.type) == [FLOAT]


@pytest.mark.parametrize(
    ("body", "ret", "message"),
    [
        ([("r", "Relu", ["b"], {})], "r:activations:0", "the function 'f' reads 'b', which it does not have"),
        ([("r", "Relu", ["a"], {})], "s:y:0", "the function 'f' reads 's:y:0', which it does not have"),
        (
            [("r", "TopKV2", ["a"], {})],
            "r:none:0",
            "the function 'f' reads 'r:none:0', which it does not have",
        ),
        ([("r", "Relu", ["^b"], {})], "a", "the function 'f' reads '^b', which it does not have"),
        (
            [("r", "Relu", ["a"], {"f": "none"})],
            "a",
            "the node 'call/r' uses the function 'none', which it does not have",
        ),
    ],
)
def test_a_function_that_reads_what_is_not_there_is_damaged(body, ret, message):
    graph = builder().graph
    function(graph, "f", {"a": FLOAT}, {"y": FLOAT}, body, {"y": ret})
    call(graph, "call", "f", ["x"])
    assert refusal(graph) == f"net: the graph is damaged: {message}"


def test_a_call_with_too_few_inputs_is_damaged():
    graph = builder().graph
    function(graph, "f", {"a": FLOAT, "b": FLOAT}, {"y": FLOAT}, [], {"y": "a"})
    call(graph, "call", "f", ["x"])
    assert refusal(graph) == (
        "net: the graph is damaged: the node 'call' gives 1 inputs to the function 'f', which takes 2"
    )


def test_two_outputs_of_an_unknown_operation_are_refused():
    graph = builder().graph
    body = [("m", "Mystery", ["a"], {}), ("s", "AddV2", ["m:one:0", "m:two:0"], {})]
    function(graph, "f", {"a": FLOAT}, {"y": FLOAT}, body, {"y": "s:z:0"})
    call(graph, "call", "f", ["x"])
    assert refusal(graph) == (
        "net: the node 'm' of op Mystery has the outputs one, two, whose order is not known here"
    )


def loop(inner):
    """A loop whose body takes a variable, and does `inner` with it."""
    made = builder()
    graph = made.graph
    handle = graph.node.add(name="w", op="VarHandleOp")
    handle.attr["dtype"].type = FLOAT
    arguments = {"v": RESOURCE, "a": FLOAT}
    function(graph, "cond", arguments, {"c": 10}, [("t", "Const", [], {})], {"c": "t:output:0"})
    body = function(
        graph, "body", arguments, {"v_out": RESOURCE, "y": FLOAT}, inner, {"v_out": "v", "y": "m:z:0"}
    )
    body.arg_attr[0].attr["_output_shapes"].list.shape.add()
    node = graph.node.add(name="while", op="While", input=["w", "x"])
    node.attr["T"].list.type.extend([RESOURCE, FLOAT])
    node.attr["output_shapes"].list.shape.add()
    node.attr["cond"].func.name, node.attr["body"].func.name = "cond", "body"
    return graph


def test_a_loop_gets_the_value_of_a_variable_that_it_reads():
    inner = [
        ("i", "Identity", ["v"], {"T": RESOURCE}),
        ("r", "ReadVariableOp", ["i:output:0"], {"dtype": FLOAT}),
        ("m", "Mul", ["a", "r:value:0"], {"T": FLOAT}),
    ]
    graph = loop(inner)
    changed = by_value(graph, "net")
    made = {node.name: node for node in changed.node}
    assert made["while"].input[0] == "while/0/ReadVariableOp"
    assert list(made["while/0/ReadVariableOp"].input) == ["w"]
    assert list(made["while"].attr["T"].list.type) == [FLOAT, FLOAT]
    assert made["while"].attr["output_shapes"].list.shape[0].unknown_rank
    functions = {each.signature.name: each for each in changed.library.function}
    body = functions[made["while"].attr["body"].func.name]
    assert [argument.type for argument in body.signature.input_arg] == [FLOAT, FLOAT]
    assert [argument.type for argument in body.signature.output_arg] == [FLOAT, FLOAT]
    assert 0 not in body.arg_attr
    assert [(node.name, node.op, list(node.input)) for node in body.node_def] == [
        ("i", "Identity", ["v"]), ("r", "Identity", ["i:output:0"]), ("m", "Mul", ["a", "r:output:0"])
    ]  # fmt: skip
    assert [node.name for node in graph.node] == ["x", "w", "while"]


def test_a_loop_within_a_loop_gets_the_value_too():
    graph = loop(
        [("w", "While", ["v", "a"], {"cond": "cond", "body": "deep"}), ("m", "Mul", ["a", "w:output:1"], {})]
    )
    inner = next(each for each in graph.library.function if each.signature.name == "body").node_def[0]
    inner.attr["T"].list.type.extend([RESOURCE, FLOAT])
    read = [("r", "ReadVariableOp", ["v"], {"dtype": FLOAT})]
    function(
        graph,
        "deep",
        {"v": RESOURCE, "a": FLOAT},
        {"o": RESOURCE, "y": FLOAT},
        read,
        {"o": "v", "y": "r:value:0"},
    )
    changed = by_value(graph, "net")
    deep = next(each for each in changed.library.function if each.signature.name.startswith("deep_by_value"))
    assert [argument.type for argument in deep.signature.output_arg] == [FLOAT, FLOAT]
    assert (deep.node_def[0].op, deep.ret["y"]) == ("Identity", "r:output:0")


def test_a_loop_that_changes_a_variable_is_refused():
    inner = [("s", "AssignVariableOp", ["v", "a"], {}), ("m", "Mul", ["a", "a"], {})]
    with pytest.raises(InspectorError) as caught:
        by_value(loop(inner), "net")
    assert caught.value.message == (
        "net: the node 's' of op AssignVariableOp uses a variable in place within a loop or conditional, "
        "which cannot be converted; expected a plain read"
    )


def test_functions_are_found_in_lists_too():
    node = builder().graph.node.add(name="c", op="Case")
    node.attr["branches"].list.func.add(name="one")
    node.attr["f"].func.name = "two"
    assert sorted(functions_of(node)) == ["one", "two"]


def test_the_outputs_of_operations_are_those_that_tensorflow_defines(tensorflow):
    from tensorflow.python.framework import op_def_registry

    defined = {op: op_def_registry.get(op) for op in {*several_outputs(), *emitters(), *rules()}}
    for op, names in several_outputs().items():
        assert tuple(argument.name for argument in defined[op].output_arg) == names
        assert not any(a.number_attr or a.type_list_attr for a in defined[op].output_arg)
    for op, known in defined.items():
        if known is not None and len(known.output_arg) > 1:
            assert op in several_outputs()
    assert output_number("Split", "output", 2) == 2


def test_arrays_of_a_flat_graph_are_the_same_numbers():
    made = builder()
    graph = made.graph
    function(
        graph, "f", {"a": FLOAT}, {"y": FLOAT}, [("r", "Relu", ["a"], {"T": FLOAT})], {"y": "r:activations:0"}
    )
    call(graph, "call", "f", ["x"])
    graph.node.add(name="end", op="Neg", input=["call"]).attr["T"].type = FLOAT
    flat = inlined(graph, ["end"], "net").graph_def
    frozen = freeze(SourceGraph("frozen graph", Path("net"), (), flat), outputs=["end:0"])
    found = Evaluator(frozen).run({"x:0": np.float32([[-1, 2, 3, -4]])}, ["end:0"])
    np.testing.assert_array_equal(found["end:0"], [[0, -2, -3, 0]])


def test_a_loop_that_calls_python_is_refused_by_name():
    graph = loop([("p", "EagerPyFunc", ["a"], {}), ("m", "Mul", ["a", "a"], {})])
    graph.node.add(name="end", op="Neg", input=["while:1"])
    with pytest.raises(InspectorError) as caught:
        freeze(SourceGraph("frozen graph", Path("net"), (), by_value(bare(graph), "net")), outputs=["end:0"])
    assert caught.value.message == (
        "net: the outputs need the node 'p' within 'while', whose op EagerPyFunc touches files, Python or "
        "another process; expected a graph that computes its outputs from its inputs alone"
    )


def bare(graph):
    """The graph with a number in the place of the variable."""
    made = GraphBuilder()
    made.const("w", 1.0)
    (handle,) = [node for node in graph.node if node.name == "w"]
    handle.CopyFrom(made.graph.node[0])
    return graph
