"""From real numbers to whole ones, and back."""

from __future__ import annotations

from converters.tensorflow.emit.value import Value
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.emit.weights import real_weight
from converters.tflite.model import Operation


@emitter("QUANTIZE")
def quantize(to: Emission, operation: Operation) -> Value:
    """Rounded to what the output can hold; from one quantization to another by way of real numbers."""
    return to.input(operation, 0)


@emitter("DEQUANTIZE")
def dequantize(to: Emission, operation: Operation) -> Value:
    """What whole numbers stand for; weights of 16 bits become wider."""
    return real_weight(to, to.input(operation, 0))
