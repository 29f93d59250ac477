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
