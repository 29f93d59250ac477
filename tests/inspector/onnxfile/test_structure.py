from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, defs, helper

from inspector.onnxfile import Graph, OnnxFile, in_order, open_onnx
from inspector.onnxfile.checks import NEWEST_IR, NEWEST_OPSETS
from inspector.onnxfile.wire import encode_bytes

Make = Callable[..., ModelProto]
Write = Callable[..., Path]
Refusal = Callable[[Callable[[], object]], str]


def relu(source: str, target: str, name: str = "") -> NodeProto:
    return helper.make_node("Relu", [source], [target], name=name)


def inner(*nodes: NodeProto, gives: str) -> GraphProto:
    return helper.make_graph(
        list(nodes), "inner", [], [helper.make_tensor_value_info(gives, TensorProto.FLOAT, None)]
    )


def either(then: GraphProto, target: str = "y") -> NodeProto:
    return helper.make_node("If", ["x"], [target], name="choose", then_branch=then, else_branch=then)


def test_the_newest_versions_known_are_those_of_onnx() -> None:
    theirs = dict.fromkeys(NEWEST_OPSETS, 0)
    for schema in defs.get_all_schemas_with_history():
        if schema.domain in theirs:
            theirs[schema.domain] = max(theirs[schema.domain], schema.since_version)
    assert NEWEST_IR >= onnx.IR_VERSION
    assert all(NEWEST_OPSETS[domain] >= version for domain, version in theirs.items())
    assert NEWEST_OPSETS[""] >= defs.onnx_opset_version()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ir": 15}, "has IR version 15; the newest known is 14"),
        ({"ir": 0}, "does not say which version of ONNX it is (ir_version)"),
        ({"opsets": {}}, "does not say which operator set it uses (opset_import)"),
        ({"opsets": {"": 29}}, "uses opset 29 of ai.onnx; the newest known is 28"),
        ({"opsets": {"": 18, "ai.onnx.ml": 9}}, "uses opset 9 of ai.onnx.ml; the newest known is 5"),
        ({"opsets": {"": 0}}, "uses opset 0 of ai.onnx; the first is 1"),
        ({"nodes": []}, "its graph has no nodes"),
        ({"nodes": [helper.make_node("", ["x"], ["y"])]}, "node 0 has no operator"),
        (
            {"nodes": [relu("x", "y", "a"), relu("x", "y", "b")]},
            "the Relu node 'b' makes 'y', which another node gives already",
        ),
        (
            {"nodes": [relu("x", "x")]},
            "the Relu node that makes 'x' makes 'x', which a constant or input gives already",
        ),
        (
            {
                "nodes": [
                    relu("x", "a"),
                    helper.make_node("Add", ["x", "c"], ["b"], name="add"),
                    relu("b", "c"),
                ]
            },
            "has a cycle: the Add node 'add' waits for its own result",
        ),
        (
            {"nodes": [either(inner(relu("y", "z"), gives="z"))]},
            "has a cycle: the If node 'choose' waits for its own result",
        ),
        (
            {"nodes": [either(inner(relu("x", "z"), relu("x", "z"), gives="z"))]},
            "the Relu node that makes 'z' makes 'z', which another node gives already",
        ),
        (
            {"tensors": [helper.make_tensor("t", TensorProto.FLOAT, (1,), [1.0])] * 2},
            "has two initializers named 't'",
        ),
        (
            {"tensors": [helper.make_tensor("", TensorProto.FLOAT, (1,), [1.0])]},
            "an initializer has no name",
        ),
    ],
)
def test_a_broken_structure_is_refused(
    options: dict[str, object], message: str, model: Make, write: Write, refusal: Refusal
) -> None:
    path = write(model(**options))
    assert refusal(lambda: open_onnx(path)) == f"m.onnx: {message}"


def test_a_model_without_a_graph_is_refused(model: Make, write: Write, refusal: Refusal) -> None:
    proto = model()
    proto.ClearField("graph")
    path = write(proto)
    assert refusal(lambda: open_onnx(path)) == "m.onnx: has no graph"


def test_the_first_two_ir_versions_have_opset_1(model: Make, write: Write) -> None:
    assert open_onnx(write(model(opsets={}, ir=2))).opsets == {"": 1}


def test_nodes_in_any_order_are_accepted_and_can_be_sorted(model: Make, write: Write) -> None:
    nodes = [relu("b", "y"), either(inner(relu("a", "i"), gives="i"), "b"), relu("x", "a")]
    found = open_onnx(write(model(nodes))).graph.nodes
    ordered, waiting = in_order(found)
    assert [node.outputs[0] for node in ordered] == ["a", "b", "y"]
    assert waiting == []
    assert [node.outputs[0] for node in found] == ["y", "b", "a"]


def test_an_operator_outside_onnx_does_not_prevent_opening(model: Make, write: Write) -> None:
    node = helper.make_node("Magic", ["x"], ["y"], domain="my.own")
    inside = helper.make_node("Trick", ["x"], ["i"], domain="your.own")
    file = open_onnx(write(model([node, either(inner(inside, gives="i"), "z")])))
    assert file.custom_domains == ("my.own", "your.own")


def nested(levels: int) -> NodeProto:
    node = relu("x", "y0")
    for level in range(levels):
        node = either(inner(node, gives=node.output[0]), f"y{level + 1}")
        del node.attribute[1]
    return node


def test_graphs_may_be_nested_but_not_without_end(
    model: Make, opened: Callable[[ModelProto], OnnxFile], write: Write, refusal: Refusal
) -> None:
    graph: Graph = opened(model([nested(20)])).graph
    depth = 0
    while graph.nodes[0].has_graphs:
        (graph,) = graph.nodes[0].graphs
        depth += 1
    assert depth == 20
    content = nested(20).SerializeToString()
    for level in range(50):
        graph_bytes = encode_bytes(1, content)
        attribute = encode_bytes(1, b"then_branch") + encode_bytes(6, graph_bytes)
        content = encode_bytes(4, b"If") + encode_bytes(2, b"z%d" % level) + encode_bytes(5, attribute)
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(1, content)))
    assert refusal(lambda: open_onnx(path)) == "m.onnx: nests graphs more than 64 deep"


def test_thousands_of_levels_are_refused_without_a_crash(model: Make, write: Write, refusal: Refusal) -> None:
    content = encode_bytes(4, b"Relu")
    for _ in range(3000):
        content = encode_bytes(4, b"If") + encode_bytes(5, encode_bytes(6, encode_bytes(1, content)))
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(1, content)))
    assert refusal(lambda: open_onnx(path)) == "m.onnx: nests graphs more than 64 deep"


def function(name: str, *calls: str, domain: str = "f") -> FunctionProto:
    nodes = [helper.make_node(call, ["i"], [f"o{at}"], domain=domain) for at, call in enumerate(calls)]
    nodes = nodes or [relu("i", "o0")]
    return helper.make_function(domain, name, ["i"], ["o0"], nodes, [helper.make_opsetid("", 18)], ["alpha"])


def calling(model: Make, name: str, *functions: FunctionProto) -> ModelProto:
    proto = model([helper.make_node(name, ["x"], ["y"], domain="f")], opsets={"": 18, "f": 1})
    proto.functions.extend(functions)
    return proto


def test_functions_are_read(model: Make, write: Write) -> None:
    made = function("G", "F")
    made.attribute_proto.append(helper.make_attribute("beta", 2.0))
    made.overload = "fast"
    made.metadata_props.add(key="k", value="v")
    made.node[0].overload = "slow"
    made.doc_string = "What it does."
    slow = function("F")
    slow.overload = "slow"
    file = open_onnx(write(calling(model, "F", function("F"), made, slow)))
    first, second, _ = file.functions
    assert (first.name, first.domain, first.inputs, first.outputs) == ("F", "f", ("i",), ("o0",))
    assert (first.opsets, first.nodes[0].op_type) == ({"": 18}, "Relu")
    assert (second.attributes, second.overload) == (("alpha", "beta"), "fast")
    assert (second.metadata, second.nodes[0].overload) == ({"k": "v"}, "slow")
    assert file.custom_domains == ()


@pytest.mark.parametrize(
    "functions",
    [
        [function("F", "F")],
        [function("F", "G"), function("G", "H"), function("H", "F")],
        [function("F"), function("G", "H"), function("H", "G")],
    ],
)
def test_functions_that_call_themselves_are_refused(
    functions: list[FunctionProto], model: Make, write: Write, refusal: Refusal
) -> None:
    path = write(calling(model, "F", *functions))
    message = refusal(lambda: open_onnx(path))
    assert message in {f"m.onnx: the function {name!r} calls itself" for name in "FGH"}


def test_a_function_that_calls_itself_from_an_inner_graph_is_refused(
    model: Make, write: Write, refusal: Refusal
) -> None:
    hidden = function("F")
    call = helper.make_node("F", ["i"], ["h"], domain="f")
    hidden.node.append(either(inner(call, gives="h"), "o1"))
    path = write(calling(model, "F", hidden))
    assert refusal(lambda: open_onnx(path)) == "m.onnx: the function 'F' calls itself"


def test_functions_that_grow_beyond_measure_are_refused(model: Make, write: Write, refusal: Refusal) -> None:
    chain = [function(f"F{level}", *[f"F{level + 1}"] * 10) for level in range(40)]
    path = write(calling(model, "F0", *chain, function("F40")))
    expected = "m.onnx: would have more than 1,000,000 nodes once its functions are written out in full"
    assert refusal(lambda: open_onnx(path)) == expected


def test_functions_that_share_others_are_counted_once_each_time(model: Make, write: Write) -> None:
    chain = [function(f"F{level}", *[f"F{level + 1}"] * 10) for level in range(5)]
    assert len(open_onnx(write(calling(model, "F0", *chain, function("F5")))).functions) == 6


def test_a_function_defined_twice_is_refused(model: Make, write: Write, refusal: Refusal) -> None:
    path = write(calling(model, "F", function("F"), function("F")))
    assert refusal(lambda: open_onnx(path)) == "m.onnx: defines the function 'F' twice"


def test_a_function_with_a_cycle_is_refused(model: Make, write: Write, refusal: Refusal) -> None:
    broken = function("F")
    broken.node[0].input[0] = "o0"
    path = write(calling(model, "F", broken))
    expected = "m.onnx: has a cycle: the Relu node that makes 'o0' waits for its own result"
    assert refusal(lambda: open_onnx(path)) == expected


def test_a_function_whose_inner_graph_makes_a_value_twice_is_refused(
    model: Make, write: Write, refusal: Refusal
) -> None:
    broken = function("F")
    broken.node.append(either(inner(relu("i", "h"), relu("i", "h"), gives="h"), "o1"))
    path = write(calling(model, "F", broken))
    expected = "m.onnx: the Relu node that makes 'h' makes 'h', which another node gives already"
    assert refusal(lambda: open_onnx(path)) == expected


def test_training_graphs_are_read_apart(model: Make, write: Write) -> None:
    proto = model()
    proto.training_info.add().algorithm.CopyFrom(proto.graph)
    file = open_onnx(write(proto))
    assert [graph.nodes[0].op_type for graph in file.training] == ["Relu"]
