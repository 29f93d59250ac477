"""An operator emitted once more, on other inputs, among the backward nodes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inspector.gradients import RULES, Gradients, Node, Value, backward, vjp

X = np.random.default_rng(5).standard_normal((2, 3)).astype(np.float32)
W = np.random.default_rng(6).standard_normal((3, 4)).astype(np.float32)
SEED = np.random.default_rng(7).standard_normal((2, 4)).astype(np.float32)


def network() -> onnx.ModelProto:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="dense", alpha=0.5)
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(W, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def gradient(written: onnx.ModelProto) -> NDArray[np.float32]:
    onnx.checker.check_model(written, full_check=True)
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["gradient/x"], {"x": X, "seed": SEED})[0])


@vjp("Gemm", since=7)
def with_positive_weights(node: Node, grad: Value) -> Gradients:
    """Multiply by what the layer with its positive weights alone makes, and go back through those weights."""
    rule = RULES.find("", "Gemm", node.version)
    assert rule is not None
    other = node.again(node.input, np.maximum(W, 0))
    assert other.output.shape == node.output.shape
    assert other.attr("alpha", 1.0) == 0.5
    assert [other.wants(at) for at in range(2)] == [True, True]
    assert not node.wants(1)
    made = rule(other, grad * other.output)
    assert isinstance(made, tuple)
    return (made[0],)


def test_a_rule_goes_back_through_the_same_operator_with_other_weights() -> None:
    found = gradient(backward(network(), of="y", rules=RULES | with_positive_weights))
    positive = np.maximum(W.astype(np.float64), 0)
    truth = 0.5 * (SEED * (0.5 * X.astype(np.float64) @ positive)) @ positive.T
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-5)


def test_the_forward_value_stays_what_it_was() -> None:
    written = backward(network(), of="y", rules=RULES | with_positive_weights)
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    value = session.run(["y"], {"x": X, "seed": SEED})[0]
    np.testing.assert_allclose(value, 0.5 * X.astype(np.float64) @ W, rtol=0, atol=1e-5)
