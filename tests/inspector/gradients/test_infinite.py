"""Where a slope is infinite masks stop it, as in PyTorch, and elsewhere they stay as fast as they were."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from edges import agree, gradients, network, opened
from onnx import NodeProto, helper
from torch.nn import functional

from inspector.gradients import backward

X = np.array([[-1, 4, 2.25, -3]], np.float32)
INFINITE = {
    "Sqrt": torch.sqrt,
    "Log": torch.log,
    "Reciprocal": torch.reciprocal,
    "Pow": lambda x: x**0.5,
    "Div": lambda x: 1 / x,
}


def infinite(op_type: str) -> tuple[NodeProto, dict[str, Any]]:
    """A node that makes `y` of `r`, with an infinite slope at 0, and its constants."""
    if op_type == "Pow":
        return helper.make_node("Pow", ["r", "half"], ["y"]), {"half": np.float32(0.5)}
    if op_type == "Div":
        return helper.make_node("Div", ["one", "r"], ["y"]), {"one": np.float32(1)}
    return helper.make_node(op_type, ["r"], ["y"]), {}


@pytest.mark.parametrize("op_type", INFINITE)
def test_a_relu_hands_nothing_on_where_it_is_zero(op_type: str) -> None:
    node, constants = infinite(op_type)
    nodes = [helper.make_node("Relu", ["x"], ["r"]), node]
    agree(nodes, {"x": X}, lambda x: INFINITE[op_type](functional.relu(x)), constants)


Mask = tuple[Sequence[str], Mapping[str, Any], Sequence[float], Callable[[torch.Tensor], torch.Tensor]]
MASKS: dict[str, Mask] = {
    "Clip": (["x", "zero"], {}, [-1, 4, -3], lambda x: x.clamp(min=0)),
    "Clip between": (["x", "zero", "three"], {}, [-1, 4, 2], lambda x: x.clamp(0, 3)),
    "Max": (["x", "zero"], {}, [-1, 4, -3], lambda x: x.maximum(torch.zeros_like(x))),
    "HardSigmoid": (["x"], {"alpha": 0.1, "beta": 0.0}, [-1, 4, 12], lambda x: (x * 0.1).clamp(0, 1)),
    "HardSwish": (["x"], {}, [4, -3, -5], functional.hardswish),
    "ThresholdedRelu": (["x"], {"alpha": 1.0}, [-1, 4, 0.5], lambda x: functional.threshold(x, 1.0, 0.0)),
    "Shrink": (["x"], {"lambd": 2.5, "bias": 0.0}, [0, 4, 1], lambda x: functional.hardshrink(x, 2.5)),
    "Where": (["positive", "x", "zero"], {}, [-1, 4, -3], lambda x: torch.where(x > 0, x, 0.0)),
}


@pytest.mark.parametrize("mask", MASKS)
def test_every_mask_stops_what_is_infinite(mask: str) -> None:
    reads, attributes, numbers, function = MASKS[mask]
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["positive"]),
        helper.make_node(mask.split()[0], reads, ["r"], **attributes),
        helper.make_node("Sqrt", ["r"], ["y"]),
    ]
    constants = {"zero": np.float32(0), "three": np.float32(3)}
    agree(nodes, {"x": np.array([numbers], np.float32)}, lambda x: function(x).sqrt(), constants)


@pytest.mark.parametrize("op_type", ["Reshape", "Mul", "ReduceSum"])
def test_an_infinite_slope_is_seen_behind_other_elementwise_steps(op_type: str) -> None:
    constants = {"Reshape": np.array([4, 1]), "Mul": np.float32(2), "ReduceSum": np.array([0])}
    nodes = [
        helper.make_node("Relu", ["x"], ["s"]),
        helper.make_node(op_type, ["s", "c"], ["r"]),
        helper.make_node("Sqrt", ["r"], ["y"]),
    ]
    _, (found,) = gradients(nodes, {"x": X}, constants={"c": constants[op_type]})
    assert (found[X < 0] == 0).all()
    assert np.isfinite(found).all()


def test_maxima_of_a_relu_stop_what_is_infinite() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2], strides=[2]),
        helper.make_node("Sqrt", ["p"], ["y"]),
    ]
    x = np.array([[[-1, -2, 3, 4]]], np.float32)
    _, (found,) = gradients(nodes, {"x": x}, np.ones((1, 1, 2), np.float32))
    assert found.tolist() == [[[0, 0, 0, 0.25]]]


@pytest.mark.parametrize(
    ("last", "masks"), [("Sigmoid", ["HardSigmoid"]), ("Sqrt", ["HardSigmoid", "Equal", "Where"])]
)
def test_only_what_divides_by_the_network_makes_a_mask_a_where(last: str, masks: list[str]) -> None:
    """A product takes an eighth of the time of a Where."""
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node(last, ["r"], ["y"])]
    written = backward(network(nodes, {"x": X}, {}, 18), of="y", wrt="x")
    assert [each.op_type for each in written.graph.node if each.op_type in masks] == masks
    assert ("Where" in {each.op_type for each in written.graph.node}) == (last == "Sqrt")


def test_a_constant_divisor_and_a_whole_power_leave_the_mask_a_product() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Div", ["a", "two"], ["b"]),
        helper.make_node("Pow", ["b", "two"], ["y"]),
    ]
    written = backward(network(nodes, {"x": X}, {"two": np.float32(2)}, 18), of="y", wrt="x")
    assert "Where" not in {each.op_type for each in written.graph.node}


class Attends(torch.nn.Module):
    """Attention with a mask, of which a row may be empty."""

    def forward(self, q: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(q, q, q, attn_mask=mask)


def test_attention_with_a_query_that_may_look_at_nothing_has_a_finite_gradient() -> None:
    q = torch.randn(1, 2, 3, 4, generator=torch.Generator().manual_seed(5))
    mask = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    mask[..., 0, :] = False
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {"input_names": ["q", "m"], "output_names": ["y"]}
        torch.onnx.export(Attends(), (q, mask), file, dynamo=False, opset_version=17, **names)
    session = opened(backward(onnx.load_from_string(file.getvalue()), of="y", wrt="q"))
    seed = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    (found,) = session.run(["gradient/q"], {"q": q.numpy(), "m": mask.numpy(), "seed": seed})
    wanted = q.double().requires_grad_()
    Attends()(wanted, mask).backward(torch.tensor(seed, dtype=torch.float64))
    assert wanted.grad is not None
    np.testing.assert_allclose(found, wanted.grad.numpy(), rtol=1e-4, atol=1e-4)
