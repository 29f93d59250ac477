"""TensorProto messages as arrays, and arrays as TensorProto messages.

Reference: tensorflow/core/framework/tensor.proto.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from converters.tensorflow.dtypes import DT_STRING, Array, DType, base, from_numpy, to_numpy

# One number may fill a whole shape; beyond this size that is no constant of a network but an attack.
_LARGEST_FILLED = 1 << 28
_MOST_AXES = 32
_MOST_VALUES = 1 << 48

_FIELDS: dict[str, str] = {
    "float32": "float_val",
    "float64": "double_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
}
_HALF = frozenset({"float16", "bfloat16"})
_PARTS = {"complex64": "float32", "complex128": "float64"}


def tensor_array(tensor: Any) -> Array:
    """Return the array that a TensorProto holds, read-only.

    Args:
        tensor: A message of the schema.

    Raises:
        ValueError: Type, shape and values do not fit together; the message says how.
    """
    dtype = to_numpy(tensor.dtype)
    if dtype is None:
        raise ValueError(f"its element type {tensor.dtype} has no values")
    shape = static_shape(tensor.tensor_shape)
    count = math.prod(shape)
    if not tensor.tensor_content and count * dtype.itemsize > max(_LARGEST_FILLED, tensor.ByteSize() * 8):
        raise ValueError(
            f"its shape {list(shape)} needs {count * dtype.itemsize:,} bytes, which it does not have"
        )
    if base(tensor.dtype) == DT_STRING:
        return filled(np.array([*tensor.string_val, None], object)[:-1], shape, b"")
    if tensor.tensor_content:
        content = tensor.tensor_content
        if len(content) != count * dtype.itemsize:
            raise ValueError(f"it has {len(content):,} bytes where {count * dtype.itemsize:,} are expected")
        return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
    return filled(_listed(tensor, dtype), shape, 0)


def filled(values: Array, shape: tuple[int, ...], default: object) -> Array:
    """Return `values` in `shape`; the last one stands for all that are missing.

    Raises:
        ValueError: There are more values than the shape has places.
    """
    count = math.prod(shape)
    if values.size > count:
        raise ValueError(f"it has {values.size:,} values where {count:,} are expected")
    if values.size == count:
        return values.reshape(shape)
    if values.size <= 1:
        last = values[0] if values.size else default
        return np.broadcast_to(np.array(last, values.dtype), shape)
    result = np.full(count, values[-1], values.dtype)
    result[: values.size] = values
    return result.reshape(shape)


def static_shape(shape: Any) -> tuple[int, ...]:
    """Return a TensorShapeProto in which every size must be known.

    Raises:
        ValueError: A size is unknown or negative, or there is no room for such a shape anywhere.
    """
    sizes = tuple(dim.size for dim in shape.dim)
    if shape.unknown_rank or any(size < 0 for size in sizes):
        raise ValueError(f"its shape {'?' if shape.unknown_rank else list(sizes)} is not a static one")
    if len(sizes) > _MOST_AXES or math.prod(max(size, 1) for size in sizes) > _MOST_VALUES:
        raise ValueError(
            f"its shape of {len(sizes)} axes and {math.prod(sizes):,} values is not a possible one"
        )
    return sizes


def set_tensor(tensor: Any, array: Array) -> None:
    """Fill the empty TensorProto `tensor` with `array`."""
    tensor.dtype = from_numpy(array.dtype)
    set_shape(tensor.tensor_shape, array.shape)
    if array.dtype == object:
        tensor.string_val.extend(array.ravel().tolist())
    elif array.size:
        tensor.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def set_shape(shape: Any, sizes: Sequence[int | None]) -> None:
    """Fill the empty TensorShapeProto `shape`; None is a size that is not known."""
    shape.SetInParent()
    for size in sizes:
        shape.dim.add(size=-1 if size is None else size)


def _listed(tensor: Any, dtype: DType) -> Array:
    """The values of the field that goes with the type, one after another."""
    if dtype.name in _HALF:
        return np.array(tensor.half_val, np.int64).astype(np.uint16).view(dtype)
    if dtype.name.startswith("float8"):
        raise ValueError("its values are listed, which is not done for 8-bit floats")
    values = getattr(tensor, _FIELDS.get(dtype.name, "int_val"))
    if dtype.name in _PARTS:
        parts = np.array(values, _PARTS[dtype.name])
        return parts[: parts.size // 2 * 2].view(dtype)
    return np.array(values, np.int64 if dtype.kind == "i" else None).astype(dtype)
