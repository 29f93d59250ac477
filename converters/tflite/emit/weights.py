"""Weights of convolutions and matrix products: in ONNX's order, and as small as the file has them."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.emission import Emission
from converters.tflite.model import Operation, Quantization, Tensor
from converters.tflite.unsigned import moved_bytes, moved_quantization

_HALF = np.dtype(np.float16)


def kernel(to: Emission, operation: Operation, index: int, order: tuple[int, ...], data: int) -> Value:
    """The weights of an operator.

    Signed bytes that meet quantised data become unsigned ones; `converters.tflite.unsigned` says why.

    Args:
        to: The graph.
        operation: The operator.
        index: Which of its inputs holds the weights.
        order: The file's axes in ONNX's order.
        data: Which of its inputs holds what the weights are multiplied with.

    Returns:
        float32 in that order: a stored tensor, or what the graph makes of one of fewer bits.
    """
    tensor = to.held(operation, index)
    if tensor is None or tensor.data is None:
        return _computed(to, operation, index, order)
    if len(tensor.shape) != len(order) or 0 in tensor.shape:
        raise NoEmitter(operation, f"its weights have the shape {list(tensor.shape)}")
    array, quantization = tensor.data.transpose(order), tensor.quantization
    name = f"{to.layer}/kernel"
    if array.dtype.kind == "f":
        return real_weight(to, to.weight(array, name))
    if quantization is None or array.dtype.name not in ("int8", "uint8"):
        raise NoEmitter(operation, f"its weights are {array.dtype} without a scale")
    if array.dtype == np.int8 and is_quantised(to, operation, data):
        array, quantization = moved_bytes(array), moved_quantization(quantization)
    if quantization.zero_point.min() < 0 and array.dtype == np.uint8:
        raise NoEmitter(operation, "its weights have zero points that are no bytes")
    axis = None if quantization.is_per_tensor else order.index(quantization.axis)
    return to.real(operation, to.weight(array, name), quantization, axis)


def bias(to: Emission, operation: Operation, index: int, weights: int, data: int) -> Value | None:
    """The bias of an operator, float32 (channels,); None where it has none.

    Args:
        to: The graph.
        operation: The operator.
        index: Which of its inputs the bias is.
        weights: Which of them holds the weights.
        data: Which of them holds what the weights are multiplied with.
    """
    if to.tensor(operation, index) is None:
        return None
    tensor = to.held(operation, index)
    if tensor is None or tensor.data is None:
        return to.plain(to.input(operation, index))
    if tensor.data.ndim != 1:
        raise NoEmitter(operation, f"its bias has the shape {list(tensor.shape)}")
    name = f"{to.layer}/bias"
    if tensor.data.dtype.kind == "f":
        return real_weight(to, to.weight(tensor.data, name))
    scale = _product(to.tensor(operation, data), to.held(operation, weights))
    if scale is None or scale.size not in (1, tensor.data.size):
        raise NoEmitter(operation, f"its bias is {tensor.data.dtype}, and its data or weights have no scale")
    if tensor.data.dtype != np.int32:
        return to.weight(tensor.data.astype(np.float32) * scale, name)
    own = Quantization(scale, np.zeros(scale.size, np.int64), 0)
    return to.real(operation, to.weight(tensor.data, name), own)


def real_weight(to: Emission, value: Value) -> Value:
    """A stored weight as float32; one of 16 bits stays as small in the file."""
    if value.dtype != _HALF:
        return value
    return to.node("Cast", [value], value.like(dtype="float32"), to=1)


def is_quantised(to: Emission, operation: Operation, index: int) -> bool:
    """Whether an input is whole numbers that stand for real ones."""
    tensor = to.tensor(operation, index)
    return (
        tensor is not None and tensor.quantization is not None and tensor.kind in ("int8", "uint8", "int16")
    )


def _product(data: Tensor | None, weights: Tensor | None) -> np.ndarray | None:
    """The steps in which a product of data and weights is counted, float32, one or one a channel."""
    if data is None or data.quantization is None or weights is None or weights.quantization is None:
        return None
    return (data.quantization.scale[:1] * weights.quantization.scale).astype(np.float32)


def _computed(to: Emission, operation: Operation, index: int, order: tuple[int, ...]) -> Value:
    """Weights that other operators make."""
    value = to.plain(to.input(operation, index))
    if value.shape is None or len(value.shape) != len(order) or None in value.shape:
        raise NoEmitter(operation, "the shape of its weights is not known")
    if order == tuple(range(len(order))):
        return value
    return to.node(
        "Transpose", [value], value.like(shape=tuple(value.shape[axis] for axis in order)), perm=order
    )
