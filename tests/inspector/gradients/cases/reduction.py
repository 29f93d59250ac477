"""Networks of one reduction or cumulative sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradient_cases import Array, Case, Declared, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import helper

CHOICES = st.sampled_from(
    [
        ((2, 3, 4), (1,)),
        ((2, 3, 4), (-1,)),
        ((2, 3, 4), (0, 2)),
        ((3, 4), None),
        ((2, 3, 2, 2), (2, 3)),
        ((2, 3, 2, 2), (-2, 1)),
        ((4,), (0,)),
    ]
)


def reduction(op_type: str, *, least: float | None = None, unique: bool = False) -> Declared:
    """Cases of a reduction: drawn axes, kept or not, an attribute or an input.

    Args:
        op_type: The operator.
        least: What all numbers are above; None for any numbers.
        unique: Whether numbers must be far apart and away from zero.
    """

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        shape, axes = draw(CHOICES)
        opset, kept = draw(st.sampled_from([13, 17, 18, 20])), draw(st.integers(0, 1))
        x = apart(draw, *shape, gap=0.1) if unique else normal(draw, *shape)
        if least is not None:
            x = np.abs(x) + np.float32(least)
        node, constants = reduce(op_type, axes, opset, keepdims=kept)
        free = draw(st.booleans())
        return network([node], {"x": x}, constants=constants, opset=opset, free=free)

    return drawn


def reduce(
    op_type: str, axes: tuple[int, ...] | None, opset: int, **attributes: Any
) -> tuple[Any, dict[str, Array]]:
    """A reduction as an operator set wants it, and its constants."""
    if axes is None:
        return helper.make_node(op_type, ["x"], ["y"], **attributes), {}
    if opset < (13 if op_type == "ReduceSum" else 18):
        return helper.make_node(op_type, ["x"], ["y"], axes=axes, **attributes), {}
    return helper.make_node(op_type, ["x", "axes"], ["y"], **attributes), {"axes": np.array(axes, np.int64)}


reductions = [
    reduction("ReduceSum"),
    reduction("ReduceMean"),
    reduction("ReduceMax", unique=True),
    reduction("ReduceMin", unique=True),
    reduction("ReduceProd"),
    reduction("ReduceL1", unique=True),
    reduction("ReduceL2"),
    reduction("ReduceSumSquare"),
    reduction("ReduceLogSum", least=0.2),
    reduction("ReduceLogSumExp"),
]


@case("ReduceSum")
def no_axes(draw: Draw) -> Case:
    node = helper.make_node("ReduceSum", ["x", "axes"], ["y"], noop_with_empty_axes=1)
    return network([node], {"x": normal(draw, 2, 3)}, constants={"axes": np.zeros(0, np.int64)})


@case("ReduceProd")
def products_with_zeros(draw: Draw) -> Case:
    x = normal(draw, 4, 3)
    x[[1, 2, 2], [0, 1, 2]] = 0
    axis = draw(st.integers(0, 1))
    node, constants = reduce("ReduceProd", (axis,), 18, keepdims=draw(st.integers(0, 1)))
    return network([node], {"x": x}, constants=constants)


@case("ReduceMax")
def equal_ones_share(draw: Draw) -> Case:
    axis, kept = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    node, constants = reduce("ReduceMax", (axis,), 18, keepdims=kept)
    x = np.float32(np.random.default_rng(draw(st.integers(0, 99))).integers(0, 2, (3, 4)))
    return network(
        [node], {"x": x}, constants=constants, gradient=lambda f, s: {"x": _shared(f["x"], s, axis)}
    )


def _shared(x: Array, seed: Array, axis: int) -> Array:
    is_largest = x == x.max(axis, keepdims=True)
    kept = seed if seed.ndim == x.ndim else np.expand_dims(seed, axis)
    return is_largest * kept / is_largest.sum(axis, keepdims=True)


@case("CumSum")
def cumsum(draw: Draw) -> Case:
    shape = draw(st.sampled_from([(5,), (2, 3), (2, 3, 4)]))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    attributes = {"exclusive": draw(st.integers(0, 1)), "reverse": draw(st.integers(0, 1))}
    node = helper.make_node("CumSum", ["x", "axis"], ["y"], **attributes)
    constants = {"axis": np.array(axis, draw(st.sampled_from([np.int32, np.int64])))}
    return network(
        [node], {"x": normal(draw, *shape)}, constants=constants, truth=lambda f: _sums(f, axis, **attributes)
    )


def _sums(feeds: dict[str, Array], axis: int, exclusive: int, reverse: int) -> Array:
    x = np.flip(feeds["x"], axis) if reverse else feeds["x"]
    sums = np.cumsum(x, axis) - exclusive * x
    return np.flip(sums, axis) if reverse else sums
