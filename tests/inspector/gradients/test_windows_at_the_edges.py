"""Convolutions and pooling whose windows do not fit: onnxruntime itself says what it computes."""

from __future__ import annotations

import numpy as np
import pytest
from edges import by_columns, gradients, normal
from onnx import helper


@pytest.mark.parametrize("auto", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    ("stride", "kernel", "size"), [(3, 1, 6), (3, 1, 5), (4, 2, 24), (2, 3, 12), (2, 3, 4), (1, 3, 3)]
)
def test_an_output_larger_than_the_windows_reach_is_enlarged_at_its_end(
    auto: str, stride: int, kernel: int, size: int
) -> None:
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], strides=[stride], auto_pad=auto, output_shape=[size]
    )
    x, w = normal(1, 2, -(-size // stride)), {"w": normal(2, 3, kernel)}
    seed, (found,) = gradients(node, {"x": x}, constants=w)
    np.testing.assert_allclose(found, by_columns(node, x, seed, w), rtol=1e-5, atol=1e-5)


def test_a_surplus_is_never_split() -> None:
    """Ones of a stride of 3 in six places: the first stands at the beginning."""
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], strides=[3], auto_pad="SAME_UPPER", output_shape=[6]
    )
    seed = np.arange(6, dtype=np.float32).reshape(1, 1, 6)
    x, w = np.array([[[1, 2]]], np.float32), {"w": np.ones((1, 1, 1), np.float32)}
    _, (found,) = gradients(node, {"x": x}, seed, w)
    assert found.tolist() == [[[0, 3]]]


def test_declared_padding_counts_for_nothing_beside_a_declared_output() -> None:
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], strides=[3], pads=[1, 1], output_shape=[6], output_padding=[1]
    )
    x, w = normal(1, 2, 2), {"w": normal(2, 3, 1)}
    seed, (found,) = gradients(node, {"x": x}, constants=w)
    np.testing.assert_allclose(found, by_columns(node, x, seed, w), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("auto", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("included", [0, 1])
@pytest.mark.parametrize(("kernel", "stride", "dilation", "size"), [(2, 2, 1, 5), (3, 2, 1, 6), (2, 2, 2, 7)])
def test_averages_count_what_onnxruntime_counts(
    auto: str, included: int, kernel: int, stride: int, dilation: int, size: int
) -> None:
    """Where ceil_mode reaches beyond the padding, and where windows with automatic padding are dilated."""
    node = helper.make_node(
        *("AveragePool", ["x"], ["y"]),
        kernel_shape=[kernel],
        strides=[stride],
        dilations=[dilation],
        auto_pad=auto,
        ceil_mode=1,
        count_include_pad=included,
    )
    x = normal(1, 2, size)
    seed, (found,) = gradients(node, {"x": x}, opset=19)
    np.testing.assert_allclose(found, by_columns(node, x, seed, opset=19), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("auto", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(("dilation", "size"), [(1, 5), (2, 7)])
def test_norms_of_windows_reach_where_onnxruntime_reaches(auto: str, dilation: int, size: int) -> None:
    """With p=1 and positive numbers a norm is a sum."""
    node = helper.make_node(
        *("LpPool", ["x"], ["y"]),
        p=1,
        kernel_shape=[2],
        strides=[2],
        dilations=[dilation],
        auto_pad=auto,
        ceil_mode=1,
    )
    x = np.abs(normal(1, 2, size)) + 1
    seed, (found,) = gradients(node, {"x": x})
    np.testing.assert_allclose(found, by_columns(node, x, seed), rtol=1e-5, atol=1e-6)
