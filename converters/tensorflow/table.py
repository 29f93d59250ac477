"""The sorted table in which TensorFlow keeps an index, and a V1 checkpoint everything: LevelDB's file format.

Reference: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from converters.errors import SourceError
from converters.tensorflow.crc32c import crc32c, unmask
from converters.tensorflow.snappy import decompress, varint

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48
_TRAILER = 5  # one byte of compression type, four of CRC
_PLAIN, _SNAPPY = 0, 1


@dataclass(frozen=True)
class Entry:
    """One key with its value, which is a view into the mapped file where the block is not compressed."""

    key: bytes
    value: memoryview


def is_table(path: Path) -> bool:
    """Say whether `path` is a regular file that ends like a table."""
    if not path.is_file() or path.stat().st_size < _FOOTER:
        return False
    with path.open("rb") as file:
        file.seek(-len(_MAGIC), 2)
        return file.read() == _MAGIC


def read_table(path: Path, what: str) -> Iterator[Entry]:
    """Yield the entries of a table in their order, each block verified against its CRC first.

    Args:
        path: A regular file that is not empty.
        what: What the table is, for errors: "the index of a checkpoint".

    Raises:
        SourceError: It is no table, cut short, or damaged.
    """
    with path.open("rb") as file:
        # Views into the map keep it alive for as long as somebody holds one.
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if len(data) < _FOOTER or data[-8:] != _MAGIC:
        raise SourceError(
            f"{path}: is not {what}, or is cut short: its last bytes are not those of a table",
            "Copy the file again, and compare its size with the original's.",
        )
    try:
        yield from _entries(data)
    except ValueError as error:
        raise SourceError(f"{path}: is damaged: {error}", "Copy the checkpoint again.") from error


def _entries(data: memoryview) -> Iterator[Entry]:
    footer = data[-_FOOTER:]
    _, at = _handle(footer, 0)  # the meta index: statistics and filters, which nobody needs
    index, _ = _handle(footer, at)
    for entry in _block_entries(_block(data, index)):
        handle, _ = _handle(entry.value, 0)
        yield from _block_entries(_block(data, handle))


def _handle(data: memoryview, at: int) -> tuple[tuple[int, int], int]:
    """The (offset, size) of a block, and the place after it."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(data: memoryview, handle: tuple[int, int]) -> memoryview:
    """The contents of one block, verified and decompressed."""
    offset, size = handle
    end = offset + size
    if end + _TRAILER > len(data):
        raise ValueError(f"a block of {size:,} bytes at {offset:,} reaches past the end of the file")
    stored = int.from_bytes(data[end + 1 : end + _TRAILER], "little")
    if crc32c(data[offset : end + 1]) != unmask(stored):
        raise ValueError(f"the block at {offset:,} does not have the CRC stored with it")
    if data[end] == _PLAIN:
        return data[offset:end]
    if data[end] == _SNAPPY:
        return memoryview(decompress(data[offset:end]))
    raise ValueError(f"the block at {offset:,} has compression type {data[end]}, which is unknown")


def _block_entries(block: memoryview) -> Iterator[Entry]:
    """The entries of a block: each key shares the start of the one before."""
    if len(block) < 4:
        raise ValueError("a block has fewer than 4 bytes")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("a block has fewer bytes than its restart points need")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        fresh, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or at + fresh + length > end:
            raise ValueError("an entry of a block reaches past its end")
        key = key[:shared] + bytes(block[at : at + fresh])
        at += fresh
        yield Entry(key, block[at : at + length])
        at += length
