"""An If whose condition only shapes and constants decide is what its branch is."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
import torch
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inspector.errors import GradientError
from inspector.gradients import Gradient, backward


class Normalized(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.LocalResponseNorm(3, alpha=0.5)
        self.second = torch.nn.LocalResponseNorm(5, alpha=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x) * 2)  # type: ignore[no-any-return]


class Diagonals(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.diagonal(x[:, 0], 0, 1, 2) ** 2


class Squeezed(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.squeeze(0) ** 2


def exported(network: torch.nn.Module, x: torch.Tensor) -> ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (x,),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "samples"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    assert "If" in {node.op_type for node in model.graph.node}
    return model


@pytest.mark.parametrize("network", [Normalized(), Diagonals()])
def test_a_question_about_the_shape_is_answered_when_the_graph_is_written(network: torch.nn.Module) -> None:
    x = torch.randn(2, 6, 3, 3, requires_grad=True)
    model = exported(network, x)
    onnx.checker.check_model(backward(model, of="y"), full_check=True)
    seed = torch.randn(network(x).shape)
    found = Gradient(model, of="y").run({"x": x.detach().numpy()}, seed.numpy())["gradient"]
    (wanted,) = torch.autograd.grad(network(x), x, seed)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=2e-6)


def test_a_question_about_the_batch_has_no_answer_that_holds_for_any() -> None:
    with pytest.raises(GradientError) as caught:
        backward(exported(Squeezed(), torch.randn(2, 6, 3, 3)), of="y")
    assert caught.value.message == (
        "the model in memory: the node '/If' (If, version 16) of layer '/If' has no derivative rule"
    )


def branch(*nodes: NodeProto, gives: str, **constants: Sequence[float]) -> GraphProto:
    stored = [numpy_helper.from_array(np.array(each, np.float32), name) for name, each in constants.items()]
    return helper.make_graph(
        nodes, "branch", [], [helper.make_tensor_value_info(gives, TensorProto.FLOAT, None)], stored
    )


def same(name: str) -> GraphProto:
    return branch(helper.make_node("Identity", [name], ["part"]), gives="part")


def choice(result: str, condition: str, yes: GraphProto, no: GraphProto) -> NodeProto:
    return helper.make_node("If", [condition], [result], name=result, then_branch=yes, else_branch=no)


def network(*nodes: NodeProto) -> ModelProto:
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy"]
    stored = [
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.array([False]), "no"),
        numpy_helper.from_array(np.array([2, 3], np.float32), "w"),
    ]
    graph = helper.make_graph(nodes, "net", info[:1], info[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_branches_may_use_the_same_names_and_values_of_the_graph_around_them() -> None:
    """y = (x·(5, 7)·(2, 3))², by names that stand for other numbers in each branch."""
    node = helper.make_node
    inner = choice(
        "chosen",
        "no",
        branch(node("Neg", ["part"], ["scaled"]), gives="scaled"),
        branch(node("Mul", ["part", "w"], ["scaled"]), gives="scaled"),
    )
    first = choice(
        "a",
        "yes",
        branch(node("Mul", ["x", "k"], ["part"]), inner, gives="chosen", k=[5, 7]),
        branch(node("Neg", ["x"], ["part"]), gives="part"),
    )
    second = choice(
        "b",
        "no",
        branch(node("Neg", ["a"], ["part"]), gives="part"),
        branch(
            node("Mul", ["a", "k"], ["part"]),
            node("Mul", ["part", "a"], ["chosen"]),
            gives="chosen",
            k=[1, 1],
        ),
    )
    third = choice("y", "yes", same("b"), same("x"))
    model = network(first, second, third)
    onnx.checker.check_model(model, full_check=True)
    written = backward(model, of="y")
    onnx.checker.check_model(written, full_check=True)
    x = np.array([[1, 2], [-3, 0.5]], np.float32)
    found = Gradient(model, of="y").run({"x": x}, np.ones((2, 2), np.float32))
    np.testing.assert_allclose(found["y"], (x * [10, 21]) ** 2)
    np.testing.assert_allclose(found["gradient"], 2 * x * np.array([10, 21]) ** 2)


def test_a_layer_that_is_an_if_keeps_its_name() -> None:
    yes = branch(helper.make_node("Mul", ["x", "w"], ["scaled"]), gives="scaled")
    node = choice("chosen", "yes", yes, same("x"))
    node.metadata_props.add(key="inspector.layer", value="gate")
    model = network(node, helper.make_node("Mul", ["chosen", "chosen"], ["y"]))
    found = backward(model, of="y", wrt="gate", outputs=["gate"])
    assert [each.name for each in found.graph.output] == ["y", "chosen", "gradient/chosen"]
    layers = {
        node.output[0]: each.value
        for node in found.graph.node
        for each in node.metadata_props
        if node.output[0] in ("chosen", "chosen/scaled")
    }
    assert layers == {"chosen": "gate", "chosen/scaled": "gate"}
