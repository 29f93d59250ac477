"""Activations, against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, judged


def drawn(*shape):
    return np.random.default_rng(0).normal(0, 4, shape).astype(np.float32)


OPS = ("Relu", "Relu6", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "LeakyRelu")


@pytest.mark.parametrize("op", [*OPS, "Softmax", "LogSoftmax"])
@pytest.mark.parametrize("shape", [(5,), (2, 7), (2, 3, 5), (2, 4, 3, 5)])
def test_a_value_of_any_rank(run, op, shape):
    graph = Graph()
    graph.placeholder("x", None, *shape)
    graph.add("y", op, "x", T="float32", **({"alpha": 0.3} if op == "LeakyRelu" else {}))
    judged(run, graph, {"x": drawn(3, *shape)}, "y")


@pytest.mark.parametrize("op", [*OPS, "Softmax", "LogSoftmax"])
def test_after_a_convolution_it_works_in_the_order_that_is_there(run, op):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    graph.convolved("c", "x", 3)
    graph.add("y", op, "c", T="float32", **({"alpha": 0.3} if op == "LeakyRelu" else {}))
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "y")
    assert answer.ops[:2] == ["Transpose", "Conv"]
    assert answer.ops[-1] == "Transpose"
    assert answer.ops.count("Transpose") == 2


def test_leaky_relu_has_tensorflows_slope_by_default(run):
    graph = Graph()
    graph.placeholder("x", None, 4)
    graph.add("y", "LeakyRelu", "x", T="float32")
    judged(run, graph, {"x": drawn(2, 4)}, "y")
