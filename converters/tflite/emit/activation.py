"""Activations, by themselves and fused into other operators."""

from __future__ import annotations

import math

import numpy as np

from converters.tensorflow.emit.arithmetic import combined, each
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite import schema
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.model import Operation, Tensor

_BOUNDS = {
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}
_GELU_OPSET = 20


@emitter(*_BOUNDS)
def rectified(to: Emission, operation: Operation) -> Value:
    """Cut off below, and above where there is an upper bound."""
    return _clipped(to, operation, to.input(operation, 0), operation.op)


def activated(to: Emission, operation: Operation, value: Value) -> Value:
    """A value after the activation that is fused into the operator that makes it.

    Where the whole numbers of the output reach no further than the activation lets through, rounding to them
    does its work.
    """
    number = operation.options.get("activation", 0)
    name = schema.ACTIVATIONS[number] if 0 <= number < len(schema.ACTIVATIONS) else f"number {number}"
    if name == "NONE":
        return value
    if name == "TANH":
        return each(to, "Tanh", _real(to, operation, value))
    if name not in _BOUNDS:
        raise NoEmitter(operation, f"its activation {name} is not known")
    return _clipped(to, operation, value, name)


def _clipped(to: Emission, operation: Operation, value: Value, name: str) -> Value:
    low, high = _BOUNDS[name]
    if _is_within(to.made(operation), low, high):
        return value
    real = _real(to, operation, value)
    if name == "RELU":
        return each(to, "Relu", real)
    return to.node("Clip", [real, to.scalar(low, real), to.scalar(high, real)], real.like())


def _is_within(tensor: Tensor, low: float, high: float) -> bool:
    """Whether all that a quantised tensor can hold lies between two bounds, to half a step."""
    dtype, quantization = tensor.dtype, tensor.quantization
    if quantization is None or not quantization.is_per_tensor or dtype is None or dtype.kind not in "iu":
        return False
    step, zero = float(quantization.scale[0]), int(quantization.zero_point[0])
    least, most = (step * (end - zero) for end in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    return low - step / 2 < least and most < high + step / 2


def _real(to: Emission, operation: Operation, value: Value) -> Value:
    """Whole numbers of the output's quantization as real ones."""
    quantization = to.made(operation).quantization
    return value if quantization is None else to.real(operation, value, quantization)


@emitter("PRELU", inputs=2)
def prelu(to: Emission, operation: Operation) -> Value:
    """Slopes of their own for channels or places where x is negative."""
    x, slopes = to.stored(operation, 0), to.stored(operation, 1)
    (data, held), layout, rank = to.aligned(x, slopes)
    if rank is None or rank != x.rank:
        raise NoEmitter(operation, "its slopes have more axes than its input")
    real = [
        value
        if tensor is None or tensor.quantization is None
        else to.real(operation, value, tensor.quantization)
        for value, tensor in ((data, to.tensor(operation, 0)), (held, to.tensor(operation, 1)))
    ]
    return to.node("PRelu", real, real[0].like(layout=layout))


@emitter("HARD_SWISH")
def hard_swish(to: Emission, operation: Operation) -> Value:
    """X · relu6(x + 3) / 6."""
    return each(to, "HardSwish", to.input(operation, 0))


@emitter("SOFTMAX")
def softmax(to: Emission, operation: Operation) -> Value:
    """Over the last axis, of `beta` times the input."""
    x, beta = to.input(operation, 0), operation.options["beta"]
    if not x.rank:
        raise NoEmitter(operation, "the axes of its input are not known")
    scaled = x if beta == 1 else combined(to, "Mul", x, to.scalar(beta, x))
    return to.node("Softmax", [scaled], scaled.like(), axis=scaled.axis(-1))


@emitter("LOG_SOFTMAX")
def log_softmax(to: Emission, operation: Operation) -> Value:
    """Over the last axis."""
    x = to.input(operation, 0)
    if not x.rank:
        raise NoEmitter(operation, "the axes of its input are not known")
    return to.node("LogSoftmax", [x], x.like(), axis=x.axis(-1))


@emitter("GELU")
def gelu(to: Emission, operation: Operation) -> Value:
    """X times the normal distribution up to x, exactly or by way of tanh.

    Reference: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """
    x, approximate = to.input(operation, 0), operation.options["approximate"]
    if to.opset >= _GELU_OPSET:
        return to.node("Gelu", [x], x.like(), approximate="tanh" if approximate else None)
    if approximate:
        cube = combined(to, "Mul", combined(to, "Mul", x, x), x)
        inner = combined(to, "Add", x, combined(to, "Mul", cube, to.scalar(0.044715, x)))
        part = each(to, "Tanh", combined(to, "Mul", inner, to.scalar(math.sqrt(2 / math.pi), x)))
    else:
        part = each(to, "Erf", combined(to, "Mul", x, to.scalar(math.sqrt(0.5), x)))
    half = combined(to, "Mul", x, to.scalar(0.5, x))
    return combined(to, "Mul", half, combined(to, "Add", part, to.scalar(1, x)))
