"""Networks of arithmetic on several inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gradient_cases import Array, Case, Declared, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import helper

PAIRS = st.sampled_from(
    [
        ((2, 3), (2, 3)),
        ((2, 3), (3,)),
        ((3,), (2, 3)),
        ((2, 1, 4), (3, 1)),
        ((1,), (2, 2)),
        ((2, 3, 2, 2), (1, 3, 1, 1)),
        ((4, 1), (1, 3)),
    ]
)


def pair(op_type: str) -> Declared:
    """Cases of an operator of two inputs that are broadcast."""

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        a, b = draw(PAIRS)
        second = normal(draw, *b)
        if op_type == "Div":
            second = np.where(second < 0, second - np.float32(0.5), second + np.float32(0.5))
        node = helper.make_node(op_type, ["a", "b"], ["y"])
        return network([node], {"a": normal(draw, *a), "b": second}, opset=draw(st.integers(13, 22)))

    return drawn


def several(op_type: str) -> Declared:
    """Cases of an operator of one to four inputs that are broadcast."""

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        choices = st.sampled_from([(2, 3), (3,), (2, 1), (1,), (4, 1, 3)])
        shapes = draw(st.lists(choices, min_size=1, max_size=4))
        inputs = {f"x{at}": normal(draw, *shape) for at, shape in enumerate(shapes)}
        node = helper.make_node(op_type, list(inputs), ["y"])
        truth = None if op_type == "Sum" else _mean
        return network([node], inputs, opset=draw(st.integers(13, 22)), truth=truth)

    return drawn


def _mean(feeds: Mapping[str, Array]) -> Array:
    return np.asarray(sum(feeds.values()) / len(feeds))


pairs = [pair(op_type) for op_type in ("Add", "Sub", "Mul", "Div")]
sums = [several(op_type) for op_type in ("Sum", "Mean")]


@case("Mul")
def square(draw: Draw) -> Case:
    node = helper.make_node("Mul", ["x", "x"], ["y"])
    return network([node], {"x": normal(draw, *draw(st.sampled_from([(3,), (2, 4)])))}, free=True)


@case("Pow")
def power(draw: Draw) -> Case:
    a, b = draw(PAIRS)
    base = np.abs(normal(draw, *a)) + np.float32(0.3)
    node = helper.make_node("Pow", ["a", "b"], ["y"])
    return network([node], {"a": base, "b": normal(draw, *b)}, opset=draw(st.integers(13, 22)))


@case("Pow")
def power_of_constant(draw: Draw) -> Case:
    exponent = draw(st.sampled_from([2.0, 3.0, 0.0, 1.0, -1.0, 2, 3, [0.0, 1.0, 2.0]]))
    x = apart(draw, 2, 3, gap=0.2)
    node = helper.make_node("Pow", ["x", "n"], ["y"])
    dtype = np.float32 if not isinstance(exponent, int) else np.int64
    return network([node], {"x": x}, constants={"n": np.array(exponent, dtype)})


@case("Mod")
def mod(draw: Draw) -> Case:
    a = apart(draw, 3, 4, gap=0.15)
    b = np.float32(draw(st.sampled_from([[1.3], [0.7, -1.1, 0.9, 2.0], [-1.7]])))
    node = helper.make_node("Mod", ["a", "b"], ["y"], fmod=1)
    return network([node], {"a": a, "b": b}, opset=draw(st.integers(13, 22)))
