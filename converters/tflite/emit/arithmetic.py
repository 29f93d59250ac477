"""Arithmetic with a fused activation, and normalization."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from converters.tensorflow.emit.arithmetic import combined
from converters.tensorflow.emit.axes import broadcast
from converters.tensorflow.emit.reduction import reduced
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.activation import activated
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import ANY_NUMBER, emitter
from converters.tflite.model import Operation

_BINARY: Mapping[str, str] = MappingProxyType(
    {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "MAXIMUM": "Max", "MINIMUM": "Min"}
)
# tensorflow/lite/kernels/l2norm.cc
_LEAST_NORM = 1e-6


@emitter(*_BINARY, inputs=2)
def binary(to: Emission, operation: Operation) -> Value:
    """Of two operands that are broadcast."""
    return activated(to, operation, _combined(to, operation, _BINARY[operation.op]))


@emitter("ADD_N", inputs=(1, ANY_NUMBER))
def add_n(to: Emission, operation: Operation) -> Value:
    """The sum of any number of tensors of one shape."""
    total = to.input(operation, 0)
    for place in range(1, len(operation.inputs)):
        total = combined(to, "Add", total, to.input(operation, place))
    return total


@emitter("L2_NORMALIZATION")
def l2_normalization(to: Emission, operation: Operation) -> Value:
    """Divided by the root of the sum of squares over the last axis."""
    x = to.input(operation, 0)
    if not x.rank:
        raise NoEmitter(operation, "the axes of its input are not known")
    norm = reduced(to, "ReduceL2", x, [x.rank - 1], keep=True)
    norm = combined(to, "Max", norm, to.scalar(_LEAST_NORM, x))
    return activated(to, operation, combined(to, "Div", x, norm))


def _combined(to: Emission, operation: Operation, op_type: str) -> Value:
    """An operator on two operands; quantised constants are laid out while they are whole numbers."""
    stored = [to.stored(operation, place) for place in (0, 1)]
    tensors = [to.tensor(operation, place) for place in (0, 1)]
    quantised = [tensor.quantization if tensor is not None else None for tensor in tensors]
    if not any(
        each is not None and value.constant is not None for each, value in zip(quantised, stored, strict=True)
    ):
        return combined(to, op_type, to.input(operation, 0), to.input(operation, 1))
    if any(each is not None and not each.is_per_tensor for each in quantised):
        raise NoEmitter(operation, "its operands have a scale for each channel")
    made, layout, _ = to.aligned(*stored)
    real = [
        value if each is None else to.real(operation, value, each)
        for value, each in zip(made, quantised, strict=True)
    ]
    shape = broadcast(*(value.shape for value in stored))
    return to.node(op_type, real, Value("", real[0].dtype, shape, layout))
