"""Decompression of snappy blocks, which an index table may hold.

Reference: https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

_LARGEST = 1 << 28


def decompress(data: bytes | memoryview) -> bytes:
    """Return what `data` holds, a snappy block without framing.

    Raises:
        ValueError: It is no valid block; the message says what is wrong with it.

    Example:
        >>> decompress(bytes([5, 0 << 2 | 0, 97, (4 - 4) << 2 | 1, 1]))
        b'aaaaa'
    """
    length, at = varint(data, 0)
    if length > _LARGEST:
        raise ValueError(f"a snappy block claims {length:,} bytes")
    out = bytearray()
    while at < len(data):
        tag = data[at]
        if tag & 3 == 0:
            at, count = _literal(data, at)
            if at + count > len(data):
                raise ValueError("a snappy literal runs past the end of its block")
            out += data[at : at + count]
            at += count
        else:
            at, count, offset = _copy(data, at)
            if not 0 < offset <= len(out):
                raise ValueError("a snappy copy reaches before the start of its block")
            _repeat(out, offset, count)
        if len(out) > length:
            break
    if len(out) != length:
        raise ValueError(f"a snappy block gives {len(out):,} bytes where {length:,} were announced")
    return bytes(out)


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return the unsigned variable-length number at `at` and the place after it.

    Raises:
        ValueError: The data ends within it, or it has more than 64 bits.
    """
    value = shift = 0
    while shift < 64:
        if at >= len(data):
            raise ValueError("the data ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number has more than 64 bits")


def _literal(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Where the literal at `at` begins, and its length."""
    count = data[at] >> 2
    at += 1
    if count < 60:
        return at, count + 1
    extra = count - 59
    if at + extra > len(data):
        raise ValueError("the data ends within a snappy literal")
    return at + extra, int.from_bytes(data[at : at + extra], "little") + 1


def _copy(data: bytes | memoryview, at: int) -> tuple[int, int, int]:
    """The place after the copy at `at`, its length, and how far back it reaches."""
    tag = data[at]
    kind = tag & 3
    size = {1: 1, 2: 2, 3: 4}[kind]
    operand = data[at + 1 : at + 1 + size]
    if len(operand) < size:
        raise ValueError("the data ends within a snappy copy")
    offset = int.from_bytes(operand, "little")
    if kind == 1:
        return at + 2, (tag >> 2 & 7) + 4, offset | (tag >> 5) << 8
    return at + 1 + size, (tag >> 2) + 1, offset


def _repeat(out: bytearray, offset: int, count: int) -> None:
    """Append `count` bytes from `offset` back; they may overlap what is appended."""
    chunk = out[-offset:]
    times = count // offset + 1
    out += (chunk * times)[:count]
