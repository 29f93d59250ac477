"""Selections and resampling along axes too long for a matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from edges import agree, gradients, network, normal
from onnx import helper
from torch.nn import functional

from inspector.gradients import backward

LONG = 3_000


def test_a_signal_of_three_hundred_thousand_numbers_is_turned_round() -> None:
    """In steps that grow with its length, not with the square of it."""
    x, seed = np.zeros((1, 300_000), np.float32), normal(1, 300_000)
    node = helper.make_node("Slice", ["x", "start", "stop", "axis", "step"], ["y"])
    numbers = {"start": -1, "stop": -(2**31), "axis": 1, "step": -1}
    cut = {name: np.array([number]) for name, number in numbers.items()}
    _, (found,) = gradients(node, {"x": x}, seed, cut)
    assert np.array_equal(found, seed[:, ::-1])


@pytest.mark.parametrize("axis", [0, 1])
def test_places_that_are_taken_often_along_a_long_axis_get_the_sum(axis: int) -> None:
    places = np.concatenate([np.zeros(900, np.int64), np.arange(LONG), np.full(50, LONG - 1)])
    node = helper.make_node("Gather", ["x", "places"], ["y"], axis=axis)
    x = normal(LONG, 2) if axis == 0 else normal(2, LONG)
    agree(node, {"x": x}, lambda x: x.index_select(axis, torch.tensor(places)), {"places": places})


def test_nothing_is_handed_on_from_outside_of_a_long_axis() -> None:
    """Of a region that begins before the axis and ends behind it, what is outside is a fixed number."""
    node = helper.make_node(
        *("Resize", ["x", "region", "", "sizes"], ["y"]),
        mode="nearest",
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=7.0,
    )
    region = np.array([0, -0.5, 1, 1.5], np.float32)
    constants = {"region": region, "sizes": np.array([1, 40 * LONG])}
    _, (found,) = gradients(node, {"x": normal(1, LONG)}, np.ones((1, 40 * LONG), np.float32), constants)
    np.testing.assert_allclose(found[:, 1:-1], 20, atol=1.01)
    # Of the first and the last number, the outer half lies outside.
    np.testing.assert_allclose(found[:, [0, -1]], 10, atol=1.01)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(("mode", "factor"), [("linear", 2), ("cubic", 2), ("linear", 0.5)])
def test_a_long_axis_is_resampled_by_its_few_weights(axis: int, mode: str, factor: float) -> None:
    shape = (1, 2, LONG, 2) if axis == 2 else (1, 2, 2, LONG)
    scales = [1.0, 1.0, 1.0, 1.0]
    scales[axis] = factor
    x = normal(*shape)
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode=mode)

    def resampled(x: torch.Tensor) -> torch.Tensor:
        way = "bilinear" if mode == "linear" else "bicubic"
        return functional.interpolate(x, scale_factor=scales[2:], mode=way, align_corners=False)

    constants = {"scales": np.array(scales, np.float32)}
    agree(node, {"x": x}, resampled, constants)
    written = backward(network([node], {"x": x}, constants, 18), of="y", wrt="x")
    assert written.ByteSize() < 50 * LONG * max(factor, 1)
    assert "MatMul" not in {each.op_type for each in written.graph.node}
