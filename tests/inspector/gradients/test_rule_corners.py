"""Derivative rules in other precisions, and where nothing is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.gradients import backward

KINDS = {np.float16: TensorProto.FLOAT16, np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}
SLOPES = {
    "Relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "LeakyRelu": lambda x: np.where(x > 0, 1.0, 0.01),
    "HardSigmoid": lambda x: np.where(np.abs(x) < 2.5, 0.2, 0.0),
    "Abs": np.sign,
    "Sigmoid": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
}


def gradient(
    nodes: Sequence[NodeProto],
    x: np.ndarray,
    seed: np.ndarray,
    constants: Mapping[str, onnx.TensorProto] | None = None,
    opset: int = 18,
) -> np.ndarray:
    """The gradient of `y` with respect to `x`."""
    info = helper.make_tensor_value_info("x", KINDS[x.dtype.type], x.shape)
    stored = list((constants or {}).values())
    graph = helper.make_graph(nodes, "net", [info], [helper.make_empty_tensor_value_info("y")], stored)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    written = backward(network, of="y", wrt="x")
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {"x": x, "seed": seed}
    wanted = {each.name: feeds[each.name] for each in session.get_inputs()}
    return np.asarray(session.run(["gradient/x"], wanted)[0])


# onnxruntime has not every operator for float64.
PAIRS = [
    (op_type, dtype)
    for op_type in SLOPES
    for dtype in KINDS
    if dtype is not np.float64 or op_type not in ("LeakyRelu", "HardSigmoid")
]


@pytest.mark.parametrize(("op_type", "dtype"), PAIRS)
def test_activations_in_every_precision_that_onnxruntime_has(op_type: str, dtype: type) -> None:
    x = np.linspace(-4, 4, 17).astype(dtype) + dtype(0.1)
    seed = np.linspace(1, 2, 17).astype(dtype)
    found = gradient([helper.make_node(op_type, ["x"], ["y"])], x, seed)
    assert found.dtype == dtype
    truth = SLOPES[op_type](x.astype(np.float64)) * seed
    np.testing.assert_allclose(found, truth, rtol=0, atol=2e-3 if dtype is np.float16 else 1e-6)


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("seed", [[1, 0, 0], [0, 1, 0], [1, 0.3, -0.2]])
def test_a_network_that_is_all_but_sure_has_an_exact_gradient(op_type: str, seed: list[float]) -> None:
    """Of 1 − p for a p of nearly 1 float32 has hardly a digit left."""
    x, g = np.array([[12, 0, 0.5]]), np.array([seed])
    p = np.exp(x) / np.exp(x).sum()
    others = (np.exp(x).sum() - np.exp(x)) / np.exp(x).sum()
    crossed = g * p * others - p * ((g * p).sum() - g * p)
    truth = crossed if op_type == "Softmax" else g * others - p * (g.sum() - g)
    found = gradient([helper.make_node(op_type, ["x"], ["y"])], x.astype(np.float32), g.astype(np.float32))
    np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-6 * np.abs(truth).max())


def test_floats_of_eight_bits_are_passed_straight_through() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    constants = {
        "scale": numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
        "zero": helper.make_tensor("zero", TensorProto.FLOAT8E4M3FN, [], [0.0]),
    }
    x, seed = np.array([0.3, -1.2, 2.0], np.float32), np.array([1.0, 2.0, 3.0], np.float32)
    np.testing.assert_allclose(gradient(nodes, x, seed, constants, 19), seed, rtol=1e-6)


def test_nothing_flows_back_from_a_gather_of_nothing() -> None:
    nodes = [
        helper.make_node("Gather", ["x", "none"], ["taken"], axis=1),
        helper.make_node("Concat", ["taken", "x"], ["y"], axis=1),
    ]
    constants = {"none": numpy_helper.from_array(np.zeros(0, np.int64), "none")}
    x, seed = np.ones((2, 3), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(gradient(nodes, x, seed, constants), seed)


def test_a_copy_that_many_places_share_gets_the_sum_of_all() -> None:
    nodes = [helper.make_node("Pad", ["x", "pads"], ["y"], mode="edge")]
    constants = {"pads": numpy_helper.from_array(np.array([0, 6, 0, 0], np.int64), "pads")}
    seed = np.arange(18, dtype=np.float32).reshape(2, 9)
    found = gradient(nodes, np.ones((2, 3), np.float32), seed, constants)
    assert np.array_equal(found, np.concatenate([seed[:, :7].sum(1, keepdims=True), seed[:, 7:]], 1))


def test_what_is_taken_twice_gets_both_gradients() -> None:
    nodes = [helper.make_node("Gather", ["x", "twice"], ["y"], axis=1)]
    constants = {"twice": numpy_helper.from_array(np.array([0, 1, 2, 0, 1, 2]), "twice")}
    seed = np.arange(12, dtype=np.float32).reshape(2, 6)
    found = gradient(nodes, np.ones((2, 3), np.float32), seed, constants)
    assert np.array_equal(found, seed[:, :3] + seed[:, 3:])
