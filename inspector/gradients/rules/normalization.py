"""Normalization by statistics that are stored, or of the numbers themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from inspector.gradients.along_axis import widened
from inspector.gradients.expressions import size_at
from inspector.gradients.infinite import steep
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value, unbroadcast


@vjp("BatchNormalization", since=7)
def batch_normalization(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """A factor for each channel, by the stored statistics."""
    if node.attr("training_mode", 0) or (node.version < 14 and len([o for o in node.outputs if o.name]) > 1):
        raise node.refuse("has no gradient in training mode; expected stored statistics")
    x, scale, mean, variance = node.input, node.given(1), node.given(3), node.given(4)
    shape = (-1, *[1] * (x.rank - 2))
    epsilon = node.attr("epsilon", 1e-5)
    over = (0, *range(2, x.rank))
    numbers, spread = node.constant(1), node.constant(4)
    if numbers is not None and spread is not None:
        kept = (numbers.astype(np.float64) / np.sqrt(spread.astype(np.float64) + epsilon)).astype(grad.dtype)
        factor = node.array(kept.reshape(shape))
        inverse = node.array(
            (1 / np.sqrt(spread.astype(np.float64) + epsilon)).astype(grad.dtype).reshape(shape)
        )
    else:
        inverse = _inverse_root(variance, epsilon).op("Reshape", shape)
        factor = scale.op("Reshape", shape) * inverse
    results: list[Value | None] = [grad * factor if node.wants(0) else None, None, None, None, None]
    if node.wants(2):
        results[2] = grad.sum(over, keepdims=False)
    if node.wants(3):
        results[3] = -(grad * factor).sum(over, keepdims=False)
    if node.wants(1) or node.wants(4):
        normal = (x - mean.op("Reshape", shape)) * inverse
        if node.wants(1):
            results[1] = (grad * normal).sum(over, keepdims=False)
        if node.wants(4):
            results[4] = (grad * normal * factor * inverse).sum(over, keepdims=False) * -0.5
    return tuple(results)


@vjp("InstanceNormalization", since=6)
def instance_normalization(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """By mean and variance of each sample's channel."""
    x, scale, grad = widened(node.input), widened(node.given(1)), widened(grad)
    axes = tuple(range(2, x.rank))
    weights = scale.op("Reshape", (-1, *[1] * len(axes)))
    normal, inverse = _standardised(x, axes, node.attr("epsilon", 1e-5))
    over = (0, *axes)
    return _as_given(
        node,
        _through(grad * weights, normal, inverse, axes) if node.wants(0) else None,
        (grad * normal).sum(over, keepdims=False) if node.wants(1) else None,
        grad.sum(over, keepdims=False) if node.wants(2) else None,
    )


@vjp("LayerNormalization", since=17)
def layer_normalization(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Ba, Kiros and Hinton, Layer normalization (2016): by mean and variance of the last axes."""
    x, scale, grad = widened(node.input), widened(node.given(1)), widened(grad)
    axes = _last_axes(node, x)
    normal, inverse = _standardised(x, axes, node.attr("epsilon", 1e-5))
    by_x = _through(grad * scale, normal, inverse, axes) if node.wants(0) else None
    return _as_given(
        node,
        by_x and _with_statistics(node, by_x, normal, inverse, axes),
        unbroadcast(grad * normal, scale) if node.wants(1) else None,
        unbroadcast(grad, node.given(2)) if node.wants(2) else None,
    )


def _with_statistics(node: Node, by_x: Value, normal: Value, inverse: Value, axes: Sequence[int]) -> Value:
    """What the outputs for mean and 1/σ add: 1/n, and −x̂/(nσ²) with the standardised x̂."""
    _, by_mean, by_inverse = (*node.grads, None, None)[:3]
    if by_mean is not None:
        by_x = by_x + widened(by_mean) * (1 / _count(node, axes))
    if by_inverse is not None:
        by_x = by_x - normal * (widened(by_inverse) * inverse * inverse * (1 / _count(node, axes)))
    return by_x


def _count(node: Node, axes: Sequence[int]) -> int:
    """How many numbers some axes hold."""
    return math.prod(size_at(node, node.input, axis) for axis in axes)


@vjp("RMSNormalization", since=23)
def rms_normalization(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Zhang and Sennrich, Root mean square layer normalization (2019): by that of the last axes."""
    x, scale, grad = widened(node.input), widened(node.given(1)), widened(grad)
    axes = _last_axes(node, x)
    inverse = _inverse_root((x * x).mean(axes), node.attr("epsilon", 1e-5))
    normal = x * inverse
    return _as_given(
        node,
        _along(grad * scale, normal, inverse, axes) if node.wants(0) else None,
        unbroadcast(grad * normal, scale) if node.wants(1) else None,
    )


@vjp("GroupNormalization", since=18)
def group_normalization_of_groups(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """As later versions, with a scale for each group."""
    return _by_groups(node, grad, scales_in_group=1)


@vjp("GroupNormalization", since=21)
def group_normalization(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Wu and He, Group normalization (2018), with a scale for each channel."""
    return _by_groups(node, grad, (node.input.known_shape[1] or 0) // node.attr("num_groups", 1))


def _by_groups(node: Node, grad: Value, scales_in_group: int) -> tuple[Value | None, ...]:
    x, scale, grad = widened(node.input), widened(node.given(1)), widened(grad)
    groups = node.attr("num_groups", 1)
    channels = x.known_shape[1] or 0
    inner = tuple(size or 0 for size in x.known_shape[2:])
    split = (None, groups, channels // groups, *inner)
    form = (1, groups, scales_in_group, *[1] * len(inner))
    axes = tuple(range(2, len(split)))
    normal, inverse = _standardised(x.reshape(split), axes, node.attr("epsilon", 1e-5))
    apart = grad.reshape(split)
    over = (0, *axes) if scales_in_group == 1 else (0, *axes[1:])
    return _as_given(
        node,
        _through(apart * scale.op("Reshape", form), normal, inverse, axes).reshape_like(x)
        if node.wants(0)
        else None,
        (apart * normal).sum(over, keepdims=False).reshape_like(scale) if node.wants(1) else None,
        apart.sum(over, keepdims=False).reshape_like(scale) if node.wants(2) else None,
    )


def _as_given(node: Node, *results: Value | None) -> tuple[Value | None, ...]:
    """Gradients in the dtypes of the inputs: squares of numbers above 256 are too large for float16."""
    return tuple(result and result.cast(node.given(at).dtype) for at, result in enumerate(results))


@vjp("MeanVarianceNormalization", since=9)
def mean_variance_normalization(node: Node, grad: Value) -> Value:
    """By mean and deviation over some axes."""
    axes: tuple[int, ...] = node.attr("axes", (0, 2, 3))
    x = node.input
    centred = x - x.mean(axes)
    deviation = (centred * centred).mean(axes).op("Sqrt")
    # The operator adds this to the deviation, not to the variance.
    inverse = 1 / (deviation + 1e-9)
    return _through(grad, centred * inverse, inverse, axes)


@vjp("LpNormalization")
def lp_normalization(node: Node, grad: Value) -> Value:
    """X over its norm along one axis."""
    x, axes = node.input, (node.attr("axis", -1),)
    if node.attr("p", 2) == 1:
        norm = x.op("Abs").sum(axes)
        return steep((grad - (grad * node.output).sum(axes) * x.op("Sign")) / norm)
    norm = (x * x).sum(axes).op("Sqrt")
    return steep((grad - node.output * (grad * node.output).sum(axes)) / norm)


@vjp("LRN")
def lrn(node: Node, grad: Value) -> Value:
    """Krizhevsky, Sutskever and Hinton, ImageNet classification (2012), 3.3: by neighbouring channels.

    The window of the way back is the mirror image of the forward one; both are an average over an axis of
    channels.
    """
    x, y = node.input, node.output
    size, beta = node.attr("size", 1), node.attr("beta", 0.75)
    alpha = node.attr("alpha", 1e-4)
    before, behind = (size - 1) // 2, size - 1 - (size - 1) // 2
    base = _neighbours(x * x, before, behind) * alpha + node.attr("bias", 1.0)
    back = _neighbours(grad * y / base, behind, before)
    return grad * base.op("Pow", -beta) - back * x * (2 * alpha * beta)


def _neighbours(x: Value, before: int, behind: int) -> Value:
    """The sum over a window of channels, divided by the window's size."""
    shape = tuple(size or 0 for size in x.known_shape[1:])
    rows = x.op("Reshape", (-1, 1, shape[0], int(np.prod(shape[1:]))))
    pooled = rows.op(
        "AveragePool",
        kernel_shape=(before + behind + 1, 1),
        pads=(before, 0, behind, 0),
        count_include_pad=1,
    )
    return pooled.op("Reshape", (-1, *shape))


def _last_axes(node: Node, x: Value) -> tuple[int, ...]:
    first = node.attr("axis", -1)
    return tuple(range(first % x.rank, x.rank))


def _inverse_root(variance: Value, epsilon: float) -> Value:
    return 1 / (variance + epsilon).op("Sqrt")


def _standardised(x: Value, axes: Sequence[int], epsilon: float) -> tuple[Value, Value]:
    """The numbers with mean 0 and variance 1, and the factor that brought them there."""
    centred = x - x.mean(axes)
    inverse = _inverse_root((centred * centred).mean(axes), epsilon)
    return centred * inverse, inverse


def _through(grad: Value, normal: Value, inverse: Value, axes: Sequence[int]) -> Value:
    """The gradient of what was standardised: without its mean, and without its part along the result."""
    return (grad - grad.mean(axes) - normal * (grad * normal).mean(axes)) * inverse


def _along(grad: Value, normal: Value, inverse: Value, axes: Sequence[int]) -> Value:
    """The gradient of what was divided by its root mean square."""
    return (grad - normal * (grad * normal).mean(axes)) * inverse
