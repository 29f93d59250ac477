"""Activations."""

from __future__ import annotations

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.attributes import real
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

_SAME_NAME = ("Relu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf")


@emitter(*_SAME_NAME)
def elementwise(to: Emission, node: Node) -> Value:
    """ONNX has them under the same names, with TensorFlow's constants as defaults."""
    x = to.input(node, 0)
    return to.node(node.op, [x], x)


@emitter("Relu6")
def relu6(to: Emission, node: Node) -> Value:
    """max(0, min(x, 6))."""
    x = to.input(node, 0)
    return to.node("Clip", [x, to.scalar(0, x), to.scalar(6, x)], x)


@emitter("LeakyRelu")
def leaky_relu(to: Emission, node: Node) -> Value:
    """`alpha` times x where x is negative."""
    x = to.input(node, 0)
    return to.node("LeakyRelu", [x], x, alpha=real(node, "alpha", 0.2))


def prelu(to: Emission, node: Node) -> Value | None:
    """What tflearn writes as relu(x) + slopes · (x − |x|) · 0.5, as one node; None for anything else."""
    parts = [to.source(node, index) for index in (0, 1)] if node.op in ("Add", "AddV2") else []
    relu, halved = (part if part is not None else node for part in parts) if parts else (node, node)
    if relu.op != "Relu" or halved.op != "Mul" or not _is(to.const(halved, 1), 0.5):
        return None
    sloped = to.source(halved, 0)
    slopes = None if sloped is None or sloped.op != "Mul" else to.const(sloped, 0)
    less = None if sloped is None or slopes is None else to.source(sloped, 1)
    size = None if less is None or less.op != "Sub" else to.source(less, 1)
    if sloped is None or slopes is None or less is None or size is None or size.op != "Abs":
        return None
    if not less.inputs[0] == size.inputs[0] == relu.inputs[0]:
        return None
    x = to.input(relu, 0)
    if x.shape is None or slopes.ndim > len(x.shape) or slopes.shape[-1:] not in ((), (1,), x.shape[-1:]):
        return None
    if slopes.size not in (1, x.shape[-1]):
        return None
    (data, held), layout, _ = to.aligned(x, to.input(sloped, 0))
    return to.node("PRelu", [data, held], data.like(layout=layout))


def _is(array: Array | None, number: float) -> bool:
    return array is not None and array.size == 1 and float(array.reshape(())) == number


@emitter("Softmax", "LogSoftmax")
def softmax(to: Emission, node: Node) -> Value:
    """Over the last axis, which is the second one of a channels-first value."""
    x = to.input(node, 0)
    if x.rank == 0:
        raise NoEmitter(node, "its input is a single number")
    return to.node(node.op, [x], x, axis=x.axis(-1))
