"""The protobuf encoding, walked in place: an ONNX file's structure without a copy of its weights.

Reference: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Buffer: TypeAlias = "bytes | mmap.mmap"

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """The bytes are no protobuf message."""


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Attributes:
        number: Its number in the schema.
        wire: How it is encoded.
        start: Where its tag begins.
        data: Where its content begins; of a varint, the number itself.
        end: Where the next field begins.
    """

    number: int
    wire: int
    start: int
    data: int
    end: int


def fields(buffer: Buffer, start: int, end: int) -> Iterator[Field]:
    """Walk the fields of a message.

    Raises:
        WireError: A field goes beyond the end, or is of no known encoding.
    """
    while start < end:
        tag, at = _varint(buffer, start, end)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, stop = _varint(buffer, at, end)
            yield Field(number, wire, start, value, stop)
        elif wire == BYTES or wire in _FIXED:
            length, at = _varint(buffer, at, end) if wire == BYTES else (_FIXED[wire], at)
            stop = at + length
            if stop > end:
                raise WireError(f"field {number} ends {stop - end:,} bytes behind the end")
            yield Field(number, wire, start, at, stop)
        else:
            raise WireError(f"encoding {wire} is unknown")
        start = stop


def _varint(buffer: Buffer, at: int, end: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise WireError("a number goes beyond the end")
        byte = buffer[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise WireError("a number is longer than 64 bits")
