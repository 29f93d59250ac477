"""The network without what it has learned."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.explain.randomised import with_random_weights

WEIGHT = np.random.default_rng(7).normal(5, 1, (40, 50)).astype(np.float32)


def network(*, constant: bool) -> ModelProto:
    """A matrix product whose weight is an initializer or in a Constant node."""
    weight = numpy_helper.from_array(WEIGHT, "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    if constant:
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weight))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None]) for name in "xy"]
    return helper.make_model(
        helper.make_graph(nodes, "net", values[:1], values[1:], [] if constant else [weight])
    )


def weight_of(model: ModelProto) -> NDArray[np.float32]:
    stored = [*model.graph.initializer, *(node.attribute[0].t for node in model.graph.node if node.attribute)]
    return np.asarray(numpy_helper.to_array(stored[0]))


@pytest.mark.parametrize("constant", [False, True])
def test_a_random_weight_keeps_its_spread_and_lies_around_zero(constant: bool) -> None:
    drawn = weight_of(with_random_weights(network(constant=constant)))
    assert drawn.shape == WEIGHT.shape and drawn.dtype == np.float32
    assert abs(drawn.mean()) < 0.1
    assert drawn.std() == pytest.approx(WEIGHT.std(), rel=0.05)
    assert abs(np.corrcoef(drawn.ravel(), WEIGHT.ravel())[0, 1]) < 0.1


def test_a_kernel_of_few_numbers_is_drawn_anew_and_a_small_constant_is_not() -> None:
    kernel = np.arange(27, dtype=np.float32).reshape(3, 1, 3, 3)
    factor = np.full((1, 3, 1, 1), 2, np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["maps"]),
        helper.make_node("Mul", ["maps", "factor"], ["y"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None, None, None]) for name in "xy"
    ]
    stored = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(factor, "factor")]
    drawn = with_random_weights(
        helper.make_model(helper.make_graph(nodes, "net", values[:1], values[1:], stored))
    )
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in drawn.graph.initializer}
    assert not np.isclose(found["kernel"], kernel).any()
    assert np.array_equal(found["factor"], factor)
