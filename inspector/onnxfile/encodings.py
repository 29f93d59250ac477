"""Element types of ONNX tensors, and how stored bytes become numpy arrays.

Types that numpy does not have are widened without loss: bfloat16 and the float8, float6 and float4 families
become float32; 4-bit and 2-bit integers become int8 or uint8.

Reference:
    https://onnx.ai/onnx/technical/float8.html, https://onnx.ai/onnx/technical/float4.html,
    https://onnx.ai/onnx/technical/int4.html, OCP Microscaling Formats (MX) v1.0, section 5.3.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


class DataType(IntEnum):
    """Element types, numbered as in `TensorProto.DataType`."""

    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E4M3FNUZ = 18
    FLOAT8E5M2 = 19
    FLOAT8E5M2FNUZ = 20
    UINT4 = 21
    INT4 = 22
    FLOAT4E2M1 = 23
    FLOAT8E8M0 = 24
    UINT2 = 25
    INT2 = 26
    FLOAT6E2M3 = 27
    FLOAT6E3M2 = 28

    @property
    def bits(self) -> int:
        """Bits that one element takes in `raw_data`; 0 for strings."""
        return _BITS[self]

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type that `Tensor.numpy` gives for it."""
        return np.dtype(_NUMPY[self])

    def nbytes(self, count: int) -> int:
        """Bytes that `count` elements take in `raw_data`."""
        return (count * _BITS[self] + 7) // 8


_BITS: dict[DataType, int] = {
    **dict.fromkeys((DataType.STRING,), 0),
    **dict.fromkeys((DataType.UINT2, DataType.INT2), 2),
    **dict.fromkeys((DataType.UINT4, DataType.INT4, DataType.FLOAT4E2M1), 4),
    **dict.fromkeys((DataType.FLOAT6E2M3, DataType.FLOAT6E3M2), 6),
    **dict.fromkeys((DataType.UINT8, DataType.INT8, DataType.BOOL, DataType.FLOAT8E8M0), 8),
    **dict.fromkeys((DataType.FLOAT8E4M3FN, DataType.FLOAT8E4M3FNUZ), 8),
    **dict.fromkeys((DataType.FLOAT8E5M2, DataType.FLOAT8E5M2FNUZ), 8),
    **dict.fromkeys((DataType.UINT16, DataType.INT16, DataType.FLOAT16, DataType.BFLOAT16), 16),
    **dict.fromkeys((DataType.FLOAT, DataType.INT32, DataType.UINT32), 32),
    **dict.fromkeys((DataType.DOUBLE, DataType.INT64, DataType.UINT64, DataType.COMPLEX64), 64),
    **dict.fromkeys((DataType.COMPLEX128,), 128),
}

# What the bytes are read as: little-endian, as the specification demands on every machine.
_STORED = {
    DataType.FLOAT: "<f4",
    DataType.UINT8: "u1",
    DataType.INT8: "i1",
    DataType.UINT16: "<u2",
    DataType.INT16: "<i2",
    DataType.INT32: "<i4",
    DataType.INT64: "<i8",
    DataType.BOOL: "?",
    DataType.FLOAT16: "<f2",
    DataType.DOUBLE: "<f8",
    DataType.UINT32: "<u4",
    DataType.UINT64: "<u8",
    DataType.COMPLEX64: "<c8",
    DataType.COMPLEX128: "<c16",
    DataType.BFLOAT16: "<u2",
}

_NUMPY: dict[DataType, str] = {
    **dict.fromkeys(DataType, "f4"),
    **_STORED,
    DataType.BFLOAT16: "f4",
    DataType.STRING: "O",
    DataType.UINT4: "u1",
    DataType.INT4: "i1",
    DataType.UINT2: "u1",
    DataType.INT2: "i1",
}

# Small floats: exponent bits, mantissa bits, exponent bias, and which codes are no numbers: "ieee" has
# infinities and NaNs, "fn" only the NaN of all ones, "fnuz" only the code of minus zero, "none" neither.
_SMALL_FLOATS = {
    DataType.FLOAT8E4M3FN: (4, 3, 7, "fn"),
    DataType.FLOAT8E4M3FNUZ: (4, 3, 8, "fnuz"),
    DataType.FLOAT8E5M2: (5, 2, 15, "ieee"),
    DataType.FLOAT8E5M2FNUZ: (5, 2, 16, "fnuz"),
    DataType.FLOAT6E2M3: (2, 3, 1, "none"),
    DataType.FLOAT6E3M2: (3, 2, 3, "none"),
    DataType.FLOAT4E2M1: (2, 1, 1, "none"),
}


def decode(stored: NDArray[np.uint8], dtype: DataType, count: int) -> NDArray[Any]:
    """Turn the bytes of `raw_data` into elements.

    Args:
        stored: uint8 (bytes,), as in the file.
        dtype: The element type; no string.
        count: How many elements they are.

    Returns:
        (count,), of the type `dtype.numpy`. A view of `stored` where numpy has the type.
    """
    if dtype == DataType.BFLOAT16:
        return widen_bfloat16(stored.view("<u2"))
    if dtype in _STORED:
        return stored.view(_STORED[dtype])
    return from_codes(_unpack(stored, dtype.bits, count), dtype)


def widen_bfloat16(codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Turn bfloat16 codes into the float32 values whose upper halves they are."""
    return (codes.astype(np.uint32) << np.uint32(16)).view(np.float32)


def from_codes(codes: NDArray[np.uint8], dtype: DataType) -> NDArray[Any]:
    """Turn one code per byte, uint8 (n,), into the values of a type of at most eight bits."""
    if dtype in (DataType.UINT4, DataType.UINT2):
        return codes
    if dtype in (DataType.INT4, DataType.INT2):
        sign = np.uint8(1 << (dtype.bits - 1))
        return ((codes ^ sign) - sign).view(np.int8)
    return _values(dtype)[codes]


def _unpack(stored: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    """Take `count` codes of 2, 4, 6 or 8 bits out of a stream that starts at the lowest bit."""
    if bits == 8:
        return stored
    mask = np.uint8((1 << bits) - 1)
    if bits == 6:
        padded = np.zeros(-(-stored.size // 3) * 3, np.uint8)
        padded[: stored.size] = stored
        low, middle, high = padded.reshape(-1, 3).T
        codes = np.stack([low, (low >> 6) | (middle << 2), (middle >> 4) | (high << 4), high >> 2], axis=1)
    else:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        codes = stored[:, None] >> shifts
    return (codes & mask).reshape(-1)[:count]


@cache
def _values(dtype: DataType) -> NDArray[np.float32]:
    """The value of every code of a small float type, as float32 (2**bits,)."""
    codes = np.arange(1 << dtype.bits)
    if dtype == DataType.FLOAT8E8M0:
        return np.where(codes == 255, np.nan, 2.0 ** (codes - 127.0)).astype(np.float32)
    exponent_bits, mantissa_bits, bias, special = _SMALL_FLOATS[dtype]
    mantissa = codes & ((1 << mantissa_bits) - 1)
    exponent = (codes >> mantissa_bits) & ((1 << exponent_bits) - 1)
    sign = np.where(codes >> (mantissa_bits + exponent_bits), -1.0, 1.0)
    fraction = mantissa / (1 << mantissa_bits) + (exponent > 0)
    values = sign * fraction * 2.0 ** (np.maximum(exponent, 1) - bias)
    top = exponent == (1 << exponent_bits) - 1
    if special == "ieee":
        values = np.where(top, np.where(mantissa == 0, sign * np.inf, np.nan), values)
    elif special == "fn":
        values = np.where(top & (mantissa == (1 << mantissa_bits) - 1), np.nan, values)
    elif special == "fnuz":
        values[1 << (dtype.bits - 1)] = np.nan
    table: NDArray[np.float32] = values.astype(np.float32)
    table.flags.writeable = False
    return table
