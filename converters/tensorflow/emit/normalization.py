"""Normalization over batches and over neighbouring channels."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.attributes import flag, integer, real
from converters.tensorflow.emit.convolution import scaled, with_bias
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.emit.windows import as_channels_first, as_declared
from converters.tensorflow.topology import Node


@emitter("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def fused_batch_norm(to: Emission, node: Node) -> Value:
    """With stored statistics, ONNX's own; with those of the batch at hand, written out."""
    epsilon = real(node, "epsilon", 1e-4)
    if flag(node, "is_training", default=True):
        return _of_this_batch(to, node, epsilon)
    x, scale, offset, mean, variance = to.inputs(node)
    folded = _folded(to, node, epsilon)
    if folded is not None:
        return folded
    data = as_channels_first(to, node, x)
    read = [data, scale, offset, mean, variance]
    return as_declared(node, to.node("BatchNormalization", read, data, epsilon=epsilon))


@emitter("BatchNormWithGlobalNormalization")
def batch_norm_with_global_normalization(to: Emission, node: Node) -> Value:
    """What the first graphs of TensorFlow have; `gamma` counts only when it is asked for."""
    x, mean, variance, beta, gamma = to.inputs(node)
    if not flag(node, "scale_after_normalization"):
        gamma = to.small(np.ones(to.needed_const(node, 3, "beta").shape, x.dtype))
    data = to.channels_first(x)
    epsilon = real(node, "variance_epsilon")
    return to.node("BatchNormalization", [data, gamma, beta, mean, variance], data, epsilon=epsilon)


@emitter("LRN")
def local_response_normalization(to: Emission, node: Node) -> Value:
    """TensorFlow counts neighbours on each side and sums; ONNX counts all of them and takes the mean."""
    data = to.channels_first(to.input(node, 0))
    size = 2 * integer(node, "depth_radius", 5) + 1
    return to.node(
        "LRN",
        [data],
        data,
        size=size,
        alpha=real(node, "alpha", 1.0) * size,
        beta=real(node, "beta", 0.5),
        bias=real(node, "bias", 1.0),
    )


def _folded(to: Emission, node: Node, epsilon: float) -> Value | None:
    """Into the weights of the convolution before it, where that is asked for and can be."""
    stored = [to.const(node, index) for index in range(1, 5)]
    if not to.fold or any(array is None for array in stored):
        return None
    # Once for all weights: in float64 it costs nothing, and rounds once.
    scale, offset, mean, variance = (np.asarray(array, np.float64) for array in stored)
    factor: Array = scale / np.sqrt(variance + epsilon)
    dtype = to.input(node, 0).dtype
    x = scaled(to, node, 0, factor.astype(dtype))
    if x is None:
        return None
    shift = (offset - mean * factor).astype(dtype)
    made = with_bias(to, node, 0, shift, to.input(node, 2).name)
    assert made is not None  # it is the convolution that has just been scaled
    return made


def _of_this_batch(to: Emission, node: Node, epsilon: float) -> Value:
    """(x - mean) * scale / sqrt(variance + epsilon) + offset, over samples and space."""
    data = as_channels_first(to, node, to.input(node, 0))
    scale, offset = (to.input(node, index) for index in (1, 2))
    if data.dtype != scale.dtype:
        raise NoEmitter(node, "it takes the statistics of a batch in half precision")
    rank = len(data.shape or ())
    axes = [0, *range(2, rank)]
    like = data.like(shape=(1,) * (rank - 1) + ((data.shape or ())[-1],))
    centred = to.node("Sub", [data, _mean(to, data, axes, like)], data)
    variance = _mean(to, to.node("Mul", [centred, centred], data), axes, like)
    deviation = to.node("Sqrt", [to.node("Add", [variance, to.scalar(epsilon, data)], like)], like)
    # Of any length: layer normalization has as many channels here as the batch has samples.
    held, shift = (_along_channels(to, value, like) for value in (scale, offset))
    factor = to.node("Div", [held, deviation], like)
    made = to.node("Add", [to.node("Mul", [centred, factor], data), shift], data)
    return as_declared(node, made)


def _along_channels(to: Emission, value: Value, like: Value) -> Value:
    """One number for each channel, as a tensor whose other axes have size one: C as 1 C 1 1."""
    if value.constant is not None:
        return to.aligned(value, like)[0][0]
    sizes = [1, -1, *[1] * (len(like.shape or ()) - 2)]
    return to.node("Reshape", [to.plain(value), to.small(np.array(sizes, np.int64))], like)


def _mean(to: Emission, value: Value, axes: list[int], like: Value) -> Value:
    """The mean over axes of the ONNX tensor, which stay with size one."""
    if to.opset >= 18:
        return to.node("ReduceMean", [value, to.small(axes)], like)
    return to.node("ReduceMean", [value], like, axes=axes)
