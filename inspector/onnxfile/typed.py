"""Values in `float_data`, `int32_data` and their like: packed or one by one, as varints or fixed numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.onnxfile.encodings import DataType, decode, from_codes, widen_bfloat16
from inspector.onnxfile.wire import BYTES, VARINT, Buffer, Field, WireError

FLOATS, INT32S, STRINGS, INT64S, RAW, DOUBLES, UINT64S = 4, 5, 6, 7, 9, 10, 11
NAMES = {
    FLOATS: "float_data",
    INT32S: "int32_data",
    STRINGS: "string_data",
    INT64S: "int64_data",
    RAW: "raw_data",
    DOUBLES: "double_data",
    UINT64S: "uint64_data",
}
# A field with any other wire type is unknown to every protobuf reader, and skipped.
TAGS = {number << 3 | BYTES: number for number in NAMES}
TAGS |= {number << 3 | VARINT: number for number in (INT32S, INT64S, UINT64S)}
TAGS |= {FLOATS << 3 | 5: FLOATS, DOUBLES << 3 | 1: DOUBLES}

_FIXED = {FLOATS: "<f4", DOUBLES: "<f8"}
_FIELD_OF = {
    DataType.FLOAT: FLOATS,
    DataType.COMPLEX64: FLOATS,
    DataType.DOUBLE: DOUBLES,
    DataType.COMPLEX128: DOUBLES,
    DataType.INT64: INT64S,
    DataType.UINT32: UINT64S,
    DataType.UINT64: UINT64S,
    DataType.STRING: STRINGS,
}
_SIX_BITS = (DataType.FLOAT6E2M3, DataType.FLOAT6E3M2)
_CHUNK = 1 << 22
_MAX_VARINT_BYTES = 10


class CountError(Exception):
    """There are more or fewer entries than the shape asks for."""

    def __init__(self, needed: int, found: int) -> None:
        super().__init__(f"{found} entries, {needed} needed")
        self.needed = needed
        self.found = found


def field_of(dtype: DataType) -> int:
    """The number of the field that holds elements of this type when they are not raw."""
    return _FIELD_OF.get(dtype, INT32S)


def entries_needed(dtype: DataType, count: int) -> int:
    """Entries of that field for `count` elements: two per complex number, one per byte of 4 or 2 bit ones."""
    if dtype in (DataType.COMPLEX64, DataType.COMPLEX128):
        return 2 * count
    return dtype.nbytes(count) if dtype.bits in (2, 4) else count


def possible_entries(found: Sequence[Field]) -> tuple[int, int]:
    """The least and the most entries that these fields can hold, told from their lengths alone."""
    low = high = 0
    for tag, start, end in found:
        number = TAGS[tag]
        if tag & 7 != BYTES or number == STRINGS:
            low, high = low + 1, high + 1
        elif number in _FIXED:
            entries = (end - start) // np.dtype(_FIXED[number]).itemsize
            low, high = low + entries, high + entries
        else:
            low, high = low - (start - end) // _MAX_VARINT_BYTES, high + end - start
    return low, high


def read(data: Buffer, found: Sequence[Field], dtype: DataType, count: int) -> NDArray[Any]:
    """Read the elements of a tensor that is neither raw nor of strings.

    Args:
        data: The file.
        found: The fields of the `TensorProto`; those of other values are passed over.
        dtype: The element type.
        count: How many elements there must be.

    Returns:
        (count,), of the type `dtype.numpy`.

    Raises:
        CountError: There are more or fewer.
        WireError: A packed varint is broken.
    """
    number = field_of(dtype)
    mine = [item for item in found if TAGS.get(item[0]) == number]
    parts = [part for item in mine for part in _entries(data, item, number)]
    needed, present = entries_needed(dtype, count), sum(part.size for part in parts)
    if present != needed:
        raise CountError(needed, present)
    if number in _FIXED:
        values = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, _FIXED[number]), *parts])
        return values.view(dtype.numpy)
    return _narrow(np.concatenate([np.empty(0, np.uint64), *parts]), dtype, count)


def _entries(data: Buffer, item: Field, number: int) -> Iterator[NDArray[Any]]:
    """The entries of one field: floats as they are, varints as uint64."""
    tag, start, end = item
    if number in _FIXED:
        width = np.dtype(_FIXED[number]).itemsize
        if end - start >= width:
            yield np.frombuffer(data, _FIXED[number], (end - start) // width, start)
    elif tag & 7 == VARINT:
        yield np.array([start], np.uint64)
    else:
        while start < end:
            values, start = _varints(data, start, end)
            yield values


def _varints(data: Buffer, start: int, end: int) -> tuple[NDArray[np.uint64], int]:
    """Decode packed varints, as many as end within one chunk; return them and where the next starts."""
    stored = np.frombuffer(data, np.uint8, min(end - start, _CHUNK), start)
    ends = np.flatnonzero(stored < 0x80)
    if not ends.size:
        raise WireError(start, "a packed number has no end")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    longest = int(lengths.max())
    if longest > _MAX_VARINT_BYTES:
        raise WireError(start, f"a packed number has more than {_MAX_VARINT_BYTES} bytes")
    values = (stored[starts] & 0x7F).astype(np.uint64)
    for index in range(1, longest):
        longer = lengths > index
        values[longer] |= (stored[starts[longer] + index] & 0x7F).astype(np.uint64) << np.uint64(7 * index)
    return values, start + int(ends[-1]) + 1


def _narrow(entries: NDArray[np.uint64], dtype: DataType, count: int) -> NDArray[Any]:
    """Turn uint64 entries into elements; an int32 entry counts by its low bits, as protobuf reads it."""
    if dtype in (DataType.INT64, DataType.UINT64):
        return entries.view(dtype.numpy)
    if dtype == DataType.BOOL:
        return entries.astype(np.bool_)
    if dtype == DataType.BFLOAT16:
        return widen_bfloat16(entries.astype(np.uint16))
    if dtype in _SIX_BITS:
        return from_codes(entries.astype(np.uint8) & np.uint8(0x3F), dtype)
    if dtype.bits <= 8:
        return decode(entries.astype(np.uint8), dtype, count)
    return entries.astype(f"<u{dtype.bits // 8}").view(dtype.numpy)
