"""The zip archives that PyTorch writes, checked before PyTorch reads them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from converters.errors import SourceError

_MAGIC = b"PK\x03\x04"
_MAX_MEMBERS = 100_000
# Weights are stored as they are; code and its line tables pack well, and are small.
_MAX_PACKED = 64 * 2**20
_MAX_TEXT = 256 * 2**20


@dataclass(frozen=True)
class Archive:
    """An open archive.

    Attributes:
        path: The file.
        zip: The open zip.
        root: The folder in it that holds everything.
    """

    path: Path
    zip: zipfile.ZipFile
    root: str

    def names(self) -> list[str]:
        """Names of the members below the root."""
        return [name.removeprefix(self.root) for name in self.zip.namelist()]

    def read(self, name: str) -> bytes:
        """Read a member that is no weight.

        Raises:
            SourceError: It is too large, or damaged.
        """
        info = self.zip.getinfo(self.root + name)
        if info.file_size > _MAX_TEXT:
            raise SourceError(
                f"{self.path}: {name} in it takes {info.file_size:,} bytes, more than {_MAX_TEXT:,}"
            )
        try:
            return self.zip.read(info)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
            raise SourceError(
                f"{self.path}: {name} in it is damaged: {error}", "Fetch the file again."
            ) from error


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive whose members may be trusted to be what they say.

    Raises:
        SourceError: It is damaged; or a member leads out of it, is encrypted, or unpacks to much more than
            real ones do.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise SourceError(f"{path}: is a damaged zip archive: {error}", "Fetch the file again.") from error
    with archive:
        infos = archive.infolist()
        if len(infos) > _MAX_MEMBERS:
            raise SourceError(
                f"{path}: holds {len(infos):,} members, more than the {_MAX_MEMBERS:,} accepted"
            )
        for info in infos:
            _check_member(path, info)
        packed = sum(info.file_size for info in infos if info.compress_type != zipfile.ZIP_STORED)
        if packed > _MAX_PACKED:
            raise SourceError(
                f"{path}: unpacks to {packed:,} bytes, more than the {_MAX_PACKED:,} accepted beside weights"
            )
        if len({info.filename for info in infos}) < len(infos):
            raise SourceError(f"{path}: holds two members of one name")
        yield Archive(path, archive, _root(archive))


def members(path: Path) -> list[str]:
    """Names of what an archive holds, below its root; nothing where it is none. It never raises."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return []
        with zipfile.ZipFile(path) as archive:
            root = _root(archive)
            return [name.removeprefix(root) for name in archive.namelist()]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return []


def _root(archive: zipfile.ZipFile) -> str:
    """The first folder of the names, where all have the same: `net/`."""
    roots = {name.partition("/")[0] for name in archive.namelist() if "/" in name}
    flat = any("/" not in name for name in archive.namelist())
    return "" if flat or len(roots) != 1 else f"{roots.pop()}/"


def _check_member(path: Path, info: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in (parts or ("",))[0]:
        raise SourceError(f"{path}: a member's name leads out of the archive: {info.filename[:80]!r}")
    if info.flag_bits & 1:
        raise SourceError(f"{path}: {info.filename[:80]!r} in it is encrypted")
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise SourceError(f"{path}: {info.filename[:80]!r} in it has two sizes", "Fetch the file again.")
    if info.file_size > path.stat().st_size and info.compress_type == zipfile.ZIP_STORED:
        raise SourceError(
            f"{path}: {info.filename[:80]!r} in it is longer than the file", "Fetch the file again."
        )
