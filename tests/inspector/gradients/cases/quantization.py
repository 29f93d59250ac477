"""Networks with quantized values. Their gradient is that of the same network without rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gradient_cases import Array, Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

OPSETS = st.sampled_from([13, 18, 19, 21])
DTYPES = st.sampled_from([np.int8, np.uint8])


def limits(dtype: type) -> tuple[int, int]:
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


@case("QuantizeLinear")
def there_and_back(draw: Draw) -> Case:
    """Per tensor: elements that are cut off have no gradient."""
    dtype = draw(DTYPES)
    scale, zero = np.float32(draw(st.sampled_from([0.01, 0.02, 0.1]))), draw(st.integers(0, 20))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Mul", ["d", "d"], ["y"]),
    ]
    x = normal(draw, *draw(st.sampled_from([(3, 4), (2, 3, 2), (8,)])), scale=2.0)
    low, high = limits(dtype)

    def held(feeds: Mapping[str, Array]) -> tuple[Array, Array]:
        steps = np.round(feeds["x"] / np.float64(scale)) + zero
        return (np.clip(steps, low, high) - zero) * np.float64(scale), (steps >= low) & (steps <= high)

    def gradient(feeds: Mapping[str, Array], seed: Array) -> dict[str, Array]:
        value, inside = held(feeds)
        return {"x": 2 * value * inside * seed}

    return network(
        nodes,
        {"x": x},
        constants={"scale": scale, "zero": np.array(zero, dtype)},
        opset=draw(OPSETS),
        truth=lambda feeds: held(feeds)[0] ** 2,
        gradient=gradient,
    )


@case("DequantizeLinear")
def by_channel(draw: Draw) -> Case:
    """Per channel, with an op on the whole numbers between."""
    axis = draw(st.sampled_from([1, 2, -1, -2]))
    shape = (2, 3, 4)
    scale = np.float32(np.random.default_rng(draw(st.integers(0, 99))).uniform(0.01, 0.1, shape[axis]))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=axis),
        helper.make_node("Transpose", ["q"], ["t"], perm=[0, 2, 1]),
        helper.make_node("DequantizeLinear", ["t", "scale", "zero"], ["y"], axis=3 - axis % 3),
    ]
    column = scale.astype(np.float64).reshape([-1 if at == axis % 3 else 1 for at in range(3)])

    def gradient(feeds: Mapping[str, Array], seed: Array) -> dict[str, Array]:
        steps = np.round(feeds["x"] / column)
        return {"x": np.where((steps >= -128) & (steps <= 127), seed.transpose(0, 2, 1), 0.0)}

    return network(
        nodes,
        {"x": normal(draw, *shape)},
        constants={"scale": scale, "zero": np.zeros(shape[axis], np.int8)},
        opset=draw(OPSETS),
        truth=lambda f: (np.clip(np.round(f["x"] / column), -128, 127) * column).transpose(0, 2, 1),
        gradient=gradient,
    )


@case("DequantizeLinear")
def without_zero_point(draw: Draw) -> Case:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["y"]),
    ]
    scale = np.float32(draw(st.sampled_from([0.05, 0.1])))
    return network(
        nodes,
        {"x": np.abs(normal(draw, 2, draw(st.integers(1, 4))))},
        constants={"scale": scale},
        opset=draw(OPSETS),
        truth=lambda feeds: np.round(feeds["x"] / np.float64(scale)) * np.float64(scale),
        gradient=lambda _, seed: {"x": seed},
    )


@case("DynamicQuantizeLinear")
def dynamic_product(draw: Draw) -> Case:
    return _dynamic(draw, draw(st.booleans()))


@case("MatMulInteger")
def product_of_whole_numbers(draw: Draw) -> Case:
    return _dynamic(draw, True)


def _dynamic(draw: Draw, zero_point: bool) -> Case:
    """A dense layer as dynamic quantization writes it."""
    rows, inner, columns = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dtype = draw(DTYPES)
    low, high = limits(dtype)
    weights = (
        np.random.default_rng(draw(st.integers(0, 99)))
        .integers(low, high + 1, (inner, columns))
        .astype(dtype)
    )
    zero = np.array(draw(st.integers(0, 9)) if zero_point else 0, dtype)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "x_scale", "x_zero"]),
        helper.make_node("MatMulInteger", ["q", "w", "x_zero", "w_zero" if zero_point else ""], ["products"]),
        helper.make_node("Cast", ["products"], ["sums"], to=1),
        helper.make_node("Mul", ["x_scale", "w_scale"], ["scale"]),
        helper.make_node("Mul", ["sums", "scale"], ["y"]),
    ]
    scale = np.float32(0.01)
    constants = {"w": weights, "w_scale": scale, **({"w_zero": zero} if zero_point else {})}
    matrix = (weights.astype(np.float64) - zero) * np.float64(scale)
    x = normal(draw, rows, inner)
    return network(nodes, {"x": x}, constants=constants, gradient=lambda _, seed: {"x": seed @ matrix.T})


@case("QLinearMatMul")
def quantized_product(draw: Draw) -> Case:
    dtype = draw(DTYPES)
    low, high = limits(dtype)
    rows, inner, columns = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    numbers = np.random.default_rng(draw(st.integers(0, 99)))
    weights = numbers.integers(low, high + 1, (inner, columns)).astype(dtype)
    zeros = {name: np.array(numbers.integers(1, 9), dtype) for name in ("x_zero", "w_zero", "y_zero")}
    # Of such numbers that no product lies halfway between two steps.
    scales = {"x_scale": np.float32(0.0213), "w_scale": np.float32(0.0117), "y_scale": np.float32(0.0309)}
    x = np.abs(normal(draw, rows, inner)) if dtype is np.uint8 else normal(draw, rows, inner)
    names = ["q", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["q"]),
        helper.make_node("QLinearMatMul", names, ["p"]),
        helper.make_node("DequantizeLinear", ["p", "y_scale", "y_zero"], ["y"]),
    ]
    matrix = (weights.astype(np.float64) - zeros["w_zero"]) * np.float64(scales["w_scale"])

    def product(feeds: Mapping[str, Array]) -> Array:
        steps = np.clip(np.round(feeds["x"] / np.float64(scales["x_scale"])) + zeros["x_zero"], low, high)
        exact = (steps - zeros["x_zero"]) * np.float64(scales["x_scale"]) @ matrix
        return np.clip(np.round(exact / np.float64(scales["y_scale"])) + zeros["y_zero"], low, high)

    def gradient(feeds: Mapping[str, Array], seed: Array) -> dict[str, Array]:
        steps = product(feeds)
        taken = np.round(feeds["x"] / np.float64(scales["x_scale"])) + zeros["x_zero"]
        held = np.where((steps == low) | (steps == high), 0.0, seed) @ matrix.T
        return {"x": np.where((taken >= low) & (taken <= high), held, 0.0)}

    return network(
        nodes,
        {"x": x},
        constants={"w": weights, **zeros, **scales},
        opset=draw(OPSETS),
        truth=lambda feeds: (product(feeds) - zeros["y_zero"]) * np.float64(scales["y_scale"]),
        gradient=gradient,
    )


def convolved(x: Array, kernels: Array, **attributes: Any) -> Array:
    """A convolution in float64."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    return np.asarray(ReferenceEvaluator(node).run(None, {"x": x, "w": kernels})[0])


def convolved_back(seed: Array, shape: tuple[int, ...], kernels: Array, **attributes: Any) -> Array:
    """The gradient of its input, from what it makes of each element alone."""
    units = np.eye(int(np.prod(shape[1:]))).reshape(-1, *shape[1:])
    answers = convolved(units, kernels, **attributes)
    return np.tensordot(seed, answers, ([1, 2, 3], [1, 2, 3])).reshape(shape)


CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 2, 5, 4), (3, 2, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((1, 4, 5, 5), (4, 1, 3, 2), {"group": 4, "strides": [2, 1]}),
    ((1, 1, 6, 4), (8, 1, 2, 2), {"dilations": [2, 1]}),
    ((2, 3, 3, 3), (9, 3, 1, 1), {}),
    ((1, 9, 4, 4), (2, 9, 3, 3), {"pads": [0, 1, 1, 0]}),
]


@case("QLinearConv")
def quantized_convolution(draw: Draw) -> Case:
    shape, taps, attributes = draw(st.sampled_from(CONVOLUTIONS))
    numbers = np.random.default_rng(draw(st.integers(0, 99)))
    by_kernel = draw(st.booleans())
    count = taps[0] if by_kernel else 1
    kernels = numbers.integers(-127, 128, taps).astype(np.int8)
    w_scale = numbers.uniform(0.005, 0.01, count).astype(np.float32)
    constants = {
        "x_scale": np.float32(0.0213),
        "x_zero": np.array(7, np.int8),
        "w": kernels,
        "w_scale": w_scale if by_kernel else w_scale[0],
        "w_zero": np.zeros(count, np.int8) if by_kernel else np.array(0, np.int8),
        "y_scale": np.float32(0.0809),
        "y_zero": np.array(-3, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["q"]),
        helper.make_node("QLinearConv", ["q", *constants], ["p"], **attributes),
        helper.make_node("DequantizeLinear", ["p", "y_scale", "y_zero"], ["y"]),
    ]
    exact = {name: np.asarray(array, np.float64) for name, array in constants.items()}
    weights = kernels * exact["w_scale"].reshape(-1, 1, 1, 1)

    def taken(feeds: Mapping[str, Array]) -> Array:
        return np.round(feeds["x"] / exact["x_scale"]) + exact["x_zero"]

    def product(feeds: Mapping[str, Array]) -> Array:
        held = (np.clip(taken(feeds), -128, 127) - exact["x_zero"]) * exact["x_scale"]
        steps = np.round(convolved(held, weights, **attributes) / exact["y_scale"]) + exact["y_zero"]
        return np.clip(steps, -128, 127)

    def gradient(feeds: Mapping[str, Array], seed: Array) -> dict[str, Array]:
        steps, inside = product(feeds), np.abs(taken(feeds) + 0.5) <= 127.5
        passed = np.where(np.abs(steps + 0.5) >= 127.5, 0.0, seed)
        return {"x": inside * convolved_back(passed, shape, weights, **attributes)}

    return network(
        nodes,
        {"x": normal(draw, *shape)},
        constants=constants,
        opset=draw(OPSETS),
        truth=lambda feeds: (product(feeds) - exact["y_zero"]) * exact["y_scale"],
        gradient=gradient,
    )


@case("ConvInteger")
def convolution_of_whole_numbers(draw: Draw) -> Case:
    """A convolution as dynamic quantization writes it."""
    shape, taps, attributes = draw(st.sampled_from(CONVOLUTIONS))
    kernels = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, taps).astype(np.uint8)
    zero = np.array(draw(st.sampled_from([0, 128])), np.uint8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "x_scale", "x_zero"]),
        helper.make_node("ConvInteger", ["q", "w", "x_zero", "w_zero"], ["products"], **attributes),
        helper.make_node("Cast", ["products"], ["sums"], to=1),
        helper.make_node("Mul", ["sums", "x_scale"], ["y"]),
    ]
    exact = kernels.astype(np.float64) - zero

    def held(feeds: Mapping[str, Array]) -> Array:
        low, high = min(feeds["x"].min(), 0.0), max(feeds["x"].max(), 0.0)
        scale = (high - low) / 255
        zero_point = np.clip(np.round(-low / scale), 0, 255)
        return (np.clip(np.round(feeds["x"] / scale) + zero_point, 0, 255) - zero_point) * scale

    return network(
        nodes,
        {"x": normal(draw, *shape)},
        constants={"w": kernels, "w_zero": zero},
        truth=lambda feeds: convolved(held(feeds), exact, **attributes),
        gradient=lambda _, seed: {"x": convolved_back(seed, shape, exact, **attributes)},
    )
