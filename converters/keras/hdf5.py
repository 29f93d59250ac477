"""HDF5 files of strangers: looked through before anything in them is read.

Reference: https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from converters.errors import MissingExtraError, SourceError, UnsupportedError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_OBJECTS = 200_000
_MOST_TEXT = 1 << 26
# A data set that declares more than this must have it stored: HDF5 fills what was never written.
_FREE_BYTES, _MOST_FILLED = 1 << 26, 20


@contextmanager
def opened(file: Path | IO[bytes], where: str, *, checked: bool = False) -> Iterator[Any]:
    """An open `h5py.File` that holds nothing but groups and data sets of its own.

    Args:
        file: Its path, or the file itself.
        where: What it is, for messages.
        checked: Whether it has been looked through already.

    Raises:
        MissingExtraError: h5py is not installed.
        SourceError: It is damaged.
        UnsupportedError: It links to other files, or declares more data than it stores.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{where}: reading an HDF5 file needs h5py, not installed here",
            "pip install 'onnx-inspector[keras]', or for its kernels alone: pip install h5py",
        ) from error
    try:
        with h5py.File(file, "r") as root:
            if not checked:
                _check(root, where)
            yield root
    except (OSError, RuntimeError) as error:
        raise _damaged(where, error) from error
    except KeyError as error:
        # h5py's own, for an object that is there and cannot be opened.
        if "nable to" not in str(error):
            raise
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> SourceError:
    """The error for a file that HDF5 itself cannot read."""
    reason = (str(error).strip().strip("\"'").splitlines() or ["no reason given"])[0]
    return SourceError(f"{where}: is a damaged HDF5 file: {reason}", "Fetch or save the file again.")


def text(value: Any) -> str:
    """An attribute that is a text, which HDF5 gives as `str` or as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts(group: Any, name: str) -> list[str]:
    """An attribute that is a list of texts; Keras cuts a long one into `NAME0`, `NAME1` and so on."""
    if name in group.attrs:
        return [text(item) for item in group.attrs[name]]
    numbered = (f"{name}{number}" for number in itertools.count())
    parts = itertools.takewhile(lambda part: part in group.attrs, numbered)
    return [text(item) for part in parts for item in group.attrs[part]]


def _check(root: Any, where: str) -> None:
    """Refuse what reaches beyond the file or beyond what it holds, in every object of it."""
    import h5py

    pending, seen = [("", root)], set()
    while pending:
        path, item = pending.pop()
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            if isinstance(item, h5py.Group):
                # A group that holds itself would have no end.
                raise UnsupportedError(f"{where}: the group {path!r} is there under another name too")
            continue
        seen.add(address)
        if len(seen) > _MOST_OBJECTS:
            raise UnsupportedError(f"{where}: holds more than {_MOST_OBJECTS:,} objects")
        _check_attributes(item, where)
        if isinstance(item, h5py.Dataset):
            _check_dataset(item, path, where)
        elif isinstance(item, h5py.Group):
            pending += [(f"{path}/{name}", _child(item, name, path, where)) for name in item]


def _child(group: Any, name: str, path: str, where: str) -> Any:
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a soft link"
        target = f" to {link.filename!r}" if isinstance(link, h5py.ExternalLink) else ""
        raise UnsupportedError(
            f"{where}: {f'{path}/{name}'!r} is {kind}{target}; expected the weights themselves",
            "Nothing was read from there. Save the model again with Keras.",
        )
    return group[name]


def _check_attributes(item: Any, where: str) -> None:
    for name in item.attrs:
        size = math.prod(item.attrs.get_id(name).shape) * item.attrs.get_id(name).dtype.itemsize
        if size > _MOST_TEXT:
            raise UnsupportedError(f"{where}: its attribute {name!r} has {size:,} bytes")


def _check_dataset(item: Any, path: str, where: str) -> None:
    if item.is_virtual or item.external:
        kind = "a virtual data set" if item.is_virtual else "a data set in another file"
        raise UnsupportedError(
            f"{where}: {path!r} is {kind}; expected the weights themselves",
            "Nothing was read from there. Save the model again with Keras.",
        )
    declared, stored = math.prod(item.shape or ()) * item.dtype.itemsize, item.id.get_storage_size()
    if declared > max(_FREE_BYTES, stored * _MOST_FILLED):
        raise UnsupportedError(
            f"{where}: {path!r} declares {declared:,} bytes and stores {stored:,}; expected weights"
        )
