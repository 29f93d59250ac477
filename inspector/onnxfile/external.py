"""External data: tensors whose bytes lie in another file, which a model may name but not choose freely.

A model comes from a stranger. What it names is read only when it is an ordinary file below the model's own
folder, reached through ordinary folders: no link of any kind, no device, nothing absolute.

Reference:
    https://github.com/onnx/onnx/blob/main/docs/ExternalData.md; CVE-2022-25882, CVE-2024-5187,
    CVE-2025-51480.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspector.errors import TensorError
from inspector.onnxfile.source import AGAIN, FETCH, READABLE, Source, counted, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_LARGEST = 2**63 - 1
# Not allowed in a file name on Windows, or with a meaning of their own there; no exporter writes them.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_REPARSE_POINT = 0x400
_BESIDE = "External data must be an ordinary file in the model's own folder."
_UNLINK = (
    "External data is not read through links: copy the folder with the files that they stand for, "
    "and open the model in the copy: cp -rL FOLDER COPY"
)


@dataclass(frozen=True)
class ExternalData:
    """Where a tensor's bytes are said to be.

    Attributes:
        location: Path relative to the model's folder, with forward slashes.
        offset: First byte in that file.
        length: Number of bytes, or None when the model does not say.
    """

    location: str
    offset: int
    length: int | None


def reference(entries: Iterable[tuple[str, str]], where: str) -> ExternalData:
    """Read a tensor's `external_data` entries.

    Raises:
        TensorError: There is no location, a key comes twice, or offset or length is no number from 0 to
            2**63 - 1.
    """
    known: dict[str, str] = {}
    for key, value in entries:
        if key in known:
            raise TensorError(f"{where} gives the {quoted(key)} of its external data twice", AGAIN)
        known[key] = value
    location = known.get("location", "")
    if not location:
        raise TensorError(f"{where} has external data, but no location for it", AGAIN)
    length = _number(known["length"], "length", where) if "length" in known else None
    return ExternalData(location, _number(known.get("offset", "0"), "offset", where), length)


def locate(source: Source, data: ExternalData, nbytes: int, where: str) -> Path:
    """Return the file that holds a tensor's bytes, after every check that can be made without reading it.

    Args:
        source: The model file.
        data: What it says about the tensor.
        nbytes: Bytes that the tensor needs.
        where: The tensor, for messages.

    Raises:
        TensorError: The file lies outside the model's folder, is a link or reached through one, has a second
            name (hard link), is missing, no regular file, or too short.
    """
    if data.length is not None and data.length != nbytes:
        raise TensorError(
            f"{where} needs {counted(nbytes, 'byte')} of external data, but its length says {data.length:,}",
            FETCH,
        )
    path = source.folder
    shown = quoted(data.location)
    found: os.stat_result | None = None
    for part in _parts(data.location, where):
        path = path / part
        try:
            found = path.lstat()
        except (OSError, ValueError):
            raise TensorError(
                f"{where} has its data in {shown}, which does not exist in {source.folder}",
                "Put the model's data file beside it, under the name that the model gives.",
            ) from None
        if stat.S_ISLNK(found.st_mode) or getattr(found, "st_file_attributes", 0) & _REPARSE_POINT:
            raise TensorError(f"{where} has its data in {shown}, which is or goes through a link", _UNLINK)
    if found is None or not stat.S_ISREG(found.st_mode):
        raise TensorError(f"{where} has its data in {shown}, which is not a regular file", _BESIDE)
    _check_found(found, data, nbytes, where)
    return path


def read(source: Source, data: ExternalData, nbytes: int, where: str) -> NDArray[np.uint8]:
    """Map a tensor's bytes: uint8 (nbytes,), read-only.

    Raises:
        TensorError: As `locate`, or the file cannot be opened.
    """
    path = locate(source, data, nbytes, where)
    if nbytes == 0:
        return np.empty(0, np.uint8)
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TensorError(
            f"{where} has its data in {quoted(data.location)}, which cannot be read: {reason}", READABLE
        ) from error
    with os.fdopen(handle, "rb") as file:
        # What is open now is checked again: the name may have been given to another file meanwhile.
        _check_found(os.fstat(handle), data, nbytes, where)
        start = data.offset - data.offset % mmap.ALLOCATIONGRANULARITY
        skipped = data.offset - start
        try:
            mapped = mmap.mmap(handle, skipped + nbytes, access=mmap.ACCESS_READ, offset=start)
        except OSError:
            # Some network file systems cannot map.
            file.seek(data.offset)
            return np.frombuffer(file.read(nbytes), np.uint8)
    return np.frombuffer(mapped, np.uint8, nbytes, skipped)


def _check_found(found: os.stat_result, data: ExternalData, nbytes: int, where: str) -> None:
    """Refuse a file that has several names, or that ends before the tensor does."""
    shown = quoted(data.location)
    if found.st_nlink > 1:
        raise TensorError(
            f"{where} has its data in {shown}, which is a hard link to a file that has other names too",
            _UNLINK,
        )
    if data.offset + nbytes > found.st_size:
        raise TensorError(
            f"{where} has its data in bytes {data.offset:,} to {data.offset + nbytes:,} of {shown}, "
            f"which has {found.st_size:,}",
            "The data file is incomplete or belongs to another model: fetch or export both again.",
        )


def _parts(location: str, where: str) -> list[str]:
    """The steps from the model's folder to the file, or an error if one leads elsewhere."""
    parts = [part for part in location.split("/") if part not in ("", ".")]
    if location.startswith("/") or _FORBIDDEN.search(location) or ".." in parts or not parts:
        raise TensorError(
            f"{where} has its data in {quoted(location)}, which is not a path below the model's folder",
            _BESIDE,
        )
    return parts


def _number(value: str, key: str, where: str) -> int:
    """Read an offset or length."""
    if not _NUMBER.fullmatch(value) or int(value) > _LARGEST:
        raise TensorError(
            f"{where} has {quoted(value)} as the {key} of its external data; expected a number of bytes",
            AGAIN,
        )
    return int(value)
