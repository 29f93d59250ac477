"""The protobuf wire format, scanned in place: where each field of a message starts and ends.

Nothing is copied and nothing is decoded that nobody asked for. Every length is checked against the end of the
message that holds it.

Reference:
    Protocol Buffers, "Encoding", https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import mmap
from typing import TypeAlias

Buffer: TypeAlias = "bytes | mmap.mmap"
# A field: its tag (number << 3 | wire type), then where its bytes start and end; for a varint, its value and
# where it ends.
Field: TypeAlias = tuple[int, int, int]
# Where a message or string starts, and the first byte after it.
Span: TypeAlias = tuple[int, int]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# More than any message in use has, and few enough to be listed within a second and 150 MB.
MAX_FIELDS = 1_000_000

_MAX_VARINT_BYTES = 10
_MAX_TAG = 2**32


class WireError(Exception):
    """The bytes are no protobuf message.

    Attributes:
        position: The byte of the file at which this shows.
        reason: What was found there.
        tag: The field whose length runs past the end of its message; 0 when it is another fault.
        missing: How many bytes that field lacks.
        found: The fields before it.
    """

    def __str__(self) -> str:
        return f"{self.reason} at byte {self.position:,}"

    def __init__(self, position: int, reason: str, *, tag: int = 0, missing: int = 0) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason
        self.tag = tag
        self.missing = missing
        self.found: list[Field] = []


def fields(data: Buffer, start: int, end: int, *, base: int = 0) -> list[Field]:
    """List the fields of the message that takes the bytes from `start` to `end`.

    Args:
        data: The file, or a part of it.
        start: First byte of the message.
        end: First byte after it.
        base: Where `data` itself starts in the file, for errors.

    Raises:
        WireError: A length or varint runs past `end`, a wire type does not exist, a field has the number 0,
            or there are more than `MAX_FIELDS`.
    """
    found: list[Field] = []
    position = start
    try:
        while position < end:
            here = position
            tag = data[position]
            position += 1
            if tag > 0x7F:
                tag, position = varint(data, here, end)
            if tag < 8 or tag >= _MAX_TAG:
                raise WireError(here, "no field can have this number")
            wire = tag & 7
            if wire == BYTES:
                if position < end and data[position] < 0x80:
                    position, size = position + 1, data[position]
                else:
                    size, position = varint(data, position, end)
                stop = position + size
            elif wire == VARINT:
                if position < end and data[position] < 0x80:
                    position, stop = data[position], position + 1
                else:
                    position, stop = varint(data, position, end)
            elif wire in (FIXED64, FIXED32):
                stop = position + (8 if wire == FIXED64 else 4)
            else:
                raise WireError(here, f"no field of ONNX has wire type {wire}")
            if stop > end:
                # Never so for a varint, whose value now stands in `position`.
                reason = f"a field is {stop - position:,} bytes long, but {end - position:,} are left"
                raise WireError(here, reason, tag=tag, missing=stop - end)
            found.append((tag, position, stop))
            position = stop
            if len(found) > MAX_FIELDS:
                raise WireError(here, f"one message has more than {MAX_FIELDS:,} fields")
    except WireError as error:
        error.found = found
        error.position += base
        raise
    return found


def varint(data: Buffer, position: int, end: int) -> tuple[int, int]:
    """Return the unsigned varint (0 .. 2**64 - 1) at `position`, and where it ends."""
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= end:
            raise WireError(position, "a number is cut off", missing=1)
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + index + 1
    raise WireError(position, f"a number has more than {_MAX_VARINT_BYTES} bytes")


def signed(value: int) -> int:
    """Read an unsigned varint as the int64 that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text(data: Buffer, start: int, end: int) -> str:
    r"""Decode a string; bytes that are no UTF-8 are shown as ``\xff``."""
    return data[start:end].decode("utf-8", "backslashreplace")


def encode_varint(value: int) -> bytes:
    """Encode a number from 0 to 2**64 - 1."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_bytes(number: int, payload: bytes) -> bytes:
    """Encode a length-delimited field."""
    return encode_varint(number << 3 | BYTES) + encode_varint(len(payload)) + payload


def encode_number(number: int, value: int) -> bytes:
    """Encode a varint field; a negative value is written as the int64 that it is."""
    return encode_varint(number << 3 | VARINT) + encode_varint(value & 0xFFFF_FFFF_FFFF_FFFF)
