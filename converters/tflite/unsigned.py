"""Signed bytes as unsigned ones, the zero point moved along: the same real numbers.

On x86-64 onnxruntime has kernels on whole numbers for unsigned data only, and its product of unsigned data
and signed weights overflows in 16 bits on processors without instructions of their own for it.

Reference: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.tflite.model import LiteModel, Quantization, Tensor

WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"})
"""Operators whose second input is weights, which have rules of their own."""
_HALF = 128


@dataclass(frozen=True)
class Unsigned:
    """A graph whose signed bytes are unsigned ones.

    Attributes:
        tensors: Those of the graph, by name.
        moved: The tensors that hold other whole numbers than in the source; inputs as they are read inside.
    """

    tensors: Mapping[str, Tensor]
    moved: frozenset[str]


def as_unsigned(model: LiteModel, outputs: Collection[str]) -> Unsigned:
    """Let all quantised signed bytes be unsigned ones, but those that come out and the weights.

    Args:
        model: The graph.
        outputs: The tensors that come out.
    """
    weights = {
        operation.inputs[1]
        for operation in model.operations
        if operation.op in WEIGHTED and len(operation.inputs) > 1
    }
    kept = weights.union(outputs)
    computed = {name for name, tensor in model.tensors.items() if tensor.data is None and _is_signed(tensor)}
    # Constants go along with the data that they meet.
    met = {
        name
        for operation in model.operations
        if computed.intersection((*operation.inputs, *operation.outputs))
        for name in operation.inputs
    }
    changed = computed.union(met) - kept
    tensors = {
        name: _moved(tensor) if name in changed and _is_signed(tensor) else tensor
        for name, tensor in model.tensors.items()
    }
    moved = frozenset(name for name, tensor in tensors.items() if tensor is not model.tensors[name])
    return Unsigned(tensors, moved)


def moved_bytes(array: NDArray[np.int8]) -> NDArray[np.uint8]:
    """The same numbers, 128 higher."""
    return (array.astype(np.int16) + _HALF).astype(np.uint8)


def moved_quantization(quantization: Quantization) -> Quantization:
    """What such numbers stand for."""
    return dataclasses.replace(quantization, zero_point=quantization.zero_point + _HALF)


def _is_signed(tensor: Tensor) -> bool:
    quantization: Any = tensor.quantization
    return tensor.kind == "int8" and quantization is not None and quantization.is_per_tensor


def _moved(tensor: Tensor) -> Tensor:
    assert tensor.quantization is not None
    data = None if tensor.data is None else moved_bytes(tensor.data)
    return dataclasses.replace(
        tensor, kind="uint8", quantization=moved_quantization(tensor.quantization), data=data
    )
