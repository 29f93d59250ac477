"""Reading a FlatBuffer where it lies: every offset is checked before it is followed.

A table begins with the distance to its vtable, which says where each field stands or that it is absent. The
numbers of fields are those of the schema; nothing is read before somebody asks for it.

Reference: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError

Data: TypeAlias = "bytes | mmap.mmap"
AGAIN = "Fetch or export the file again."

_OFFSET = "<I"
_LONGEST_TEXT = 1 << 16
_MOST_TABLES = 1 << 20


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a FlatBuffer.

    Attributes:
        path: The file, for messages.
        data: All of its bytes.
        position: Where the table begins.
    """

    path: Path
    data: Data = field(repr=False)
    position: int

    def has(self, number: int) -> bool:
        """Whether a field is there."""
        return self._place(number) is not None

    def scalar(self, number: int, kind: str, default: Any = 0) -> Any:
        """A field that is one number.

        Args:
            number: The field's number.
            kind: Its type as a letter of `struct`: "b", "i", "f", "?".
            default: What stands for an absent one.
        """
        place = self._place(number)
        return default if place is None else self._unpack(f"<{kind}", place)

    def text(self, number: int, default: str = "") -> str:
        """A field that is a text; bytes that are no UTF-8 are replaced."""
        found = self._vector(number, 1)
        if found is None:
            return default
        start, count = found
        if count > _LONGEST_TEXT:
            raise self._broken(f"a text of {count:,} bytes")
        return bytes(self.data[start : start + count]).decode("utf-8", "replace")

    def array(self, number: int, dtype: str) -> NDArray[Any]:
        """A field that is a list of numbers, as a view of the file: (count,) of `dtype`."""
        kind = np.dtype(dtype)
        found = self._vector(number, kind.itemsize)
        if found is None:
            return np.zeros(0, kind)
        return np.frombuffer(self.data, kind, found[1], found[0])

    def extent(self, number: int) -> tuple[int, int] | None:
        """Where the bytes of a field that is a list of bytes begin, and how many there are."""
        return self._vector(number, 1)

    def table(self, number: int) -> Table | None:
        """A field that is a table."""
        place = self._place(number)
        return None if place is None else self._follow(place)

    def tables(self, number: int) -> list[Table]:
        """A field that is a list of tables."""
        found = self._vector(number, 4)
        if found is None:
            return []
        start, count = found
        if count > _MOST_TABLES:
            raise self._broken(f"a list of {count:,} tables")
        return [self._follow(start + 4 * place) for place in range(count)]

    def _place(self, number: int) -> int | None:
        """Where a field stands; None when it is absent."""
        vtable = self.position - self._unpack("<i", self.position)
        size = self._unpack("<H", vtable)
        slot = 4 + 2 * number
        if slot + 2 > size:
            return None
        distance = self._unpack("<H", vtable + slot)
        return self.position + distance if distance else None

    def _vector(self, number: int, size: int) -> tuple[int, int] | None:
        """Where the elements of a list begin, and how many of this size there are."""
        place = self._place(number)
        if place is None:
            return None
        start = place + self._unpack(_OFFSET, place)
        count = self._unpack(_OFFSET, start)
        if start + 4 + count * size > len(self.data):
            raise self._broken(f"a list of {count:,} elements at byte {start:,}")
        return start + 4, count

    def _follow(self, place: int) -> Table:
        table = Table(self.path, self.data, place + self._unpack(_OFFSET, place))
        # The distance to the vtable at least must be there.
        table._unpack("<i", table.position)
        return table

    def _unpack(self, kind: str, place: int) -> Any:
        if place < 0 or place + struct.calcsize(kind) > len(self.data):
            raise self._broken(f"an offset to byte {place:,}")
        return struct.unpack_from(kind, self.data, place)[0]

    def _broken(self, what: str) -> SourceError:
        size = f"{len(self.data):,} bytes"
        return SourceError(f"{self.path}: is not a sound FlatBuffer of {size}: it has {what}", AGAIN)


def root(path: Path) -> Table:
    """Map a file and return the table at its root."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return Table(path, data, 0)._follow(0)
