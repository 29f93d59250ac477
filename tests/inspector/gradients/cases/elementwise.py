"""Networks of one function of one element."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from gradient_cases import Array, Case, Declared, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import helper

SHAPES = st.sampled_from([(3,), (2, 5), (2, 3, 4), (1, 2, 3, 3), (4, 1, 2)])


Domain = Callable[[Array], Array]


def function(op_type: str, domain: Domain = lambda x: x, *, kinked: bool = False) -> Declared:
    """Cases of a function of one input: `domain` takes any numbers to some that it is defined on."""

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        shape = draw(SHAPES)
        x = apart(draw, *shape) if kinked else normal(draw, *shape)
        node = helper.make_node(op_type, ["x"], ["y"])
        inputs = {"x": domain(x).astype(np.float32)}
        return network([node], inputs, opset=draw(st.integers(13, 22)), free=draw(st.booleans()))

    return drawn


def above(least: float) -> Callable[[Array], Array]:
    """Numbers above the least."""
    return lambda x: np.abs(x) + least


def between(x: Array) -> Array:
    """Numbers between −0.9 and 0.9."""
    return 0.9 * np.tanh(x)


functions = [
    function("Neg"),
    function("Abs", kinked=True),
    function("Reciprocal", lambda x: np.sign(x) * (np.abs(x) + 0.5)),
    function("Sqrt", above(0.2)),
    function("Exp"),
    function("Log", above(0.2)),
    function("Sin"),
    function("Cos"),
    function("Tan", between),
    function("Asin", between),
    function("Acos", between),
    function("Atan"),
    function("Sinh"),
    function("Cosh"),
    function("Asinh"),
    function("Acosh", above(1.2)),
    function("Atanh", between),
]


@case("Erf")
def erf(draw: Draw) -> Case:
    node = helper.make_node("Erf", ["x"], ["y"])
    # The reference computes it by a polynomial that is good to five digits.
    exact = np.vectorize(math.erf, otypes=[float])
    x = normal(draw, *draw(SHAPES))
    return network([node], {"x": x}, opset=draw(st.integers(13, 22)), truth=lambda feeds: exact(feeds["x"]))
