"""Normalization, and the addition of a bias."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, rule
from converters.tensorflow.evaluator.windows import channels_first, channels_last


@rule("BiasAdd", "BiasAddV1")
def bias_add(operation: Operation, value: Array, bias: Array) -> Array:
    """One number for each channel is added."""
    if operation.channels_first:
        return channels_first(channels_last(value) + bias)
    return value + bias


@rule("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def fused_batch_norm(
    operation: Operation, value: Array, scale: Array, offset: Array, mean: Array, variance: Array
) -> tuple[Array, ...]:
    """Batch normalization with stored statistics, or with the batch's own when built for training."""
    picture = channels_last(value) if operation.channels_first else value
    told = variance
    if operation.flag("is_training", default=True):
        over = tuple(range(picture.ndim - 1))
        mean, variance = picture.mean(over), picture.var(over)
        count = picture.size // picture.shape[-1]
        # The variance that is handed on is the unbiased one.
        told = variance * count / max(count - 1, 1)
    factor = scale / np.sqrt(variance + operation.real("epsilon", 1e-4))
    result = (picture - mean) * factor + offset
    return channels_first(result) if operation.channels_first else result, mean, told, mean, variance


@rule("BatchNormWithGlobalNormalization")
def old_batch_norm(
    operation: Operation, value: Array, mean: Array, variance: Array, beta: Array, gamma: Array
) -> Array:
    """Batch normalization of the first versions, with stored statistics."""
    factor = 1 / np.sqrt(variance + operation.real("variance_epsilon", 1e-3))
    if operation.flag("scale_after_normalization", default=True):
        factor = factor * gamma
    return (value - mean) * factor + beta


@rule("LRN")
def local_response(operation: Operation, value: Array) -> Array:
    """Each value over a power of the sum of squares in its neighbouring channels.

    Reference: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 3.3.
    """
    radius = operation.integer("depth_radius", 5)
    ahead = np.pad(np.cumsum(value**2, -1), [*[(0, 0)] * (value.ndim - 1), (1, 0)])
    channel = np.arange(value.shape[-1])
    upper = np.minimum(channel + radius + 1, value.shape[-1])
    sums = ahead[..., upper] - ahead[..., np.maximum(channel - radius, 0)]
    weight = operation.real("bias", 1.0) + operation.real("alpha", 1.0) * sums
    result: Array = value * weight ** -operation.real("beta", 0.5)
    return result


@rule("L2Loss")
def l2_loss(operation: Operation, value: Array) -> Array:
    """Half the sum of squares."""
    return np.asarray(np.sum(value**2) / 2)
