"""TensorFlow's element types as numpy's.

Reference: tensorflow/core/framework/types.proto, `DataType`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

DType: TypeAlias = "np.dtype[Any]"
Array: TypeAlias = "NDArray[Any]"

DT_STRING = 7
DT_BOOL = 10
DT_RESOURCE = 20
_REFERENCE = 100  # DT_FLOAT_REF = DT_FLOAT + 100

_NUMPY: dict[int, str] = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "object",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "int8",
    12: "uint8",
    13: "int32",
    15: "int16",
    16: "uint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
# Types that numpy lacks; ml_dtypes, which onnx itself needs, has them.
_EXTENDED: dict[int, str] = {14: "bfloat16", 24: "float8_e5m2", 25: "float8_e4m3fn"}
_QUANTISED = frozenset({11, 12, 13, 15, 16})


def to_numpy(number: int) -> DType | None:
    """Return the numpy type of a TensorFlow `DataType`, or None when it has none (a resource, a variant).

    Strings are arrays of objects that are `bytes`.

    Example:
        >>> to_numpy(1), to_numpy(101), to_numpy(20)
        (dtype('float32'), dtype('float32'), None)
    """
    number = base(number)
    if number in _NUMPY:
        return np.dtype(_NUMPY[number])
    if number in _EXTENDED:
        import ml_dtypes

        extended: DType = np.dtype(getattr(ml_dtypes, _EXTENDED[number]))
        return extended
    return None


def from_numpy(dtype: DType) -> int:
    """Return the TensorFlow `DataType` of a numpy type that `to_numpy` gives.

    Example:
        >>> from_numpy(np.dtype("float16"))
        19
    """
    names = {**_NUMPY, **_EXTENDED}
    return next(number for number, name in names.items() if name == dtype.name and number not in _QUANTISED)


def base(number: int) -> int:
    """Return the type of what a reference to it holds: DT_FLOAT for DT_FLOAT_REF."""
    return number - _REFERENCE if number > _REFERENCE else number


def name(number: int) -> str:
    """Return how messages call a `DataType`: "float32", "string", "type 20"."""
    number = base(number)
    if number == DT_STRING:
        return "string"
    return (
        _NUMPY.get(number)
        or _EXTENDED.get(number)
        or {20: "resource", 21: "variant"}.get(number, f"type {number}")
    )
