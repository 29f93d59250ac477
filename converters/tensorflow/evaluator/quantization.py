"""Numbers rounded as a quantized network would have them, kept as floats.

Reference: tensorflow/core/kernels/fake_quant_ops_functor.h.
"""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, rule


@rule("FakeQuantWithMinMaxArgs")
def fake_quant(operation: Operation, value: Array) -> Array:
    """Between two limits that are attributes."""
    low, high = (np.asarray(operation.real(name, limit)) for name, limit in (("min", -6.0), ("max", 6.0)))
    return _quantized(operation, value, low, high)


@rule("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant_between(operation: Operation, value: Array, low: Array, high: Array) -> Array:
    """Between two limits that are inputs, one pair or one for each channel."""
    return _quantized(operation, value, low, high)


def _quantized(operation: Operation, value: Array, low: Array, high: Array) -> Array:
    """The nearest of the levels, which are moved so that zero is one of them."""
    first = 1.0 if operation.flag("narrow_range") else 0.0
    last = 2.0 ** operation.integer("num_bits", 8) - 1
    scale = (high - low) / (last - first)
    # Halves round away from zero, and none of these is negative.
    zero = np.clip(np.floor(first - low / scale + 0.5), first, last)
    lowest, highest = (first - zero) * scale, (last - zero) * scale
    level = np.floor((np.clip(value, lowest, highest) - lowest) / scale + 0.5)
    return np.where((low == 0) & (high == 0), 0.0, level * scale + lowest)
