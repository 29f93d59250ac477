"""Numbers that training already rounds as 8-bit inference will."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.arithmetic import combined, each
from converters.tensorflow.emit.attributes import flag, integer, real
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node


@emitter("FakeQuantWithMinMaxArgs")
def fake_quant(to: Emission, node: Node) -> Value:
    """Rounded to one of a few evenly spaced numbers, with bounds that the node states."""
    low, high = (
        np.asarray(real(node, name, default), np.float32) for name, default in (("min", -6.0), ("max", 6.0))
    )
    return _rounded(to, node, low, high)


@emitter("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant_between(to: Emission, node: Node) -> Value:
    """The same with bounds that training found, for all numbers or for each channel."""
    return _rounded(
        to, node, to.needed_const(node, 1, "lower bound"), to.needed_const(node, 2, "upper bound")
    )


def _rounded(to: Emission, node: Node, low: Array, high: Array) -> Value:
    """Clip, count the steps from the lower bound, and go back.

    Written as arithmetic: ONNX's QuantizeLinear rounds halves to even numbers, TensorFlow rounds them up.
    """
    x = to.input(node, 0)
    if np.any(low > high):
        raise NoEmitter(node, "its lower bound is above the upper one")
    least, most, step = _nudged(node, low, high)
    if not np.any(step):
        return combined(to, "Mul", x, to.small(np.zeros_like(step)))
    with np.errstate(divide="ignore"):
        per_step = np.where(step == 0, np.float32(0), np.float32(1) / step).astype(np.float32)
    bounds = to.small(least), to.small(most)
    if least.ndim:
        clipped = combined(to, "Max", combined(to, "Min", x, bounds[1]), bounds[0])
    else:
        clipped = to.node("Clip", [x, *bounds], x.like())
    steps = combined(to, "Mul", combined(to, "Sub", clipped, bounds[0]), to.small(per_step))
    whole = each(to, "Floor", combined(to, "Add", steps, to.scalar(0.5, x)))
    return combined(to, "Add", combined(to, "Mul", whole, to.small(step)), bounds[0])


def _nudged(node: Node, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """The bounds moved so that zero is one of the numbers, and the distance between two of them.

    Reference: tensorflow/core/kernels/fake_quant_ops_functor.h, `Nudge`.
    """
    lowest = np.float32(1 if flag(node, "narrow_range") else 0)
    highest = np.float32(2 ** integer(node, "num_bits", 8) - 1)
    step = ((high - low) / (highest - lowest)).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = np.where(step == 0, lowest, lowest - low / step).astype(np.float32)
    zero = np.clip(np.floor(zero + np.float32(0.5)), lowest, highest).astype(np.float32)
    least, most = (lowest - zero) * step, (highest - zero) * step
    return np.asarray(least), np.asarray(most), np.asarray(step)
