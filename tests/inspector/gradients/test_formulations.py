"""Shorter ways of writing the gradients of nodes in a row: right, in place, and only where they may be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch.nn import functional

from inspector.gradients import RULES, backward, vjp
from inspector.gradients.expressions import positive
from inspector.gradients.node import Node
from inspector.gradients.value import Value

VALUES = ("x", "convolved", "normal", "kept")
CHANNELS, SIZE = 8, 9
POOLS = {"apart": (2, 2), "overlapping": (3, 2)}


def weights(channels: int = CHANNELS) -> dict[str, NDArray[np.float32]]:
    """Whole numbers, so that many values are equal, and many maxima 0."""
    random = np.random.default_rng(0)
    return {
        "w": random.integers(-1, 2, (CHANNELS, channels, 3, 3)).astype(np.float32),
        "scale": random.integers(1, 4, CHANNELS).astype(np.float32),
        "shift": random.integers(-2, 2, CHANNELS).astype(np.float32),
        "mean": np.zeros(CHANNELS, np.float32),
        "variance": np.full(CHANNELS, 0.25 - 1e-5, np.float32),
    }


def network(pool: str, channels: int = CHANNELS) -> ModelProto:
    """Conv, batch normalization, Relu and MaxPool."""
    size, stride = POOLS[pool]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["convolved"], pads=[1] * 4),
        helper.make_node(
            "BatchNormalization", ["convolved", "scale", "shift", "mean", "variance"], ["normal"]
        ),
        helper.make_node("Relu", ["normal"], ["kept"]),
        helper.make_node("MaxPool", ["kept"], ["y"], kernel_shape=[size] * 2, strides=[stride] * 2),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, SIZE, SIZE])
    stored = [numpy_helper.from_array(array, name) for name, array in weights(channels).items()]
    graph = helper.make_graph(nodes, "net", [x], [helper.make_empty_tensor_value_info("y")], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def by_autograd(
    pool: str, x: NDArray[np.float32], seed: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """The gradient of each value in float64."""
    held = {name: torch.tensor(array, dtype=torch.float64) for name, array in weights(x.shape[1]).items()}
    found = {"x": torch.tensor(x, dtype=torch.float64, requires_grad=True)}
    found["convolved"] = functional.conv2d(found["x"], held["w"], padding=1)
    found["normal"] = functional.batch_norm(
        found["convolved"], held["mean"], held["variance"], held["scale"], held["shift"]
    )
    found["kept"] = functional.relu(found["normal"])
    y = functional.max_pool2d(found["kept"], *POOLS[pool])
    grads = torch.autograd.grad(y, list(found.values()), torch.tensor(seed, dtype=torch.float64))
    return {name: grad.numpy() for name, grad in zip(found, grads, strict=True)}


def drawn(pool: str, channels: int = CHANNELS) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two samples of whole numbers, and a seed for them."""
    random = np.random.default_rng(1)
    x = random.integers(-1, 2, (2, channels, SIZE, SIZE)).astype(np.float32)
    size, stride = POOLS[pool]
    side = (SIZE - size) // stride + 1
    return x, random.standard_normal((2, CHANNELS, side, side)).astype(np.float32)


def computed(
    written: ModelProto, x: NDArray[np.float32], seed: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs() if each.name.startswith("gradient/")]
    return [np.asarray(array) for array in session.run(names, {"x": x, "seed": seed})]


def backward_ops(written: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in written.graph.node if node.name.startswith("gradient/"))


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("channels", [3, CHANNELS])
def test_the_gradient_of_the_input_is_right_where_many_numbers_are_equal(pool: str, channels: int) -> None:
    x, seed = drawn(pool, channels)
    (found,) = computed(backward(network(pool, channels), of="y"), x, seed)
    np.testing.assert_allclose(found, by_autograd(pool, x, seed)["x"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("pool", POOLS)
def test_every_value_on_the_way_has_its_own_gradient_when_it_is_asked_for(pool: str) -> None:
    x, seed = drawn(pool)
    found = computed(backward(network(pool), of="y", wrt=VALUES), x, seed)
    truth = by_autograd(pool, x, seed)
    for name, array in zip(VALUES, found, strict=True):
        np.testing.assert_allclose(array, truth[name], rtol=0, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("pool", POOLS)
def test_the_factor_of_batch_normalization_is_stored_in_the_kernels(pool: str) -> None:
    # The one product left is that of the mask.
    assert backward_ops(backward(network(pool), of="y"))["Mul"] == 1


@pytest.mark.parametrize("pool", POOLS)
def test_the_mask_of_a_relu_is_applied_to_the_maxima_alone(pool: str) -> None:
    written = backward(network(pool), of="y")
    mask = next(node for node in written.graph.node if node.op_type == "HardSigmoid")
    assert list(mask.input) == ["y"]
    assert backward_ops(written)["MaxUnpool"] + backward_ops(written)["ScatterElements"] == 1


def test_a_rule_of_ones_own_for_relu_is_not_gone_around() -> None:
    @vjp("Relu")
    def guided(node: Node, grad: Value) -> Value:
        return grad.op("Relu") * positive(node.output)

    x, seed = drawn("apart")
    (found,) = computed(backward(network("apart"), of="y", wrt="normal", rules=RULES | guided), x, seed)
    truth = np.maximum(by_autograd("apart", x, seed)["normal"], 0)
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-4)


def test_a_channel_picked_by_a_seed_keeps_its_factor() -> None:
    """The product that puts a seed for one channel in its place has the shape of a factor, and is none."""
    x, _ = drawn("apart")
    written = backward(network("apart"), of="convolved:3")
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    one = np.random.default_rng(2).standard_normal((2, SIZE, SIZE)).astype(np.float32)
    (found,) = session.run(["gradient/x"], {"x": x, "seed": one})
    given = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    kernels = torch.tensor(weights()["w"], dtype=torch.float64)
    y = functional.conv2d(given, kernels, padding=1)[:, 3]
    (truth,) = torch.autograd.grad(y, given, torch.tensor(one, dtype=torch.float64))
    np.testing.assert_allclose(found, truth.numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("pool", POOLS)
def test_no_value_is_kept_only_to_be_asked_for_its_shape(pool: str) -> None:
    written = backward(network(pool), of="y")

    asked = {node.input[0] for node in written.graph.node if node.op_type in ("Shape", "Size")}

    assert asked <= {"x"}
