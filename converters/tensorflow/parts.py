"""Partitioned variables: one value kept as several slices of it.

Reference: tensorflow/core/framework/tensor_slice.proto and tensorflow/core/lib/strings/ordered_code.h.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from converters.tensorflow.dtypes import Array, DType

Extent: TypeAlias = "tuple[int, int | None]"
"""Where a slice begins on an axis, and its length; None is the whole axis."""

_SEPARATOR = b"\x00\x01"


def extents(piece: Any) -> tuple[Extent, ...]:
    """Return the extent on each axis of a TensorSliceProto."""
    return tuple((e.start, e.length if e.WhichOneof("has_length") else None) for e in piece.extent)


def places(shape: Sequence[int], where: Sequence[Extent]) -> tuple[slice, ...]:
    """Return the extents as slices of an array of this shape.

    Raises:
        ValueError: They do not lie within it.
    """
    if len(where) != len(shape):
        raise ValueError(f"a slice has {len(where)} axes where the variable has {len(shape)}")
    found = []
    for size, (start, length) in zip(shape, where, strict=True):
        stop = size if length is None else start + length
        if not 0 <= start <= stop <= size:
            raise ValueError(f"a slice covers {start} to {stop} of an axis of {size}")
        found.append(slice(start, stop))
    return tuple(found)


def assemble(shape: tuple[int, ...], dtype: DType, pieces: Sequence[tuple[Sequence[Extent], Array]]) -> Array:
    """Return the whole of which `pieces` are slices.

    Args:
        shape: The shape of the whole.
        dtype: Its element type.
        pieces: The extents of each slice, with its values in any shape of as many elements.

    Raises:
        ValueError: The slices do not cover the whole, once, or do not have as many values as they should.
    """
    areas = [places(shape, where) for where, _ in pieces]
    sizes = [tuple(place.stop - place.start for place in area) for area in areas]
    for size, (_, values) in zip(sizes, pieces, strict=True):
        if math.prod(size) != values.size:
            raise ValueError(f"a slice of shape {list(size)} has {values.size:,} values")
    if len(pieces) == 1 and sizes[0] == shape:
        return pieces[0][1].reshape(shape)
    covered = sum(math.prod(size) for size in sizes)
    if covered != math.prod(shape):
        raise ValueError(f"its slices hold {covered:,} values where {math.prod(shape):,} are expected")
    whole = np.empty(shape, dtype)
    filled = np.zeros(shape, bool)
    for area, size, (_, values) in zip(areas, sizes, pieces, strict=True):
        whole[area] = values.reshape(size)
        filled[area] = True
    if not filled.all():
        raise ValueError("its slices overlap")
    whole.flags.writeable = False
    return whole


def slice_key(name: bytes, where: Sequence[Extent]) -> bytes:
    r"""Return the key under which a V2 index keeps a slice of the variable `name`.

    Example:
        >>> slice_key(b"w", [(0, 2), (0, None)])
        b'\x00w\x00\x01\x01\x02\x80\x82\x80\x7f'

    Reference: tensorflow/core/util/saved_tensor_slice_util.cc, `EncodeTensorNameSlice`.
    """
    escaped = bytearray()
    for byte in name:
        escaped += {0x00: b"\x00\xff", 0xFF: b"\xff\x00"}.get(byte, bytes([byte]))
    key = _unsigned(0) + bytes(escaped) + _SEPARATOR + _unsigned(len(where))
    for start, length in where:
        key += _signed(start) + _signed(-1 if length is None else length)
    return key


def _unsigned(value: int) -> bytes:
    """A number that sorts as bytes: its length, then its bytes from the high end."""
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(body)]) + body


def _signed(value: int) -> bytes:
    """A signed number that sorts as bytes: the length is a run of ones at its head, mixed with the sign."""
    size = (value if value >= 0 else ~value).bit_length() // 7 + 1
    header = ((1 << size) - 1) << (16 - size)
    body = bytearray(value.to_bytes(max(size, 2), "big", signed=True))
    body = body[-size:]
    body[0] ^= header >> 8
    if size > 1:
        body[1] ^= header & 0xFF
    return bytes(body)
