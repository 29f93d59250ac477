"""Derivative rules where numbers are equal, zero or cut off, and where windows do not fit."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from edges import RANDOM, agree, gradients, network, normal
from onnx import TensorProto, helper
from torch.nn import functional

from inspector.gradients import backward


def test_how_often_a_divisor_goes_into_a_number_is_whole_though_the_quotient_is_rounded() -> None:
    a = (RANDOM.uniform(1, 90, 400)).astype(np.float32)
    b = (RANDOM.uniform(0.1, 3, 400)).astype(np.float32)
    node = helper.make_node("Mod", ["a", "b"], ["y"], fmod=1)
    _, (by_a, by_b) = gradients(node, {"a": a, "b": b}, np.ones(400, np.float32))
    assert np.array_equal(by_a, np.ones(400))
    times = np.trunc(a.astype(np.float64) / b.astype(np.float64))
    np.testing.assert_array_equal(by_b, -times)


@pytest.mark.parametrize("exponent", [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
def test_a_power_of_zero_is_flat_even_at_zero(exponent: list[float]) -> None:
    node = helper.make_node("Pow", ["x", "e"], ["y"])
    constants = {"e": np.array(exponent, np.float32)}
    x = np.array([[0, 3, -2]], np.float32)
    _, (found,) = gradients(node, {"x": x}, np.ones((1, 3), np.float32), constants)
    assert found.tolist() == [[0, 6 if exponent[1] else 0, 0]]


@pytest.mark.parametrize("included", [0, 1])
def test_an_average_that_reaches_beyond_the_padding_counts_the_padding_alone(included: int) -> None:
    node = helper.make_node(
        *("AveragePool", ["x"], ["y"]),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1] * 4,
        ceil_mode=1,
        count_include_pad=included,
    )
    agree(
        node,
        {"x": normal(1, 2, 6, 6)},
        lambda x: functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=bool(included)),
        opset=22,
    )


def test_windows_of_ceil_mode_that_would_begin_behind_the_input_are_none() -> None:
    node = helper.make_node(
        *("MaxPool", ["x"], ["y"]), kernel_shape=[2, 2], strides=[3, 3], pads=[0, 0, 1, 1], ceil_mode=1
    )
    x = RANDOM.permutation(72).reshape(1, 2, 6, 6).astype(np.float32)
    agree(node, {"x": x}, lambda x: functional.max_pool2d(x, 2, 3))


def test_the_first_of_equal_maxima_of_a_whole_map_gets_the_gradient() -> None:
    x = np.array([[[[1, 5], [5, 0]], [[2, 2], [2, 2]]]], np.float32)
    node = helper.make_node("GlobalMaxPool", ["x"], ["y"])
    _, (found,) = gradients(node, {"x": x}, np.array([3, 4], np.float32).reshape(1, 2, 1, 1))
    assert found.tolist() == [[[[0, 3], [0, 0]], [[4, 0], [0, 0]]]]


@pytest.mark.parametrize("group", [1, 2])
def test_pixels_that_no_window_reaches_do_not_disturb_the_gradient_of_the_kernels(group: int) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 3], group=group)
    inputs = {"x": normal(2, 4, 6, 7), "w": normal(4, 4 // group, 3, 3)}
    agree(node, inputs, lambda x, w: functional.conv2d(x, w, stride=(2, 3), groups=group))


@pytest.mark.parametrize("channels", [3, 9])
def test_padding_may_differ_at_the_two_ends(channels: int) -> None:
    w = normal(4, channels, 3, 3)
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[0, 1, 2, 0])
    agree(
        node,
        {"x": normal(2, channels, 6, 5)},
        lambda x: functional.conv2d(functional.pad(x, (1, 0, 0, 2)), torch.tensor(w, dtype=torch.float64)),
        {"w": w},
    )


@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER"])
def test_a_transposed_convolution_cuts_an_odd_surplus_at_the_end_that_it_is_told(auto: str) -> None:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], auto_pad=auto)
    inputs = {"x": normal(1, 2, 4, 5), "w": normal(2, 3, 3, 3)}
    first = 0 if auto == "SAME_UPPER" else 1

    def cut(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        whole = functional.conv_transpose2d(x, w, stride=2)
        return whole[:, :, first : first + 8, first : first + 10]

    agree(node, inputs, cut)


def test_a_map_without_any_deviation_has_a_finite_gradient() -> None:
    node = helper.make_node("MeanVarianceNormalization", ["x"], ["y"], axes=[2, 3])
    x = np.concatenate([np.full((1, 1, 3, 3), 2, np.float32), normal(1, 1, 3, 3)], axis=1)
    _, (found,) = gradients(node, {"x": x}, normal(1, 2, 3, 3))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("op_type", ["ReduceMax", "ReduceMin"])
def test_equal_extremes_share_the_gradient(op_type: str) -> None:
    sign = 1 if op_type == "ReduceMax" else -1
    x = sign * np.array([[2, 7, 7, 1], [4, 4, 4, 4]], np.float32)
    node = helper.make_node(op_type, ["x", "axes"], ["y"], keepdims=0)
    _, (found,) = gradients(node, {"x": x}, np.array([3, 8], np.float32), {"axes": np.array([1])})
    assert found.tolist() == [[0, 1.5, 1.5, 0], [2, 2, 2, 2]]


def test_the_length_of_nothing_but_zeros_has_no_slope() -> None:
    x = np.array([[0, 0], [3, 4]], np.float32)
    node = helper.make_node("ReduceL2", ["x", "axes"], ["y"], keepdims=0)
    _, (found,) = gradients(node, {"x": x}, np.array([2, 10], np.float32), {"axes": np.array([1])})
    np.testing.assert_allclose(found, [[0, 0], [6, 8]], rtol=1e-6)


def test_a_leaky_line_may_be_folded() -> None:
    x = np.array([[-3, -0.5, 0.5, 2]], np.float32)
    node = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=-0.5)
    _, (found,) = gradients(node, {"x": x}, np.ones((1, 4), np.float32))
    np.testing.assert_allclose(found, [[-0.5, -0.5, 1, 1]], rtol=1e-6)


def test_the_ends_of_the_range_are_not_cut_off() -> None:
    """Whole numbers from -128 to 127 are held as they are; what lies beyond is not."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    constants = {"scale": np.array(0.5, np.float32), "zero": np.array(0, np.int8)}
    x = np.array([-65, -64, -63.5, 0, 63, 63.5, 64.5], np.float32)
    _, (found,) = gradients(nodes, {"x": x}, np.ones(7, np.float32), constants)
    assert found.tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_a_relu_before_a_sum_that_is_pooled_has_its_own_mask() -> None:
    """The maximum of the sum is above zero where the Relu's part of it is none."""
    nodes = [
        helper.make_node("Relu", ["x"], ["kept"]),
        helper.make_node("Add", ["kept", "b"], ["sum"]),
        helper.make_node("MaxPool", ["sum"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    inputs = {"x": normal(1, 2, 4, 4), "b": RANDOM.uniform(1, 2, (1, 2, 4, 4)).astype(np.float32)}
    agree(nodes, inputs, lambda x, b: functional.max_pool2d(functional.relu(x) + b, 2))


def test_copies_that_a_run_counts_are_summed() -> None:
    nodes = [
        helper.make_node("Shape", ["n"], ["counts"]),
        helper.make_node("Tile", ["x", "counts"], ["y"]),
    ]
    inputs = {"x": normal(2, 4), "n": normal(3, 2)}
    written = backward(network(nodes, inputs, {}, 18), of="y", wrt=["x"])
    run = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    seed = normal(6, 8)
    feeds = {**inputs, "seed": seed}
    given = {each.name: feeds[each.name] for each in run.get_inputs()}
    (found,) = run.run(["gradient/x"], given)
    np.testing.assert_allclose(found, seed.reshape(3, 2, 2, 4).sum((0, 2)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("repeated", [True, False])
def test_enlarging_by_whole_factors_is_undone_by_sums(repeated: bool) -> None:
    """Places named one after the other, each several times, or all of them several times over."""
    places = np.repeat(np.arange(3), 5) if repeated else np.tile(np.arange(3), 5)
    node = helper.make_node("Gather", ["x", "places"], ["y"], axis=1)
    seed, (found,) = gradients(node, {"x": normal(2, 3, 2)}, constants={"places": places})
    expected = np.zeros((2, 3, 2))
    for at, place in enumerate(places):
        expected[:, place] += seed[:, at]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_a_picture_that_keeps_its_proportions_is_resized_by_one_factor(policy: str) -> None:
    node = helper.make_node(
        *("Resize", ["x", "", "", "sizes"], ["y"]),
        mode="linear",
        axes=[2, 3],
        keep_aspect_ratio_policy=policy,
    )
    side = 8 if policy == "not_larger" else 12
    agree(
        node,
        {"x": normal(1, 2, 4, 4)},
        lambda x: functional.interpolate(x, size=(side, side), mode="bilinear"),
        {"sizes": np.array([8, 12])},
    )


@pytest.mark.parametrize(
    ("op_type", "places", "taken"),
    [
        ("GatherND", (2, 500_000, 1), (2, 500_000)),
        ("Gather", (1_000_000,), (1_000_000,)),
    ],
)
def test_what_is_taken_a_million_times_gets_the_sum_of_a_million_gradients(
    op_type: str, places: tuple[int, ...], taken: tuple[int, ...]
) -> None:
    # Places that only a run tells; onnxruntime's ScatterND loses some when it adds in several threads.
    infos = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [3]),
        helper.make_tensor_value_info("i", TensorProto.INT64, places),
    ]
    node = helper.make_node(op_type, ["x", "i"], ["y"])
    graph = helper.make_graph([node], "net", infos, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    run = onnxruntime.InferenceSession(
        backward(model, of="y", wrt="x").SerializeToString(), providers=["CPUExecutionProvider"]
    )

    (found,) = run.run(
        ["gradient/x"],
        {"x": np.zeros(3, np.float32), "i": np.zeros(places, np.int64), "seed": np.ones(taken, np.float32)},
    )

    np.testing.assert_array_equal(found, [1_000_000, 0, 0])


@pytest.mark.parametrize(
    ("equation", "left", "right"),
    [
        ("...ij,...jk->...k", (1, 2, 3), (5, 3, 4)),
        ("...ij,...jk->...k", (5, 2, 3), (1, 3, 4)),
        ("ii,ij->ij", (3, 3), (3, 4)),
        ("bii,bk->bi", (2, 3, 3), (2, 4)),
        ("iii,kj->k", (2, 2, 2), (4, 3)),
    ],
)
def test_an_equation_with_lone_broadcast_or_repeated_letters(
    equation: str, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    node = helper.make_node("Einsum", ["a", "b"], ["y"], equation=equation)
    inputs = {"a": normal(*left), "b": normal(*right)}
    agree(node, inputs, lambda a, b: torch.einsum(equation, a, b))


def test_the_mean_that_a_layer_normalization_gives_is_shared_by_all() -> None:
    node = helper.make_node("LayerNormalization", ["x", "scale"], ["z", "y"])
    x = np.array([[1, 2, 3, 5]], np.float32)
    _, (found,) = gradients(node, {"x": x}, np.ones((1, 1), np.float32), {"scale": np.ones(4, np.float32)})
    assert found.tolist() == [[0.25] * 4]


def test_a_group_had_one_scale_at_first() -> None:
    """GroupNormalization of opset 18 runs in onnxruntime, though onnx's checker no longer lets it through."""
    node = helper.make_node("GroupNormalization", ["x", "scale", "bias"], ["y"], num_groups=2)
    inputs = {
        "x": RANDOM.standard_normal((3, 4, 5)).astype(np.float32),
        "scale": np.array([2, -1], np.float32),
        "bias": np.array([0.5, 1], np.float32),
    }

    def normalized(x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return functional.group_norm(x, 2, scale.repeat_interleave(2), bias.repeat_interleave(2))

    agree(node, inputs, normalized, opset=18)
