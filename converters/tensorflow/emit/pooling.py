"""Pooling."""

from __future__ import annotations

from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.emit.windows import (
    as_channels_first,
    as_declared,
    given_at,
    spatial_axes,
    spread,
    window,
)
from converters.tensorflow.topology import Node

_ONNX = {"MaxPool": "MaxPool", "AvgPool": "AveragePool", "MaxPool3D": "MaxPool", "AvgPool3D": "AveragePool"}


@emitter(*_ONNX)
def pool(to: Emission, node: Node) -> Value:
    """Averages leave out the padding, as ONNX does unless it is told otherwise."""
    x = as_channels_first(to, node, to.input(node, 0))
    axes = spatial_axes(node, len(x.shape or ()))
    return _pooled(to, node, x, spread(node, "ksize", axes), None)


@emitter("MaxPoolV2")
def max_pool_v2(to: Emission, node: Node) -> Value:
    """With the window's size and steps as inputs."""
    x = as_channels_first(to, node, to.input(node, 0))
    axes = spatial_axes(node, len(x.shape or ()))
    kernel = given_at(node, "window", to.needed_const(node, 1, "window").tolist(), axes)
    return _pooled(
        to, node, x, kernel, given_at(node, "steps", to.needed_const(node, 2, "step").tolist(), axes)
    )


def _pooled(
    to: Emission, node: Node, x: Value, kernel: tuple[int, ...], strides: tuple[int, ...] | None
) -> Value:
    if x.dtype.kind != "f":
        raise NoEmitter(node, "it pools whole numbers")
    assert x.shape is not None
    moves = window(node, x.shape[1:-1], kernel, dilated=False, strides=strides)
    like = x.like(shape=(x.shape[0], *moves.out, x.shape[-1]))
    op_type = _ONNX.get(node.op, "MaxPool")
    return as_declared(node, to.node(op_type, [x], like, **moves.attributes()))
