from __future__ import annotations

from collections.abc import Callable

import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from inspector.onnxfile import OnnxFile
from inspector.onnxfile.runnable import check_runnable

Make = Callable[..., ModelProto]
Open = Callable[[ModelProto], OnnxFile]
Refusal = Callable[[Callable[[], object]], str]


def node(op: str, source: str, target: str, **options: str) -> NodeProto:
    return helper.make_node(op, [source], [target], **options)


def either(*nodes: NodeProto, gives: str) -> NodeProto:
    value = helper.make_tensor_value_info(gives, TensorProto.FLOAT, None)
    branch: GraphProto = helper.make_graph(list(nodes), "inner", [], [value])
    return helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Relu", "x", "y")],
        [helper.make_node("Clip", ["x", "", ""], ["y"])],
        [node("Relu", "a", "y"), node("Relu", "x", "a")],
        [either(node("Relu", "x", "i"), gives="i")],
        [either(gives="x")],
        [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")],
    ],
)
def test_what_can_be_run_passes(nodes: list[NodeProto], model: Make, opened: Open) -> None:
    check_runnable(opened(model(nodes, opsets={"": 18, "com.microsoft": 1})))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Relu", "z", "y", name="act")], "the Relu node 'act' reads 'z', which nothing makes"),
        ([node("Relu", "x", "z")], "the output 'y' is made by nothing"),
        (
            [either(node("Relu", "z", "i"), gives="i")],
            "the Relu node that makes 'i' reads 'z', which nothing makes",
        ),
        ([either(node("Relu", "x", "i"), gives="j")], "the output 'j' is made by nothing"),
        (
            [node("Magic", "x", "y")],
            "the Magic node that makes 'y' is of an operator that opset 18 of ai.onnx does not have",
        ),
        (
            [node("Gelu", "x", "y")],
            "the Gelu node that makes 'y' is of an operator that opset 18 of ai.onnx does not have",
        ),
        (
            [either(node("Magic", "x", "i"), gives="i")],
            "the Magic node that makes 'i' is of an operator that opset 18 of ai.onnx does not have",
        ),
        (
            [node("Scaler", "x", "y", domain="ai.onnx.ml")],
            "the Scaler node that makes 'y' is of ai.onnx.ml, of which the model gives no version",
        ),
        (
            [node("Magic", "x", "a", domain="my.own"), node("Trick", "a", "y", domain="my.own")],
            "cannot be run: it uses operators that are not ONNX's: my.own.Magic, my.own.Trick",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(
    nodes: list[NodeProto], message: str, model: Make, opened: Open, refusal: Refusal
) -> None:
    file = opened(model(nodes))
    assert refusal(lambda: check_runnable(file)) == f"m.onnx: {message}"


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (node("Relu", "i", "o"), ""),
        (node("Relu", "z", "o"), "the Relu node that makes 'o' reads 'z', which nothing makes"),
        (node("Relu", "i", "p"), "the function 'F' returns 'o', which nothing makes"),
        (
            node("Magic", "i", "o"),
            "the Magic node that makes 'o' is of an operator that opset 17 of ai.onnx does not have",
        ),
        (
            node("Magic", "i", "o", domain="my.own"),
            "cannot be run: it uses operators that are not ONNX's: my.own",
        ),
    ],
)
def test_the_functions_of_a_file_are_checked_too(
    inner: NodeProto, message: str, model: Make, opened: Open, refusal: Refusal
) -> None:
    proto = model([node("F", "x", "y", domain="f")], opsets={"": 18, "f": 1})
    opset = helper.make_opsetid("", 17)
    proto.functions.append(helper.make_function("f", "F", ["i"], ["o"], [inner], [opset]))
    file = opened(proto)
    if not message:
        check_runnable(file)
    else:
        assert refusal(lambda: check_runnable(file)) == f"m.onnx: {message}"
