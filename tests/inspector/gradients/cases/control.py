"""Networks of choices between values, and of ops that let a value through."""

from __future__ import annotations

import numpy as np
from gradient_cases import Array, Case, Declared, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import TensorProto, helper

OPSETS = st.integers(13, 22)


def extreme(op_type: str) -> Declared:
    """Cases of Max or Min, with one to four inputs."""

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        shapes = draw(st.lists(st.sampled_from([(2, 3), (3,), (2, 1), (1,)]), min_size=1, max_size=4))
        numbers = apart(draw, sum(int(np.prod(shape)) for shape in shapes))
        inputs = {}
        for at, shape in enumerate(shapes):
            inputs[f"x{at}"], numbers = np.split(numbers, [int(np.prod(shape))])
            inputs[f"x{at}"] = inputs[f"x{at}"].reshape(shape)
        return network([helper.make_node(op_type, list(inputs), ["y"])], inputs, opset=draw(OPSETS))

    return drawn


extremes = [extreme("Max"), extreme("Min")]


@case("Max")
def equal_ones_share(draw: Draw) -> Case:
    x = normal(draw, 2, 3)
    node = helper.make_node("Max", ["x", "same", "other"], ["y"])
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Sub", ["x", "one"], ["other"]),
        node,
    ]
    return network(nodes, {"x": x}, constants={"one": np.float32([1])})


@case("Where")
def where(draw: Draw) -> Case:
    c, a, b = draw(
        st.sampled_from(
            [
                ((2, 3), (2, 3), (2, 3)),
                ((2, 1), (3,), (1,)),
                ((3,), (2, 3), (2, 1)),
                ((1,), (4,), (4,)),
                ((2, 2, 3), (1, 3), (2, 1, 1)),
            ]
        )
    )
    inputs = {"c": normal(draw, *c) > 0, "a": normal(draw, *a), "b": normal(draw, *b)}
    return network([helper.make_node("Where", ["c", "a", "b"], ["y"])], inputs, opset=draw(OPSETS))


@case("Clip")
def clip(draw: Draw) -> Case:
    low = draw(st.sampled_from([None, -0.6, 0.0, -np.inf, float(np.finfo(np.float32).min)]))
    high = draw(st.sampled_from([None, 0.7, 6.0, np.inf, float(np.finfo(np.float32).max)]))
    bounds = {"low": low, "high": high}
    constants = {name: np.array(bound, np.float32) for name, bound in bounds.items() if bound is not None}
    x = apart(draw, *draw(st.sampled_from([(12,), (4, 5), (2, 3, 3)])), gap=0.13)
    names = ["x", *(name if name in constants else "" for name in bounds)]
    return network(
        [helper.make_node("Clip", names, ["y"])], {"x": x}, constants=constants, opset=draw(OPSETS)
    )


@case("Clip")
def clip_with_computed_bounds(draw: Draw) -> Case:
    low, high = draw(st.sampled_from([(-0.61, 0.43), (-1.21, 0.02), (0.62, 0.23)]))
    nodes = [
        helper.make_node("ReduceSum", ["a"], ["low"], keepdims=0),
        helper.make_node("ReduceSum", ["b"], ["high"], keepdims=0),
        helper.make_node("Clip", ["x", "low", "high"], ["y"]),
    ]
    inputs = {"x": apart(draw, 3, 5, gap=0.15), "a": np.float32([low]), "b": np.float32([high])}
    return network(nodes, inputs, truth=lambda f: np.minimum(np.maximum(f["x"], f["a"]), f["b"]))


@case("Identity")
def identity(draw: Draw) -> Case:
    x = normal(draw, *draw(st.sampled_from([(3,), (2, 3), (1, 2, 2)])))
    return network([helper.make_node("Identity", ["x"], ["y"])], {"x": x}, opset=draw(OPSETS))


@case("Dropout")
def dropout(draw: Draw) -> Case:
    x = normal(draw, *draw(st.sampled_from([(3,), (2, 3), (1, 2, 2)])))
    given = draw(st.sampled_from([["x"], ["x", "ratio"], ["x", "ratio", "training"], ["x", "", "training"]]))
    constants = {"ratio": np.array(0.3, np.float32), "training": np.array(False)}
    node = helper.make_node("Dropout", given, ["y"])
    held = {name: array for name, array in constants.items() if name in given}
    return network([node], {"x": x}, constants=held, opset=draw(OPSETS), truth=lambda feeds: feeds["x"])


@case("Cast")
def cast(draw: Draw) -> Case:
    dtype = draw(st.sampled_from([TensorProto.DOUBLE, TensorProto.FLOAT16]))
    x = normal(draw, *draw(st.sampled_from([(3,), (2, 3), (1, 2, 2)])))
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=dtype),
        helper.make_node("Cast", ["wide"], ["back"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["back", "back"], ["y"]),
    ]

    def gradient(feeds: dict[str, Array], seed: Array) -> dict[str, Array]:
        # Half precision rounds what passes; the numbers below are those that it holds exactly.
        return {"x": 2 * feeds["x"] * seed}

    exact = np.round(x * 8) / np.float32(8)
    if dtype == TensorProto.DOUBLE:
        return network(nodes, {"x": x}, opset=draw(OPSETS), gradient=gradient)
    return network(
        nodes, {"x": exact}, opset=draw(OPSETS), of="back", gradient=lambda _, seed: {"x": half(seed)}
    )


def half(array: Array) -> Array:
    """The numbers as half precision holds them."""
    return array.astype(np.float16).astype(np.float64)


@case("CastLike")
def cast_like(draw: Draw) -> Case:
    x = normal(draw, *draw(st.sampled_from([(3,), (2, 3), (1, 2, 2)])))
    nodes = [
        helper.make_node("CastLike", ["x", "wide"], ["cast"]),
        helper.make_node("Mul", ["cast", "wide"], ["product"]),
        helper.make_node("CastLike", ["product", "x"], ["y"]),
    ]
    wide = np.array([draw(st.floats(0.5, 2.0))])
    opset = draw(st.integers(15, 22))
    return network(nodes, {"x": x}, constants={"wide": wide}, opset=opset, truth=lambda f: f["x"] * wide)
