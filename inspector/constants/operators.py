"""Rules of the operators that exporters put between a weight and the layer that uses it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from inspector.constants.arguments import (
    Array,
    Inputs,
    NotConstantError,
    axes_of,
    check,
    check_broadcast,
    check_size,
    integer,
    integers,
    need,
    whole,
)
from inspector.constants.rules import rule
from inspector.onnxfile import DataType, Node, SparseTensor, Tensor


@rule("Constant")
def _constant(node: Node, _: Inputs) -> Array:
    for name, value in node.attributes.items():
        if isinstance(value, Tensor | SparseTensor):
            return value.numpy()
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    raise NotConstantError("stand in a Constant node without a numeric value")


@rule("Identity")
def _identity(node: Node, inputs: Inputs) -> Array:
    return need(node, inputs, 0)


@rule("ConstantOfShape")
def _constant_of_shape(node: Node, inputs: Inputs) -> Array:
    shape = whole(node, need(node, inputs, 0))
    value = node.attributes.get("value")
    fill = value.numpy().reshape(-1) if isinstance(value, Tensor) else np.zeros(1, np.float32)
    check(node, len(fill) == 1 and all(size >= 0 for size in shape), f"with the shape {list(shape)}")
    check_size(node, math.prod(shape))
    return np.broadcast_to(fill, shape)


@rule("Transpose")
def _transpose(node: Node, inputs: Inputs) -> Array:
    array = need(node, inputs, 0)
    order = integers(node, "perm")
    if order is None:
        return array.T
    check(node, sorted(order) == list(range(array.ndim)), f"by {list(order)} of {list(array.shape)}")
    return array.transpose(order)


@rule("Reshape")
def _reshape(node: Node, inputs: Inputs) -> Array:
    array = need(node, inputs, 0)
    old = integers(node, "shape")  # before opset 5
    asked = old if old is not None else whole(node, need(node, inputs, 1))
    shape = list(asked)
    if not node.attributes.get("allowzero"):
        shape = [array.shape[at] if size == 0 and at < array.ndim else size for at, size in enumerate(shape)]
    free = [at for at, size in enumerate(shape) if size == -1]
    rest = math.prod(size for size in shape if size != -1)
    if len(free) == 1 and rest:
        shape[free[0]] = array.size // rest
    check(
        node,
        min(shape, default=0) >= 0 and math.prod(shape) == array.size,
        f"of {list(array.shape)} to {list(asked)}",
    )
    return array.reshape(shape)


@rule("Flatten")
def _flatten(node: Node, inputs: Inputs) -> Array:
    array = need(node, inputs, 0)
    axis = integer(node, "axis", 1)
    check(node, -array.ndim <= axis <= array.ndim, f"of {list(array.shape)} at axis {axis}")
    axis += array.ndim * (axis < 0)
    return array.reshape(math.prod(array.shape[:axis]), math.prod(array.shape[axis:]))


@rule("Squeeze")
def _squeeze(node: Node, inputs: Inputs) -> Array:
    array = need(node, inputs, 0)
    axes = axes_of(node, inputs, array.ndim)
    dropped = {at for at, size in enumerate(array.shape) if size == 1} if axes is None else set(axes)
    check(
        node, all(array.shape[at] == 1 for at in dropped), f"of {list(array.shape)} along {sorted(dropped)}"
    )
    return array.reshape([size for at, size in enumerate(array.shape) if at not in dropped])


@rule("Unsqueeze")
def _unsqueeze(node: Node, inputs: Inputs) -> Array:
    array = need(node, inputs, 0)
    given = integers(node, "axes")
    count = len(given if given is not None else need(node, inputs, 1).reshape(-1))
    axes = axes_of(node, inputs, array.ndim + count) or ()
    check(node, len(set(axes)) == len(axes), f"of {list(array.shape)} at {list(axes)}")
    return np.expand_dims(array, axes)


@rule("Concat")
def _concat(node: Node, inputs: Inputs) -> Array:
    arrays = [need(node, inputs, at) for at in range(len(inputs))]
    first, axis = need(node, inputs, 0), integer(node, "axis", 0)
    check(node, -first.ndim <= axis < first.ndim, f"of {list(first.shape)} along axis {axis}")
    axis %= first.ndim

    def others(array: Array) -> tuple[int, ...]:
        return array.shape[:axis] + array.shape[axis + 1 :]

    for array in arrays:
        fits = array.ndim == first.ndim and others(array) == others(first)
        check(node, fits, f"of {list(first.shape)} and {list(array.shape)} along axis {axis}")
    check_size(node, sum(array.size for array in arrays))
    return np.concatenate(arrays, axis)


@rule("Cast", "CastLike")
def _cast(node: Node, inputs: Inputs) -> Array:
    array = need(node, inputs, 0)
    if node.op_type == "CastLike":
        return array.astype(need(node, inputs, 1).dtype)
    to = integer(node, "to", 0)
    check(node, to in DataType.__members__.values() and to != DataType.STRING, f"to type {to}")
    if to == DataType.BFLOAT16:
        return _as_bfloat16(array.astype(np.float32))
    target = DataType(to).numpy
    # Types that numpy lacks are handed out widened, so their rounding cannot be had from astype.
    check(node, target.itemsize * 8 == DataType(to).bits, f"to {DataType(to).name}")
    return array.astype(target)


@rule("Mul", "Div", "Add", "Sub", "Pow")
def _arithmetic(node: Node, inputs: Inputs) -> Array:
    left, right = need(node, inputs, 0), need(node, inputs, 1)
    check_broadcast(node, left.shape, right.shape)
    check(node, left.dtype.kind == right.dtype.kind == "f", f"of {left.dtype} and {right.dtype}")
    function = {"Mul": np.multiply, "Div": np.divide, "Add": np.add, "Sub": np.subtract, "Pow": np.power}
    result: Array = function[node.op_type](left, right)
    return result


@rule("Neg")
def _negative(node: Node, inputs: Inputs) -> Array:
    array = need(node, inputs, 0)
    check(node, array.dtype.kind in "fi", f"of {array.dtype}")
    return np.negative(array)


def _as_bfloat16(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the nearest bfloat16, ties to even, and hand it out as float32."""
    codes = np.ascontiguousarray(array).view(np.uint32).astype(np.uint64)
    rounded = ((codes + 0x7FFF + ((codes >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isnan(array), np.float32(np.nan), rounded)
