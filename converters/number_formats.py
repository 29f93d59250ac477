"""How tensors keep their numbers in files, down to those that numpy has no type for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BYTE = np.dtype(np.uint8)
_PLAIN = ("float64", "float32", "float16", "complex64", "complex128", "bool")
_WHOLE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


@dataclass(frozen=True)
class NumberFormat:
    """A kind of number in a file.

    Attributes:
        name: What it is called: "float32", "bfloat16", "float8_e4m3fn".
        stored: The numpy type of its bytes, little-endian.
        dtype: The numpy type in which it is handed out.
        decode: From the one to the other.
    """

    name: str
    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    decode: Callable[[NDArray[Any]], NDArray[Any]] = field(compare=False, repr=False)


@cache
def number_format(name: str) -> NumberFormat | None:
    """The format of this name; None when it is not known.

    bfloat16 and the floats of one byte are handed out as float32, which holds each of their values.

    Example:
        >>> number_format("bfloat16").decode(np.array([0x3FC0], np.uint16)).tolist()
        [1.5]
    """
    if name in _PLAIN or name in _WHOLE:
        dtype = np.dtype(name)
        return NumberFormat(name, dtype.newbyteorder("<"), dtype, lambda stored: stored.astype(dtype))
    if name == "bfloat16":
        return NumberFormat(name, np.dtype("<u2"), np.dtype(np.float32), _bfloat16)
    if name in _BYTE_FLOATS:
        return NumberFormat(
            name, _BYTE, np.dtype(np.float32), lambda stored: _BYTE_FLOATS[name](np.arange(256))[stored]
        )
    return None


def _bfloat16(stored: NDArray[Any]) -> NDArray[Any]:
    """The upper half of a float32."""
    return (stored.astype(np.uint32) << 16).view(np.float32)


def _parts(codes: NDArray[Any], mantissa_bits: int, bias: int) -> NDArray[np.float32]:
    """The values of all codes, taken as finite: a sign, an exponent, and `mantissa_bits` after the point."""
    steps = 1 << mantissa_bits
    exponent, mantissa = (codes & 0x7F) >> mantissa_bits, codes & (steps - 1)
    # An exponent of zero has no hidden one, and counts as one.
    significand = mantissa / steps + (exponent > 0)
    value: NDArray[np.float32] = np.ldexp(significand, np.maximum(exponent, 1) - bias).astype(np.float32)
    return np.where(codes & 0x80, -value, value)


def _e4m3fn(codes: NDArray[Any]) -> NDArray[np.float32]:
    return np.where(codes & 0x7F == 0x7F, np.float32(np.nan), _parts(codes, 3, 7))


def _e5m2(codes: NDArray[Any]) -> NDArray[np.float32]:
    rest = codes & 0x7F
    infinite = np.where(codes & 0x80, -np.inf, np.inf).astype(np.float32)
    value = np.where(rest == 0x7C, infinite, _parts(codes, 2, 15))
    return np.where(rest > 0x7C, np.float32(np.nan), value)


def _e4m3fnuz(codes: NDArray[Any]) -> NDArray[np.float32]:
    return np.where(codes == 0x80, np.float32(np.nan), _parts(codes, 3, 8))


def _e5m2fnuz(codes: NDArray[Any]) -> NDArray[np.float32]:
    return np.where(codes == 0x80, np.float32(np.nan), _parts(codes, 2, 16))


def _e8m0fnu(codes: NDArray[Any]) -> NDArray[np.float32]:
    powers: NDArray[np.float32] = np.ldexp(1.0, np.minimum(codes, 0xFE) - 127).astype(np.float32)
    return np.where(codes == 0xFF, np.float32(np.nan), powers)


_BYTE_FLOATS: dict[str, Callable[[NDArray[Any]], NDArray[np.float32]]] = {
    "float8_e4m3fn": _e4m3fn,
    "float8_e5m2": _e5m2,
    "float8_e4m3fnuz": _e4m3fnuz,
    "float8_e5m2fnuz": _e5m2fnuz,
    "float8_e8m0fnu": _e8m0fnu,
}
