"""Reshapes that spell out one sample, and channels of values with their channels last."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inspector.gradients import Gradient, backward

WEIGHTS = np.random.default_rng(0).standard_normal((3, 2, 1, 1)).astype(np.float32)


def network(*nodes: NodeProto, shape: tuple[int | str, ...], **constants: NDArray[np.generic]) -> ModelProto:
    stored = [numpy_helper.from_array(array, name) for name, array in {"w": WEIGHTS, **constants}.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "net", [x], [helper.make_empty_tensor_value_info("y")], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("allowzero", [0, 1])
def test_a_reshape_for_one_sample_gives_its_gradient_whether_or_not_a_zero_may_stand_in_it(
    allowzero: int,
) -> None:
    model = network(
        helper.make_node("Mul", ["x", "x"], ["squares"]),
        helper.make_node("Reshape", ["squares", "flat"], ["y"], allowzero=allowzero),
        shape=(1, 2, 3),
        flat=np.array([1, 6]),
    )
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    gradient = Gradient(model, of="y")
    assert gradient.batch == (1 if allowzero else None)
    found = gradient.run({"x": x}, np.ones((1, 6), np.float32))["gradient"]
    assert np.array_equal(found, 2 * x)


def test_a_reshape_that_puts_other_numbers_first_is_not_taken_for_the_batch() -> None:
    """Of [2, 6] as [2, 3, 2] the first 2 may be the batch; of [2, 6] as [2, 12] for two samples it is not."""
    model = network(
        helper.make_node("Concat", ["x", "x"], ["twice"], axis=0),
        helper.make_node("Reshape", ["twice", "pairs"], ["y"]),
        shape=(2, 6),
        pairs=np.array([2, 12]),
    )
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    seed = np.random.default_rng(1).standard_normal((2, 12)).astype(np.float32)
    gradient = Gradient(model, of="y")
    assert gradient.batch == 2
    found = gradient.run({"x": x}, seed)["gradient"]
    np.testing.assert_allclose(found, seed[0].reshape(2, 6) + seed[1].reshape(2, 6), rtol=1e-6)


@pytest.mark.parametrize("relu", [False, True])
def test_a_channel_of_a_value_with_its_channels_last_is_one_of_the_last_axis(relu: bool) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
    ]
    nodes.append(helper.make_node("Relu" if relu else "Identity", ["t"], ["y"]))
    random = np.random.default_rng(2)
    x = random.standard_normal((2, 2, 4, 5)).astype(np.float32)
    seed = random.standard_normal((2, 4, 5)).astype(np.float32)
    written = backward(network(*nodes, shape=("N", 2, 4, 5)), of="y:1")
    run = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = run.run(["gradient/x"], {"x": x, "seed": seed})
    kernel = WEIGHTS[1, :, 0, 0]
    passed = seed * (np.einsum("nchw,c->nhw", x, kernel) > 0) if relu else seed
    np.testing.assert_allclose(found, passed[:, None] * kernel[:, None, None], rtol=0, atol=1e-5)


def test_the_seed_of_a_number_is_a_number() -> None:
    model = network(helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0), shape=("N", 3))
    gradient = Gradient(model, of="y")
    assert gradient.seed_shape(2) == ()
    found = gradient.run({"x": np.ones((2, 3), np.float32)}, np.array(2, np.float32))["gradient"]
    assert np.array_equal(found, np.full((2, 3), 2, np.float32))


def test_a_value_with_several_rows_for_each_sample_takes_a_seed_with_as_many() -> None:
    model = network(
        helper.make_node("Mul", ["x", "x"], ["squares"]),
        helper.make_node("Reshape", ["squares", "rows"], ["y"]),
        shape=("N", 4, 3),
        rows=np.array([-1, 3]),
    )
    random = np.random.default_rng(3)
    x = random.standard_normal((5, 4, 3)).astype(np.float32)
    seed = random.standard_normal((20, 3)).astype(np.float32)
    gradient = Gradient(model, of="y")
    assert gradient.seed_shape(5) == (20, 3)
    np.testing.assert_allclose(
        gradient.run({"x": x}, seed)["gradient"], 2 * x * seed.reshape(5, 4, 3), rtol=1e-6
    )
