"""The check of whole networks tells right gradients from wrong ones, and rounding from either."""

from __future__ import annotations

from pathlib import Path

import check_network
import numpy as np
import onnx
import pytest
from check_network import FORWARD_ERROR, checked, lines
from graphs import constants, inputs
from kinks import disagreements, sides, straightened, watched
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from truths import DIFFERENCES, ERROR, REBUILT

from inspector.gradients import RULES, Node, Value, vjp


@vjp("Conv")
def half_of_conv(node: Node, grad: Value) -> Value:
    """A rule that is wrong: half of what it should be."""
    (right,) = [rule for rule in RULES if rule.op_type == "Conv"]
    whole = right(node, grad)
    assert not isinstance(whole, Value) and whole is not None and whole[0] is not None
    return whole[0] * 0.5


@vjp("Relu")
def relu_that_lets_all_through(node: Node, grad: Value) -> Value:
    """A rule that is wrong on one side of the kink alone."""
    return grad


def network(nodes: list[NodeProto], *shape: int | str, **stored: np.ndarray) -> ModelProto:
    """A network that makes `y` of `x`."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def bending(last: str = "Tanh") -> ModelProto:
    """Every operator that bends, one after the other."""
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        helper.make_node("Sub", ["pool", "half"], ["less"]),
        helper.make_node("LeakyRelu", ["less"], ["leaky"], alpha=0.25),
        helper.make_node("Clip", ["leaky", "low", "high"], ["clip"]),
        helper.make_node(last, ["clip"], ["y"]),
    ]
    weights = random.standard_normal((3, 2, 3, 3), dtype=np.float32)
    numbers = {"half": 0.5, "low": -0.25, "high": 1.5}
    stored = {name: np.array(number, np.float32) for name, number in numbers.items()}
    return network(nodes, "N", 2, 8, 8, w=weights, **stored)


def test_a_gradient_that_is_right_is_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(bending(), tmp_path / "net.onnx")
    assert check_network.main([str(tmp_path / "net.onnx"), "--inputs", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["net.onnx", "  y by x, compared with PyTorch, rebuilt"]
    assert len(said) == 5
    assert said[-1] == "    right"


@pytest.mark.parametrize("broken", [half_of_conv, relu_that_lets_all_through])
@pytest.mark.parametrize("last", ["Tanh", "Sin"])
def test_a_gradient_that_is_wrong_is_called_so(broken: object, last: str) -> None:
    found = checked(bending(last), "y", rules=RULES | broken)  # type: ignore[operator]
    assert not found.right
    assert not any(each.right for each in found.inputs)
    said = list(lines(found))
    assert said[-1] == "    WRONG"
    assert all(line.endswith("   WRONG") for line in said[1:-1])


def test_a_network_that_cannot_be_rebuilt_is_compared_with_differences() -> None:
    found = checked(bending("Sin"), "y")
    assert found.truth == f"{DIFFERENCES.name}, since rebuilt.py fails: there is no operator Sin"
    assert found.right, found


def test_what_is_refused_is_not_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(bending(), tmp_path / "net.onnx")
    assert check_network.main([str(tmp_path / "net.onnx"), "--of", "pool", "--of", "pole"]) == 1
    said = capsys.readouterr().out
    assert "  pool by x" in said
    assert "has no layer 'pole'; nearest: pool" in said


def test_numbers_that_are_zero_but_for_rounding_are_counted_and_do_not_count_against_it() -> None:
    nodes = [
        helper.make_node("Add", ["x", "thousand"], ["far"]),
        helper.make_node("Sub", ["far", "thousand"], ["near"]),
        helper.make_node("Relu", ["near"], ["y"]),
    ]
    found = checked(network(nodes, 1, 300_000, thousand=np.array(1000, np.float32)), "y", samples=1)
    (only,) = found.inputs
    assert found.right, found
    assert only.sides == 300_000
    assert 0 < only.disagreements < 30
    assert only.error == 0
    assert only.alone > 0.01


def test_a_side_that_no_rounding_explains_is_wrong() -> None:
    """Of numbers about ten thousand float32 holds every thousandth: more is lost than a kink excuses."""
    nodes = [
        helper.make_node("Add", ["x", "large"], ["far"]),
        helper.make_node("Sub", ["far", "large"], ["near"]),
        helper.make_node("Relu", ["near"], ["y"]),
    ]
    found = checked(network(nodes, 1, 10_000, large=np.array(1e4, np.float32)), "y", samples=1)
    (only,) = found.inputs
    assert only.error <= ERROR
    assert only.disagreements
    assert only.forward > FORWARD_ERROR
    assert not found.right


def test_a_straightened_network_computes_the_same_where_its_sides_were_taken() -> None:
    model = bending()
    slopes = np.array([[0.5], [-1], [2]], np.float32)[..., None]
    model.graph.node[-1].CopyFrom(helper.make_node("PRelu", ["clip", "slopes"], ["steep"]))
    model.graph.node.append(helper.make_node("Abs", ["steep"], ["y"]))
    model.graph.initializer.append(numpy_helper.from_array(slopes, "slopes"))
    (info,) = inputs(model)
    feeds = {info.name: np.random.default_rng(1).standard_normal((2, 2, 8, 8)).astype(np.float32)}
    values = DIFFERENCES.values(model, feeds, [*watched(model), "y"])
    taken = sides(model, values)
    assert set(taken) == {"relu", "pool", "leaky", "clip", "steep", "y"}
    straight = straightened(model, taken)
    assert {node.op_type for node in straight.graph.node} == {
        "Conv",
        "Mul",
        "Add",
        "Sub",
        "Reshape",
        "Gather",
    }
    np.testing.assert_allclose(REBUILT.values(straight, feeds, ["y"])["y"], values["y"], rtol=1e-12)
    elsewhere = {info.name: feeds[info.name] + 1}
    moved = sides(model, DIFFERENCES.values(model, elsewhere, [*watched(model)]))
    assert disagreements(taken, taken) == 0
    assert disagreements(taken, moved) > 100
    assert "w" in constants(model)
