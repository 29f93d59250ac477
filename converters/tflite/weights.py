"""The kernels of a TensorFlow Lite file, without any framework."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.files import check_file
from converters.tflite.model import LiteModel, Operation, Tensor
from converters.tflite.naming import name_layers
from converters.tflite.reader import read_model
from converters.weights import StoredLayer, Variable, Weights

_KINDS = {
    "CONV_2D": ("Conv", "OHWI", 1),
    "DEPTHWISE_CONV_2D": ("Conv", "IHWO", 1),
    "TRANSPOSE_CONV": ("ConvTranspose", "OHWI", 1),
    "FULLY_CONNECTED": ("Gemm", "", 1),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("LSTM", "", 0),
    "UNIDIRECTIONAL_SEQUENCE_RNN": ("RNN", "", 0),
    "PRELU": ("PRelu", "", 0),
}


def read_weights(path: Path) -> Weights:
    """The layers that have weights, each with its kernel where it is a convolution.

    Raises:
        SourceError: The file is not sound.
        UnsupportedError: It holds a custom operator or control flow.
    """
    check_file(path, "a TensorFlow Lite model")
    model = read_model(path)
    layers = name_layers(model)
    found: dict[str, StoredLayer] = {}
    for operation in model.operations:
        if operation.op in _KINDS:
            layer = _layer(model, operation, layers.of[operation.name], found)
            if layer is not None:
                found[layer.name] = layer
    few = any(
        tensor is not None and tensor.kind != "float32"
        for operation in model.operations
        if operation.op in _KINDS
        for tensor in (_stored(model, name) for name in operation.inputs if name)
    )
    notes = ("Weights of fewer bits are handed out as the float32 that they stand for.",) if few else ()
    return Weights(path, "TensorFlow Lite model", tuple(found.values()), (*layers.decisions, *notes))


def _layer(
    model: LiteModel, operation: Operation, name: str, taken: dict[str, StoredLayer]
) -> StoredLayer | None:
    kind, order, kernel = _KINDS[operation.op]
    stored = {place: _stored(model, tensor) for place, tensor in enumerate(operation.inputs) if tensor}
    held = {
        place: tensor for place, tensor in stored.items() if tensor is not None and not tensor.is_variable
    }
    if not held:
        return None
    unique, number = name, 1
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    scales = _bias_scale(model, operation, held, kernel)
    names = {kernel: "kernel", kernel + 1: "bias"} if kernel else {}
    if operation.op == "TRANSPOSE_CONV":
        names = {1: "kernel", 3: "bias"}
    variables = {
        place: _variable(tensor, f"{unique}/{names.get(place, f'input_{place}')}", scales)
        for place, tensor in held.items()
        if operation.op != "TRANSPOSE_CONV" or place
    }
    has_kernel = bool(order) and kernel in variables and len(variables[kernel].shape) == len(order)
    return StoredLayer(
        unique,
        kind,
        tuple(variables.values()),
        variables[kernel] if has_kernel else None,
        order if has_kernel else "",
        _groups(model, operation, variables[kernel].shape) if has_kernel else 1,
    )


def _groups(model: LiteModel, operation: Operation, kernel: tuple[int, ...]) -> int:
    """In how many groups a convolution's input channels are: a depthwise one's are each a group."""
    if operation.op not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return 1
    channels = model.tensors[operation.inputs[0]].shape[-1:]
    seen = 1 if operation.op == "DEPTHWISE_CONV_2D" else kernel[-1]
    return max(1, channels[0] // seen) if channels and seen else 1


def _stored(model: LiteModel, name: str) -> Tensor | None:
    """What the file stores for a tensor, also where it is turned into floats first."""
    tensor = model.tensors[name]
    maker = model.producers.get(name)
    if tensor.data is None and maker is not None and maker.op == "DEQUANTIZE":
        tensor = model.tensors[maker.inputs[0]]
    return None if tensor.data is None else tensor


def _bias_scale(
    model: LiteModel, operation: Operation, held: dict[int, Tensor], kernel: int
) -> NDArray[np.float32] | None:
    """The steps of a bias: those of the data times those of the weights."""
    data = model.tensors[operation.inputs[2 if operation.op == "TRANSPOSE_CONV" else 0]].quantization
    weights = held[kernel].quantization if kernel in held else None
    if data is None or weights is None or operation.op not in _KINDS:
        return None
    return (data.scale[:1] * weights.scale).astype(np.float32)


def _variable(tensor: Tensor, name: str, bias: NDArray[np.float32] | None) -> Variable:
    read = partial(_bias, tensor, bias) if tensor.kind == "int32" and bias is not None else tensor.real
    return Variable(name, np.dtype(np.float32), tensor.shape, read)


def _bias(tensor: Tensor, scale: NDArray[np.float32]) -> NDArray[Any]:
    """A bias as real numbers."""
    assert tensor.data is not None
    return tensor.data.astype(np.float32) * (scale if scale.size == tensor.data.size else scale[:1])
