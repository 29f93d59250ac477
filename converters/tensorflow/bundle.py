"""V2 checkpoints, "tensor bundles": an index table beside raw data files.

Reference: tensorflow/core/util/tensor_bundle/tensor_bundle.h.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError
from converters.files import check_file
from converters.tensorflow.crc32c import crc32c, mask, unmask
from converters.tensorflow.dtypes import DT_STRING, Array, base, to_numpy
from converters.tensorflow.parts import assemble, extents, slice_key
from converters.tensorflow.schema import parse
from converters.tensorflow.snappy import varint
from converters.tensorflow.table import read_table
from converters.tensorflow.tensors import static_shape
from converters.tensorflow.variables import AGAIN, Checkpoint, Variable

_BIG_ENDIAN = 1
_VERSION = 1  # kTensorBundleVersion
_MOST_SHARDS = 99_999


def open_bundle(prefix: Path, index: Path) -> Checkpoint:
    """Open a V2 checkpoint by its prefix and its index file.

    Raises:
        FileError: The index cannot be read.
        SourceError: The index is damaged, or is of an unknown version.
    """
    check_file(index, "the index of a checkpoint")
    table = read_table(index, "the index of a checkpoint")
    first = next(table, None)
    if first is None or first.key:
        raise SourceError(f"{index}: is damaged: its first entry is not the header of a checkpoint", AGAIN)
    header = parse("BundleHeaderProto", bytes(first.value), str(index))
    if header.version.min_consumer > _VERSION:
        raise SourceError(
            f"{index}: is of a version that asks for a reader of version {header.version.min_consumer}; "
            f"known is {_VERSION}"
        )
    if not 0 <= header.num_shards <= _MOST_SHARDS:
        raise SourceError(f"{index}: is damaged: it names {header.num_shards:,} data files", AGAIN)
    names = [f"{prefix.name}.data-{n:05}-of-{header.num_shards:05}" for n in range(header.num_shards)]
    shards = tuple(_Shard(prefix.with_name(name)) for name in names)
    entries = {e.key: parse("BundleEntryProto", bytes(e.value), f"{index}: {e.key!r}") for e in table}
    bundle = _Bundle(index, shards, entries, header.endianness == _BIG_ENDIAN)
    variables = bundle.variables()
    readers = {name: partial(bundle.read, variable) for name, variable in variables.items()}
    return Checkpoint(prefix, 2, (index, *(shard.path for shard in shards)), variables, readers)


@dataclass(frozen=True)
class _Shard:
    """One data file, mapped when the first variable in it is read."""

    path: Path

    @cached_property
    def data(self) -> memoryview:
        """All bytes of the file."""
        check_file(self.path, "the data of a checkpoint")
        with self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


@dataclass(frozen=True)
class _Bundle:
    """The index of a checkpoint with its data files."""

    index: Path
    shards: tuple[_Shard, ...]
    entries: Mapping[bytes, Any]
    big_endian: bool

    def variables(self) -> dict[str, Variable]:
        """Every variable that has values, by name."""
        found = {}
        for key, entry in self.entries.items():
            dtype = to_numpy(entry.dtype)
            # The keys of slices begin with a zero byte; the entry of the whole variable leads to them.
            if dtype is None or key.startswith(b"\0"):
                continue
            name = key.decode("utf-8", "replace")
            try:
                shape = static_shape(entry.shape)
            except ValueError as error:
                raise SourceError(f"{self.index}: the variable {name!r}: {error}", AGAIN) from error
            found[name] = Variable(name, dtype, shape)
        return found

    def read(self, variable: Variable) -> Array:
        """The value of a variable, assembled if it is kept in slices."""
        key = variable.name.encode()
        entry = self.entries[key]
        if not entry.slices:
            return self._values(variable, entry, variable.shape)
        pieces = []
        for piece in entry.slices:
            where = extents(piece)
            part = self.entries.get(slice_key(key, where))
            if part is None:
                raise SourceError(f"{self.index}: lacks a slice of the variable {variable.name!r}", AGAIN)
            try:
                shape = static_shape(part.shape)
            except ValueError as error:
                raise SourceError(f"{self.index}: the variable {variable.name!r}: {error}", AGAIN) from error
            pieces.append((where, self._values(variable, part, shape)))
        try:
            return assemble(variable.shape, variable.dtype, pieces)
        except ValueError as error:
            raise SourceError(f"{self.index}: the variable {variable.name!r}: {error}", AGAIN) from error

    def _values(self, variable: Variable, entry: Any, shape: tuple[int, ...]) -> Array:
        """The values of one entry, verified."""
        is_string = base(entry.dtype) == DT_STRING
        count = math.prod(shape)
        if to_numpy(entry.dtype) != variable.dtype or (
            not is_string and entry.size != count * variable.dtype.itemsize
        ):
            raise SourceError(
                f"{self.index}: gives the variable {variable.name!r} {entry.size:,} bytes, which do not fit "
                f"its shape {list(shape)} and type {variable.dtype.name}",
                AGAIN,
            )
        path, content = self._bytes(variable, entry)
        if is_string:
            values, checked = _strings(content, count, f"{path}: the variable {variable.name!r}")
        else:
            stored = variable.dtype.newbyteorder(">" if self.big_endian else "<")
            values = np.frombuffer(content, stored).astype(variable.dtype, copy=False)
            checked = np.frombuffer(content, np.uint8)
        if crc32c(checked) != unmask(entry.crc32c):
            raise SourceError(
                f"{path}: the variable {variable.name!r} does not have the CRC stored in the index",
                AGAIN,
            )
        return values.reshape(shape)

    def _bytes(self, variable: Variable, entry: Any) -> tuple[Path, memoryview]:
        """The file in which an entry's bytes lie, and the bytes."""
        if not 0 <= entry.shard_id < len(self.shards):
            raise SourceError(
                f"{self.index}: puts the variable {variable.name!r} into data file {entry.shard_id} "
                f"of {len(self.shards)}",
                AGAIN,
            )
        shard = self.shards[entry.shard_id]
        if not entry.size:
            return shard.path, memoryview(b"")
        end = entry.offset + entry.size
        if entry.offset < 0 or entry.size < 0 or end > len(shard.data):
            raise SourceError(
                f"{shard.path}: has {len(shard.data):,} bytes, but the variable {variable.name!r} lies at "
                f"{entry.offset:,} to {end:,}",
                AGAIN,
            )
        return shard.path, shard.data[entry.offset : end]


def _strings(content: memoryview, count: int, where: str) -> tuple[Array, NDArray[np.uint8]]:
    """The strings of an entry, and the bytes that its CRC is taken of.

    Their lengths come first, as varints, then a CRC of the lengths, then the strings one after another.
    """
    if count > len(content):
        raise SourceError(f"{where}: {count:,} strings do not fit into {len(content):,} bytes", AGAIN)
    at, lengths = 0, []
    try:
        for _ in range(count):
            length, at = varint(content, at)
            lengths.append(length)
    except ValueError as error:
        raise SourceError(f"{where}: {error}", AGAIN) from error
    head = b"".join(n.to_bytes(4 if n < 1 << 32 else 8, "little") for n in lengths)
    if mask(crc32c(head)) != int.from_bytes(content[at : at + 4], "little"):
        raise SourceError(f"{where}: the lengths of its strings do not have the CRC stored with them", AGAIN)
    at += 4
    if at + sum(lengths) != len(content):
        raise SourceError(
            f"{where}: its strings need {sum(lengths):,} bytes, {len(content) - at:,} are there", AGAIN
        )
    values = np.empty(count, object)
    checked = np.frombuffer(head + bytes(content[at - 4 :]), np.uint8)
    for place, length in enumerate(lengths):
        values[place] = bytes(content[at : at + length])
        at += length
    return values, checked
