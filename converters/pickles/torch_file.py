"""Files of `torch.save`: a pickle of tensors, and their numbers beside it, in a zip or one after the other.

Reference:
    https://pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from converters.errors import UnsupportedError
from converters.number_formats import NumberFormat
from converters.pickles.allowed import ALLOWED
from converters.pickles.machine import Machine
from converters.pickles.tensors import ReadBytes, Rebuilders, Storage

MAX_PICKLE = 1 << 26
"""Bytes that a pickle may have: its tensors' numbers are not in it."""

_MAGIC = 0x1950A86A20F9469CFC6C
# PROTO and its version, and what a pickle of a number, dict, list, frame, class or tuple goes on with.
_PICKLES = tuple(bytes((0x80, version, code)) for version in range(2, 6) for code in b"\x8a}]\x95c(X\x8c")
_ZIP, _PICKLE = b"PK\x03\x04", "data.pkl"
# What other archives of PyTorch have beside a pickle of that name.
_PROGRAM = ("constants.pkl", "archive_format", "models/", "code/")
_TAR_MEMBERS = (b"sys_info", b"pickle", b"storages", b"tensors")
_MAX_DIRECTORY = 1 << 24
_LOCAL_HEADER = 30
_COUNT = 8
# What zipfile raises for archives that are damaged, or packed in a way that it does not know: RuntimeError
# for a member with a password; OSError, ValueError and OverflowError for one that is outside the file.
_BROKEN_ZIP: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, struct.error, EOFError)
_BROKEN_ZIP += (NotImplementedError, RuntimeError, OSError, ValueError, OverflowError)
_MOST_COMMENT = (1 << 16) + 98


@dataclass(frozen=True)
class Region:
    """A run of bytes in a file."""

    start: int
    size: int


class Window:
    """A stream that gives out so many bytes and no more, whatever a pickle asks for."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._left = most

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        return self._spent(self._file.read(min(size, self._left)))

    def readline(self) -> bytes:
        """Up to the next line break."""
        return self._spent(self._file.readline(self._left))

    def _spent(self, data: bytes) -> bytes:
        self._left -= len(data)
        return data


@dataclass(frozen=True)
class TorchFile:
    """What `torch.save` wrote.

    Attributes:
        path: The file.
        value: What was saved: dictionaries, lists and plain values, with `StoredTensor` for tensors.
        read: Reads some bytes of a storage.
    """

    path: Path
    value: object
    read: ReadBytes = field(repr=False)


def recognise(path: Path) -> bool:
    """Whether a file is a pickle, or an archive of PyTorch with one and no program beside it."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(512)
        if head.startswith(_ZIP):
            if directory_size(path) > _MAX_DIRECTORY:
                return False
            with zipfile.ZipFile(path) as archive:
                return _root(archive) is not None
    except _BROKEN_ZIP:
        return False
    return head.startswith(_PICKLES) or _is_tar(head)


def read(path: Path) -> TorchFile:
    """Read what a file describes; of its tensors, nothing but where they are.

    Raises:
        SourceError: It is damaged.
        UnsupportedError: It names a global that is not allowed, or is stored in a way that is not read.
    """
    with path.open("rb") as file:
        head = file.read(512)
        if head.startswith(_ZIP):
            return _read_zip(path)
        if _is_tar(head):
            raise UnsupportedError(
                f"{path}: is in the tar format of PyTorch before 0.1.10; expected a zip or a pickle",
                "Load it with PyTorch, and save its state_dict again with torch.save.",
            )
        file.seek(0)
        return _read_sequence(path, file)


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar" and head[:100].rstrip(b"\0").removeprefix(b"./") in _TAR_MEMBERS


def _root(archive: zipfile.ZipFile) -> str | None:
    """The folder of the archive that has the pickle; None when there is none, or a program is beside it."""
    names = archive.namelist()
    root = next((name[: -len(_PICKLE)] for name in names if name.endswith(f"/{_PICKLE}")), None)
    if root is None or root.count("/") > 1 or any(name.startswith(_marks(root)) for name in names):
        return None
    return root


def _marks(root: str) -> tuple[str, ...]:
    return tuple(root + mark for mark in _PROGRAM)


def _readers(path: Path) -> tuple[Machine, Rebuilders]:
    """What follows a pickle of this file, and what it makes tensors with."""
    plain = Machine(str(path), ALLOWED)
    rebuilders = Rebuilders(plain)
    return replace(plain, makers=rebuilders.makers(), persistent=rebuilders.storage), rebuilders


def _read_zip(path: Path) -> TorchFile:
    machine, _ = _readers(path)
    if directory_size(path) > _MAX_DIRECTORY:
        raise machine.damaged(f"the directory of its archive has more than {_MAX_DIRECTORY:,} bytes")
    try:
        with zipfile.ZipFile(path) as archive:
            root = _root(archive)
            if root is None:
                raise machine.damaged("its archive has no pickle of a state_dict")
            members = {member.filename: member for member in archive.infolist()}
            if len(members) < len(archive.infolist()):
                # Which of the two counts is for each reader to choose.
                raise machine.damaged("its archive has two members of one name")
            pickle = _member(archive, root + _PICKLE, MAX_PICKLE, machine)
            order = root + "byteorder"
            big = order in members and _member(archive, order, 64, machine).strip() == b"big"
    except _BROKEN_ZIP as error:
        raise machine.damaged(f"its archive cannot be read ({error})") from error
    if big:
        raise UnsupportedError(
            f"{path}: was saved on a big-endian machine; expected little-endian numbers",
            "Load it with PyTorch, and save it again on a little-endian machine.",
        )

    def region(key: str) -> Region:
        name = f"{root}data/{key}"
        if name not in members:
            raise machine.damaged(f"it has no member {name[:80]!r}, where a tensor's numbers should be")
        return _stored(path, members[name], machine)

    value = machine.read(Window(io.BytesIO(pickle), MAX_PICKLE))
    return TorchFile(path, value, partial(_read_part, path, machine, region))


def directory_size(path: Path) -> int:
    """How many bytes the directory of a zip file says it has; -1 when it has none."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST_COMMENT))
        tail = file.read()
    at, large = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    if at < 0:
        return -1
    small = int.from_bytes(tail[at + 12 : at + 16], "little")
    # zipfile takes the larger record wherever there is one.
    return max(
        small if small < 0xFFFFFFFF else 0,
        int.from_bytes(tail[large + 40 : large + 48], "little") if large >= 0 else 0,
    )


def _member(archive: zipfile.ZipFile, name: str, most: int, machine: Machine) -> bytes:
    """A small member; what it unpacks to is limited."""
    with archive.open(name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise machine.damaged(f"its member {name[:80]!r} has more than {most:,} bytes")
    return data


def _stored(path: Path, member: zipfile.ZipInfo, machine: Machine) -> Region:
    """Where a member's bytes are: behind a header of its own, whose length only that header knows."""
    name = member.filename[:80]
    if member.compress_type != zipfile.ZIP_STORED:
        raise UnsupportedError(
            f"{path}: its member {name!r} is compressed; expected it as torch.save stores it",
            "Load it with PyTorch, and save it again with torch.save.",
        )
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(min(max(member.header_offset, 0), end))
        header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or not header.startswith(_ZIP):
        raise machine.damaged(f"its member {name!r} is not where it should be")
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return Region(member.header_offset + _LOCAL_HEADER + lengths, member.file_size)


def _read_sequence(path: Path, file: BinaryIO) -> TorchFile:
    """The format before the zip: pickles, the last of them a list of storages, and then these storages.

    The pickles are a magic number, a version, the machine that wrote it, what was saved, and that list.
    """
    machine, rebuilders = _readers(path)
    window = Window(file, MAX_PICKLE)
    regions: dict[str, Region] = {}

    def region(key: str) -> Region:
        if key not in regions:
            raise machine.damaged(f"it does not hold storage {key[:40]!r}")
        return regions[key]

    value = machine.read(window)
    # Without the magic number it is a single pickle, which holds no storages.
    if value == _MAGIC:
        _, _, value, keys = [machine.read(window) for _ in range(4)]
        regions.update(_regions(machine, file, keys, rebuilders.met))
    return TorchFile(path, value, partial(_read_part, path, machine, region))


def _regions(
    machine: Machine, file: BinaryIO, keys: object, met: Mapping[str, tuple[NumberFormat, int]]
) -> dict[str, Region]:
    """Where the storages are that follow each other in the rest of a file, each behind its count."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise machine.damaged("it does not list its storages")
    regions: dict[str, Region] = {}
    at, end = file.tell(), file.seek(0, os.SEEK_END)
    for key in keys:
        file.seek(at)
        head = file.read(_COUNT)
        numbers, count = met.get(key, (None, -1))
        if at + _COUNT <= end and (numbers is None or int.from_bytes(head, "little", signed=True) != count):
            raise machine.damaged(f"storage {key[:40]!r} is not what its pickle says")
        size = 0 if numbers is None else count * numbers.stored.itemsize
        regions[key] = Region(at + _COUNT, size)
        at += _COUNT + size
    if at > end:
        raise machine.damaged(f"{at - end:,} bytes of its tensors are missing")
    return regions


def _read_part(
    path: Path, machine: Machine, region: Callable[[str], Region], storage: Storage, start: int, size: int
) -> bytes:
    """Some bytes of a storage."""
    whole = region(storage.key)
    if start + size > whole.size:
        raise machine.damaged(
            f"storage {storage.key[:40]!r} has {whole.size:,} bytes; expected {start + size:,}"
        )
    with path.open("rb") as file:
        # Whatever a file says of its size, nothing is read for it that is not there.
        missing = whole.start + start + size - file.seek(0, os.SEEK_END)
        if missing > 0:
            raise machine.damaged(f"{missing:,} bytes of storage {storage.key[:40]!r} are missing")
        file.seek(whole.start + start)
        return file.read(size)
