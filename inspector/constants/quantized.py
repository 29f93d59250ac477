"""Rules of QuantizeLinear and DequantizeLinear: per tensor, per axis and in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.constants.arguments import Array, Inputs, check, integer, need
from inspector.constants.rules import rule
from inspector.onnxfile import Node


@rule("DequantizeLinear")
def _dequantize(node: Node, inputs: Inputs) -> Array:
    array, scale = need(node, inputs, 0), need(node, inputs, 1)
    zero = inputs[2] if len(inputs) > 2 else None
    return dequantized(node, array, scale, zero, integer(node, "axis", 1), integer(node, "block_size", 0))


@rule("QuantizeLinear")
def _quantize(node: Node, inputs: Inputs) -> Array:
    array, scale = need(node, inputs, 0), need(node, inputs, 1)
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros((), np.uint8)
    # The 4-bit types reach this point as 8-bit ones, so that the ends of their range are not known any more.
    plain = zero.dtype.kind in "iu" and zero.dtype.itemsize <= 2 and not node.attributes.get("output_dtype")
    check(node, plain, f"to {zero.dtype}")
    axis, block = integer(node, "axis", 1), integer(node, "block_size", 0)
    factor = _spread(node, array.shape, scale, axis, block)
    offset = _spread(node, array.shape, zero, axis, block).astype(np.int64)
    ends = np.iinfo(zero.dtype)
    result: Array = np.clip(np.rint(array / factor) + offset, ends.min, ends.max).astype(zero.dtype)
    return result


def dequantized(
    node: Node, array: Array, scale: Array, zero: Array | None, axis: int, block: int = 0
) -> NDArray[np.floating]:
    """Return (array − zero) · scale, as DequantizeLinear defines it.

    Args:
        node: The node for which it is done, for the error's text.
        array: Integers of any type, or float8 as float32.
        scale: One number, one per index along `axis`, or one per block along it.
        zero: The like of `scale`; None for zero.
        axis: The axis of `array` along which scales differ.
        block: Elements per block along `axis`; 0 for no blocks.

    Raises:
        NotConstantError: The shapes do not fit one another.

    Reference:
        ONNX operators, DequantizeLinear-21.
    """
    factor = _spread(node, array.shape, scale, axis, block)
    kind = np.float64 if factor.dtype == np.float64 else np.float32
    centred: NDArray[np.floating] = array.astype(kind)
    if zero is not None:
        centred = centred - _spread(node, array.shape, zero, axis, block).astype(kind)
    scaled: NDArray[np.floating] = centred * factor.astype(kind)
    return scaled


def _spread(node: Node, shape: tuple[int, ...], per: Array, axis: int, block: int) -> Array:
    """Return scales or zero points in a shape that numpy spreads over the whole array."""
    if per.size == 1:
        return per.reshape(())
    check(node, -len(shape) <= axis < len(shape), f"of {list(shape)} along axis {axis}")
    axis %= len(shape)
    if not block:
        check(node, per.shape == (shape[axis],), f"of {list(shape)} along axis {axis} by {list(per.shape)}")
        return per.reshape([-1 if at == axis else 1 for at in range(len(shape))])
    blocks = [-(-size // block) if at == axis else size for at, size in enumerate(shape)]
    check(node, block > 0 and list(per.shape) == blocks, f"of {list(shape)} in blocks by {list(per.shape)}")
    return per.repeat(block, axis=axis)[tuple(slice(size) for size in shape)]
