"""A file that Keras saved: which generation wrote it, its configuration, and where its weights are."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from converters.errors import SourceError, UnsupportedError
from converters.files import check_file
from converters.keras import hdf5

Container = Literal["archive", "HDF5 file"]

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_ZIP = b"PK\x03\x04"
_MOST_JSON = 1 << 26
_MOST_ENTRIES = 100_000
# What a member may hold beside its compressed bytes: Keras stores weights as they are.
_FREE_BYTES, _MOST_INFLATED = 1 << 26, 20
_ENCRYPTED = 1


@dataclass(frozen=True)
class KerasFile:
    """What a file says of itself.

    Attributes:
        path: The file.
        container: How it is stored.
        version: The version of Keras that wrote it; empty where it does not say.
        config: The network's configuration; None when the file holds weights alone.
    """

    path: Path
    container: Container
    version: str
    config: Mapping[str, Any] | None = field(repr=False)

    @property
    def generation(self) -> Literal[2, 3]:
        """Which Keras reads it."""
        if self.version:
            return 3 if int(re.match(r"\d*", self.version)[0] or 0) >= 3 else 2  # type: ignore[index]
        return 3 if self.config is not None and "module" in self.config else 2

    @property
    def kind(self) -> str:
        """What it is, without an article."""
        if self.config is None:
            return "file of Keras weights"
        return f"Keras {self.generation} {self.container}"


def recognise(path: Path) -> bool:
    """Whether a path holds what Keras saves: an HDF5 file, or a zip with a configuration and weights."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(len(hdf5.SIGNATURE))
        if head == hdf5.SIGNATURE:
            return True
        if not head.startswith(_ZIP):
            return False
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False
    return {CONFIG, WEIGHTS} <= names


def read(path: Path) -> KerasFile:
    """Read a file's configuration, after everything in the file has been looked through.

    Raises:
        FileError: It is missing, empty, or cannot be read.
        MissingExtraError: h5py is not installed.
        SourceError: It is damaged, or was not written by Keras.
        UnsupportedError: It reaches beyond itself, or declares more than it holds.
    """
    check_file(path, "a Keras model")
    with path.open("rb") as file:
        zipped = file.read(4) == _ZIP
    if not zipped:
        return _read_hdf5(path)
    with _archive(path) as archive:
        config = _json(archive, CONFIG, path)
        metadata = _json(archive, METADATA, path) if METADATA in archive.namelist() else {}
    with weights(path):
        pass
    return KerasFile(path, "archive", str(metadata.get("keras_version", "")), config)


@contextmanager
def weights(path: Path, *, checked: bool = False) -> Iterator[Any]:
    """The open `h5py.File` with the weights, within the archive or the file itself.

    Args:
        path: The file.
        checked: Whether it has been looked through already.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == _ZIP
    if not zipped:
        with hdf5.opened(path, str(path), checked=checked) as root:
            yield root
        return
    with _archive(path) as archive:
        stored = archive.getinfo(WEIGHTS).compress_type == zipfile.ZIP_STORED
        with archive.open(WEIGHTS) as member:
            # HDF5 jumps to and fro, for which a compressed member would be unpacked again and again.
            held = member if stored else io.BytesIO(member.read())
            with hdf5.opened(held, f"{path}, {WEIGHTS}", checked=checked) as root:
                yield root


def _read_hdf5(path: Path) -> KerasFile:
    with hdf5.opened(path, str(path)) as root:
        version = hdf5.text(root.attrs.get("keras_version", ""))
        stored = root.attrs.get("model_config")
        if stored is None and not _holds_weights(root):
            raise SourceError(
                f"{path}: is an HDF5 file, but not one of Keras: it has no model_config and no layers",
                "Name a file that model.save(...) wrote.",
            )
    config = None if stored is None else _parsed(hdf5.text(stored), f"{path}, model_config")
    return KerasFile(path, "HDF5 file", version, config)


def _holds_weights(root: Any) -> bool:
    """Whether a file without a configuration is one of Keras's weights files, of either generation."""
    return "layer_names" in root.attrs or "layer_names0" in root.attrs or "vars" in root or "layers" in root


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """An open archive whose members stay within it, and within reason."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, path)
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise SourceError(
            f"{path}: is a damaged zip archive: {error}", "Fetch or save the file again."
        ) from error


def _check(archive: zipfile.ZipFile, path: Path) -> None:
    entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise UnsupportedError(f"{path}: holds {len(entries):,} members; expected a Keras archive")
    for name in (CONFIG, WEIGHTS):
        if name not in archive.NameToInfo:
            raise SourceError(f"{path}: lacks {name}, which a Keras archive has", "Save the model again.")
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")
        linked = stat.S_ISLNK(entry.external_attr >> 16)
        if entry.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or linked:
            raise UnsupportedError(
                f"{path}: its member {entry.filename!r} would be unpacked outside of the archive's folder",
                "Nothing was unpacked. Do not trust this file.",
            )
        if entry.flag_bits & _ENCRYPTED:
            raise UnsupportedError(f"{path}: its member {entry.filename!r} is encrypted")
        if entry.file_size > max(_FREE_BYTES, entry.compress_size * _MOST_INFLATED):
            raise UnsupportedError(
                f"{path}: its member {entry.filename!r} unpacks from {entry.compress_size:,} bytes to "
                f"{entry.file_size:,}; expected weights"
            )


def _json(archive: zipfile.ZipFile, name: str, path: Path) -> Mapping[str, Any]:
    size = archive.getinfo(name).file_size
    if size > _MOST_JSON:
        raise UnsupportedError(f"{path}: its {name} has {size:,} bytes; expected at most {_MOST_JSON:,}")
    return _parsed(archive.read(name).decode("utf-8", "replace"), f"{path}, {name}")


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise SourceError(f"{where}: is not readable JSON: {error}", "Save the model again.") from error
    if not isinstance(parsed, dict):
        raise SourceError(f"{where}: is not a JSON object, but {type(parsed).__name__}")
    return parsed
