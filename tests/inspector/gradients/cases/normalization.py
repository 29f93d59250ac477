"""Normalization by stored statistics, of samples, groups, layers, channels and vectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gradient_cases import Array, Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import helper


def picture(draw: Draw, channels: int) -> Array:
    inner = draw(st.sampled_from([(4,), (5,), (2, 3), (3, 2), (2, 2, 2)]))
    return normal(draw, draw(st.integers(1, 2)), channels, *inner)


def away_from_zero(draw: Draw, *shape: int) -> Array:
    """Positive numbers, so that no gradient is nothing but rounding."""
    return np.asarray(np.abs(normal(draw, *shape)) + np.float32(0.5))


@case("BatchNormalization")
def batch_normalization(draw: Draw) -> Case:
    channels = draw(st.integers(1, 3))
    rest = {name: normal(draw, channels) for name in ("scale", "bias", "mean")}
    rest["variance"] = np.abs(normal(draw, channels)) + np.float32(0.5)
    x = draw(st.sampled_from([picture(draw, channels), normal(draw, 3, channels)]))

    def truth(feeds: Mapping[str, Array]) -> Array:
        form = (-1, *[1] * (x.ndim - 2))
        given = {
            name: array.astype(np.float64).reshape(form)
            for name, array in {**rest, **feeds}.items()
            if name != "x"
        }
        deviation = np.sqrt(given["variance"] + np.float64(np.float32(epsilon)))
        return np.asarray((feeds["x"] - given["mean"]) / deviation * given["scale"] + given["bias"])

    epsilon = draw(st.sampled_from([1e-5, 1e-2]))
    node = helper.make_node("BatchNormalization", ["x", *rest], ["y"], epsilon=epsilon)
    if draw(st.booleans()):
        return network(
            [node], {"x": x}, constants=rest, opset=draw(st.sampled_from([9, 13, 18])), truth=truth
        )
    return network([node], {"x": x, **rest}, truth=truth)


@case("InstanceNormalization")
def instance_normalization(draw: Draw) -> Case:
    channels = draw(st.integers(1, 3))
    inputs = {
        "x": picture(draw, channels),
        "scale": away_from_zero(draw, channels),
        "bias": normal(draw, channels),
    }
    node = helper.make_node(
        "InstanceNormalization", list(inputs), ["y"], epsilon=draw(st.sampled_from([1e-5, 0.1]))
    )
    return network([node], inputs)


@case("LayerNormalization")
def layer_normalization(draw: Draw) -> Case:
    x, axis = normal(draw, 2, 3, 4), draw(st.sampled_from([-1, 1, 2, -2]))
    inner = x.shape[axis:]
    inputs = {"x": x, "scale": normal(draw, *inner), "bias": normal(draw, *inner)}
    names = ["x", "scale", "bias"] if draw(st.booleans()) else ["x", "scale"]
    node = helper.make_node(
        "LayerNormalization", names, ["y"], axis=axis, epsilon=draw(st.sampled_from([1e-5, 0.1]))
    )
    return network([node], {name: inputs[name] for name in names})


@case("RMSNormalization")
def rms_normalization(draw: Draw) -> Case:
    x, axis = normal(draw, 2, 3, 4), draw(st.sampled_from([-1, 1, 2]))
    epsilon = draw(st.sampled_from([1e-5, 0.1]))
    inputs = {"x": x, "scale": normal(draw, *x.shape[axis:])}

    def truth(feeds: Mapping[str, Array]) -> Array:
        axes = tuple(range(axis % 3, 3))
        square = (feeds["x"] ** 2).mean(axes, keepdims=True)
        return np.asarray(feeds["x"] / np.sqrt(square + epsilon) * feeds["scale"])

    node = helper.make_node("RMSNormalization", list(inputs), ["y"], axis=axis, epsilon=epsilon)
    return network([node], inputs, truth=truth, opset=23)


@case("GroupNormalization")
def group_normalization(draw: Draw) -> Case:
    groups, each = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    count = groups * each
    inputs = {"x": picture(draw, count), "scale": away_from_zero(draw, count), "bias": normal(draw, count)}
    epsilon = draw(st.sampled_from([1e-3, 0.1]))

    def truth(feeds: Mapping[str, Array]) -> Array:
        x = feeds["x"]
        split = x.reshape(len(x), groups, -1)
        mean, variance = split.mean(2, keepdims=True), split.var(2, keepdims=True)
        normal = ((split - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)
        form = (-1, *[1] * (x.ndim - 2))
        return np.asarray(normal * feeds["scale"].reshape(form) + feeds["bias"].reshape(form))

    node = helper.make_node("GroupNormalization", list(inputs), ["y"], num_groups=groups, epsilon=epsilon)
    return network([node], inputs, truth=truth, opset=21)


@case("MeanVarianceNormalization")
def mean_variance_normalization(draw: Draw) -> Case:
    axes = draw(st.sampled_from([[0, 2, 3], [1], [2, 3], [0, 1, 2, 3]]))
    node = helper.make_node("MeanVarianceNormalization", ["x"], ["y"], axes=axes)

    def truth(feeds: Mapping[str, Array]) -> Array:
        x = feeds["x"]
        centred = x - x.mean(tuple(axes), keepdims=True)
        return np.asarray(centred / (np.sqrt((centred**2).mean(tuple(axes), keepdims=True)) + 1e-9))

    return network([node], {"x": normal(draw, 2, 3, 2, 3)}, truth=truth)


@case("LpNormalization")
def lp_normalization(draw: Draw) -> Case:
    axis, power = draw(st.sampled_from([-1, 0, 1])), draw(st.integers(1, 2))
    node = helper.make_node("LpNormalization", ["x"], ["y"], axis=axis, p=power)

    def truth(feeds: Mapping[str, Array]) -> Array:
        return np.asarray(feeds["x"] / np.linalg.norm(feeds["x"], power, axis, keepdims=True))

    return network([node], {"x": normal(draw, 2, 3, 4)}, truth=truth)


@case("LRN")
def lrn(draw: Draw) -> Case:
    """`onnx.reference` is wrong for a batch, so the truth is a plain loop."""
    size, channels = draw(st.sampled_from([1, 3, 5])), draw(st.integers(2, 6))
    alpha, beta, bias = draw(st.sampled_from([(1e-4, 0.75, 1.0), (0.5, 0.6, 2.0), (2.0, 1.5, 0.7)]))

    def truth(feeds: Mapping[str, Array]) -> Array:
        x, y = feeds["x"], np.empty_like(feeds["x"])
        for at in range(channels):
            low, high = max(0, at - (size - 1) // 2), min(channels - 1, at + size // 2)
            squares = (x[:, low : high + 1] ** 2).sum(1)
            y[:, at] = x[:, at] / (bias + alpha / size * squares) ** beta
        return y

    node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=alpha, beta=beta, bias=bias)
    return network([node], {"x": normal(draw, 2, channels, 2, 3)}, truth=truth, free=True)


@case("LayerNormalization")
def statistics(draw: Draw) -> Case:
    """The mean and 1/σ, which are outputs too, and all three together."""
    x, axis = normal(draw, 2, 3, 4), draw(st.sampled_from([-1, 1]))
    nodes = [
        helper.make_node(
            "LayerNormalization", ["x", "scale"], ["n", "mean", "inverse"], axis=axis, epsilon=0.1
        ),
        helper.make_node("Mul", ["mean", "inverse"], ["product"]),
        helper.make_node("Add", ["n", "product"], ["all"]),
    ]
    of = draw(st.sampled_from(["mean", "inverse", "product", "all"]))

    def truth(feeds: Mapping[str, Array]) -> Array:
        axes = tuple(range(axis % 3, 3))
        mean = feeds["x"].mean(axes, keepdims=True)
        inverse = 1 / np.sqrt(feeds["x"].var(axes, keepdims=True) + 0.1)
        product, standardised = mean * inverse, (feeds["x"] - mean) * inverse
        values = {"mean": mean, "inverse": inverse, "product": product}
        return np.asarray(values.get(of, standardised * feeds["scale"] + product))

    inputs = {"x": x, "scale": normal(draw, *x.shape[axis:])}
    return network(nodes, inputs, of=of, truth=truth, fixed=["scale"])
