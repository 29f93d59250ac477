"""Networks of one activation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gradient_cases import Array, Case, Declared, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import helper

SHAPES = st.sampled_from([(3,), (2, 5), (2, 3, 4), (1, 2, 3, 3), (4, 1, 2)])
FACTOR = st.floats(0.1, 1.9).map(lambda value: float(np.float32(value)))


def pointwise(
    op_type: str,
    *,
    since: int = 13,
    kinked: bool = False,
    scale: float = 2.0,
    bends: Any = None,
    **strategies: st.SearchStrategy[Any],
) -> Declared:
    """Cases of an activation of one input, of drawn shape, attributes and operator set."""

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        attributes = {name: draw(strategy) for name, strategy in strategies.items()}
        shape = draw(SHAPES)
        x = apart(draw, *shape, gap=0.11) if kinked else normal(draw, *shape, scale=scale)
        if bends is not None:
            x = away(x, bends(attributes))
        node = helper.make_node(op_type, ["x"], ["y"], **attributes)
        return network([node], {"x": x}, opset=draw(st.integers(max(since, 13), max(since, 22))))

    return drawn


def away(x: Array, bends: list[float], gap: float = 0.02) -> Array:
    """Numbers none of which is closer than `gap` to a kink."""
    for bend in bends:
        x = np.where(np.abs(x - bend) < gap, np.float32(bend + 2 * gap), x)
    return x.astype(np.float32)


relu = pointwise("Relu", kinked=True)
leaky_relu = pointwise("LeakyRelu", kinked=True, alpha=st.floats(-0.5, 1.5))
elu = pointwise("Elu", kinked=True, alpha=FACTOR)
elu_of_one = pointwise("Elu", kinked=True)
selu = pointwise("Selu", kinked=True)
selu_of_attributes = pointwise("Selu", kinked=True, alpha=FACTOR, gamma=FACTOR)
celu = pointwise("Celu", kinked=True, alpha=FACTOR)
thresholded_relu = pointwise("ThresholdedRelu", kinked=True, alpha=FACTOR, bends=lambda a: [a["alpha"]])
sigmoid = pointwise("Sigmoid")
hard_sigmoid = pointwise(
    "HardSigmoid",
    alpha=st.sampled_from([0.2, 0.25, 0.75]),
    beta=st.sampled_from([0.5, 0.3]),
    bends=lambda a: [-a["beta"] / a["alpha"], (1 - a["beta"]) / a["alpha"]],
)
hard_swish = pointwise("HardSwish", since=14, scale=4.0, bends=lambda _: [-3.0, 3.0])
tanh = pointwise("Tanh")
softplus = pointwise("Softplus")
softsign = pointwise("Softsign", kinked=True)
mish = pointwise("Mish", since=18)
shrink = pointwise(
    "Shrink",
    kinked=True,
    lambd=st.sampled_from([0.3, 0.5, 0.9]),
    bias=st.sampled_from([0.0, 0.25]),
    bends=lambda a: [-a["lambd"], a["lambd"]],
)


@case("PRelu")
def prelu(draw: Draw) -> Case:
    shapes = [((2, 3), (3,)), ((2, 3, 4), (3, 1)), ((2, 3, 2), (1,)), ((2, 2), (2, 2)), ((3, 4), (1, 1))]
    x, slope = draw(st.sampled_from(shapes))
    node = helper.make_node("PRelu", ["x", "slope"], ["y"])
    inputs = {"x": apart(draw, *x, gap=0.1), "slope": normal(draw, *slope)}
    return network([node], inputs, opset=draw(st.integers(13, 22)), truth=_prelu)


def _prelu(feeds: dict[str, Array]) -> Array:
    return np.where(feeds["x"] > 0, feeds["x"], feeds["x"] * feeds["slope"])


@case("Gelu")
def gelu(draw: Draw) -> Case:
    node = helper.make_node("Gelu", ["x"], ["y"])
    x = normal(draw, *draw(SHAPES), scale=2.0)
    erf = np.vectorize(math.erf, otypes=[float])
    return network([node], {"x": x}, opset=20, truth=lambda f: f["x"] * (1 + erf(f["x"] / 2**0.5)) / 2)


@case("Gelu")
def gelu_by_tanh(draw: Draw) -> Case:
    node = helper.make_node("Gelu", ["x"], ["y"], approximate="tanh")
    x = normal(draw, *draw(SHAPES), scale=2.0)
    return network([node], {"x": x}, opset=20, truth=lambda f: _gelu_by_tanh(f["x"]))


def _gelu_by_tanh(x: Array) -> Array:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@case("Swish")
def swish(draw: Draw) -> Case:
    alpha = draw(FACTOR)
    node = helper.make_node("Swish", ["x"], ["y"], alpha=alpha)
    x = normal(draw, *draw(SHAPES))
    return network([node], {"x": x}, opset=24, truth=lambda feeds: _swish(feeds["x"], alpha))


def _swish(x: Array, alpha: float) -> Array:
    return x / (1 + np.exp(-alpha * x))


@case("Softmax")
def softmax(draw: Draw) -> Case:
    return _along_axis(draw, "Softmax")


@case("LogSoftmax")
def log_softmax(draw: Draw) -> Case:
    return _along_axis(draw, "LogSoftmax")


def _along_axis(draw: Draw, op_type: str) -> Case:
    shape = draw(SHAPES)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    node = helper.make_node(op_type, ["x"], ["y"], axis=axis)
    return network([node], {"x": normal(draw, *shape)}, free=draw(st.booleans()))
