"""Derivative rules in float16 and float64, against the same in float32 and counts that are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from edges import Array, gradients, normal
from onnx import NodeProto, helper
from torch.nn import functional


def pool(**attributes: Any) -> NodeProto:
    return helper.make_node("MaxPool", ["x"], ["y"], **attributes)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (3, 1), (2, 2)])
def test_maxima_of_windows_in_every_precision(dtype: type, kernel: int, stride: int) -> None:
    x = np.random.default_rng(kernel + stride).permutation(144).reshape(2, 2, 6, 6).astype(dtype)
    seed, (found,) = gradients(pool(kernel_shape=[kernel] * 2, strides=[stride] * 2), {"x": x})
    given = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    functional.max_pool2d(given, kernel, stride).backward(torch.tensor(seed, dtype=torch.float64))
    assert given.grad is not None
    assert found.dtype == dtype
    np.testing.assert_allclose(found, given.grad.numpy(), rtol=1e-3, atol=1e-3)


PLACES = np.array([[0, 2, 2], [1, 1, 1]])
TAKING: dict[str, tuple[NodeProto, Mapping[str, Array], Any]] = {
    "Gather": (helper.make_node("Gather", ["x", "i"], ["y"], axis=1), {"i": PLACES[0]}, [[1, 0, 2]] * 2),
    "GatherElements": (
        helper.make_node("GatherElements", ["x", "i"], ["y"], axis=1),
        {"i": PLACES},
        [[1, 0, 2], [0, 3, 0]],
    ),
    "GatherND": (
        helper.make_node("GatherND", ["x", "i"], ["y"]),
        {"i": np.array([[0, 2], [0, 2], [1, 1]])},
        [[0, 0, 2], [0, 1, 0]],
    ),
}


@pytest.mark.parametrize("op_type", TAKING)
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_what_a_run_takes_is_counted_in_every_precision(op_type: str, dtype: type) -> None:
    node, places, counts = TAKING[op_type]
    x = np.ones((2, 3), dtype)
    taken = (2, 3) if op_type != "GatherND" else (3,)
    _, (found,) = gradients(node, {"x": x, **places}, np.ones(taken, dtype))
    assert found.dtype == dtype
    assert found.tolist() == counts


def test_what_is_taken_ten_thousand_times_is_counted_exactly_in_half_precision() -> None:
    """One by one, float16 would stop at 2048."""
    node = helper.make_node("Gather", ["x", "i"], ["y"])
    x, places = np.ones(3, np.float16), np.zeros(10_000, np.int64)
    _, (found,) = gradients(node, {"x": x, "i": places}, np.ones(10_000, np.float16))
    assert found.tolist() == [10_000, 0, 0]


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_large_picture_of_half_precision_is_read_at_the_right_pixels(mode: str) -> None:
    """Of its 5000 pixels float16 could number 2048."""
    node = helper.make_node("GridSample", ["x", "g"], ["y"], mode=mode, align_corners=1)
    x = normal(1, 1, 50, 100).astype(np.float16)
    grid = np.random.default_rng(4).uniform(-1, 1, (1, 5, 6, 2)).astype(np.float16)
    seed, (by_x, _) = gradients(node, {"x": x, "g": grid})
    given = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    places = torch.tensor(grid, dtype=torch.float64)
    read = functional.grid_sample(given, places, mode=mode, align_corners=True)
    read.backward(torch.tensor(seed, dtype=torch.float64))
    assert given.grad is not None
    assert by_x.dtype == np.float16
    np.testing.assert_allclose(by_x, given.grad.numpy(), rtol=0, atol=1e-2)


def averages(op_type: str) -> NodeProto:
    """A node that takes the mean of a map of 300×300."""
    if op_type == "AveragePool":
        return helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[300, 300])
    if op_type == "ReduceMean":
        return helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=1)
    return helper.make_node(op_type, ["x"], ["y"])


@pytest.mark.parametrize("op_type", ["GlobalAveragePool", "AveragePool", "ReduceMean"])
def test_a_mean_of_more_places_than_half_precision_counts_shares_itself_out(op_type: str) -> None:
    x, seed = np.ones((1, 1, 300, 300), np.float16), np.full((1, 1, 1, 1), 1000, np.float16)
    _, (found,) = gradients(averages(op_type), {"x": x}, seed, opset=13)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype(np.float64), 1000 / 90_000, rtol=1e-3)


def test_the_statistics_of_large_numbers_of_half_precision_are_those_of_float32() -> None:
    """Their squares are beyond float16, which is no reason for a gradient of zeros."""
    x, scale = (normal(2, 8) * 1000).astype(np.float16), np.ones(8, np.float16)
    node = helper.make_node("LayerNormalization", ["x", "scale"], ["y"])
    seed, (found,) = gradients(node, {"x": x}, constants={"scale": scale})
    given = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    functional.layer_norm(given, (8,)).backward(torch.tensor(seed, dtype=torch.float64))
    assert given.grad is not None
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, given.grad.numpy(), rtol=0, atol=1e-5)
