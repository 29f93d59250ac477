"""Networks in the forms that operators had before operator set 13."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradient_cases import Array, Case, Declared, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import helper

OLD = st.integers(7, 12)


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


@case("Clip")
def bounds_as_attributes(draw: Draw) -> Case:
    high = draw(st.sampled_from([0.42, 6.0]))
    node = helper.make_node("Clip", ["x"], ["y"], min=-0.3, max=high)
    opset, x = draw(st.integers(7, 10)), apart(draw, 3, 5, gap=0.13)
    return network([node], {"x": x}, opset=opset, truth=lambda f: np.clip(f["x"], -0.3, high))


@case("Dropout")
def ratio_as_attribute(draw: Draw) -> Case:
    node = helper.make_node("Dropout", ["x"], draw(st.sampled_from([["y"], ["y", "mask"]])), ratio=0.4)
    return network([node], {"x": normal(draw, 2, 3)}, opset=draw(st.integers(7, 11)), truth=lambda f: f["x"])


@case("Softmax")
def softmax_of_everything_behind(draw: Draw) -> Case:
    """From the axis on, all axes count as one."""
    axis, opset = draw(st.integers(0, 2)), draw(st.integers(7, 12))
    node = helper.make_node("Softmax", ["x"], ["y"], axis=axis)

    def truth(feeds: dict[str, Array]) -> Array:
        x = feeds["x"]
        flat = x.reshape(int(np.prod(x.shape[:axis])), -1)
        powers = np.exp(flat)
        return (powers / powers.sum(1, keepdims=True)).reshape(x.shape)

    return network([node], {"x": normal(draw, 2, 3, 2)}, opset=opset, truth=truth)


@case("Slice")
def places_as_attributes(draw: Draw) -> Case:
    end = draw(st.sampled_from([3, -1, 99]))
    node = helper.make_node("Slice", ["x"], ["y"], starts=[1], ends=[end], axes=[1])
    opset = draw(st.integers(7, 9))
    return network([node], {"x": normal(draw, 2, 4)}, opset=opset, truth=lambda f: f["x"][:, 1:end])


@case("Pad")
def pads_as_attributes(draw: Draw) -> Case:
    mode = draw(st.sampled_from(["constant", "reflect", "edge"]))
    node = helper.make_node("Pad", ["x"], ["y"], pads=[0, 0, 1, 0, 0, 2], mode=mode)
    opset, x = draw(st.integers(7, 10)), normal(draw, 2, 2, draw(st.integers(3, 5)))
    around = [(0, 0), (0, 0), (1, 2)]
    return network([node], {"x": x}, opset=opset, truth=lambda f: np.pad(f["x"], around, mode=mode))


@case("Split")
def sizes_as_attribute(draw: Draw) -> Case:
    sizes = draw(st.sampled_from([[1, 3], [2, 2], [3, 1]]))
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=1, split=sizes),
        helper.make_node("Concat", ["b", "a"], ["y"], axis=1),
    ]

    def truth(feeds: dict[str, Array]) -> Array:
        return np.roll(feeds["x"], -sizes[0], 1)

    return network(nodes, {"x": normal(draw, 2, 4)}, opset=draw(OLD), truth=truth)


@case("Squeeze")
def axes_as_attribute(draw: Draw) -> Case:
    nodes = [
        helper.make_node("Unsqueeze", ["x"], ["wide"], axes=[1, 3]),
        helper.make_node("Mul", ["wide", "wide"], ["square"]),
        helper.make_node("Squeeze", ["square"], ["y"], axes=[draw(st.sampled_from([1, 3]))]),
    ]
    squeezed = nodes[2].attribute[0].ints[0]

    def truth(feeds: dict[str, Array]) -> Array:
        return np.squeeze(np.expand_dims(feeds["x"], (1, 3)) ** 2, squeezed)

    return network(nodes, {"x": normal(draw, 2, 3)}, opset=draw(OLD), truth=truth)


def reduction(op_type: str, truth: Any) -> Declared:
    """Cases of a reduction with its axes as an attribute."""

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        axes, kept = draw(st.sampled_from([(1,), (0, 2), (2,)])), draw(st.integers(0, 1))
        node = helper.make_node(op_type, ["x"], ["y"], axes=axes, keepdims=kept)
        x, opset = apart(draw, 2, 3, 2), draw(OLD)
        return network([node], {"x": x}, opset=opset, truth=lambda f: truth(f["x"], axes, keepdims=kept > 0))

    return drawn


reductions = [
    reduction("ReduceSum", np.sum),
    reduction("ReduceMean", np.mean),
    reduction("ReduceMax", np.max),
    reduction("ReduceL2", lambda x, axes, keepdims: np.sqrt((x * x).sum(axes, keepdims=keepdims))),
]


@case("Resize")
def upsample(draw: Draw) -> Case:
    """The operator that Resize took the place of."""
    scales = np.float32([1, 1, *draw(st.sampled_from([(2, 2), (1, 3), (2, 4)]))])
    node = helper.make_node("Upsample", ["x", "scales"], ["y"], mode="nearest")

    def truth(feeds: dict[str, Array]) -> Array:
        return feeds["x"].repeat(int(scales[2]), 2).repeat(int(scales[3]), 3)

    return network(
        [node], {"x": normal(draw, 1, 2, 2, 3)}, constants={"scales": scales}, opset=9, truth=truth
    )


@case("TopK")
def count_as_input(draw: Draw) -> Case:
    node = helper.make_node("TopK", ["x", "k"], ["y", "places"], axis=1)
    count = draw(st.integers(1, 3))
    return network(
        [node],
        {"x": apart(draw, 2, 4)},
        constants={"k": whole(count)},
        opset=10,
        truth=lambda feeds: -np.sort(-feeds["x"], 1)[:, :count],
    )
