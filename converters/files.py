"""Files of strangers: told apart before they are read, and written so that no half of one is ever left."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from converters.errors import FileError, OutputExistsError

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# The disk, or what a user may put on it, is full; or a file may not be so large.
_NO_ROOM = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)}
_HTML_STARTS = (b"<!doctype html", b"<html")


def check_file(path: str | os.PathLike[str], expected: str, *, cap: int | None = None) -> Path:
    """Return `path` if it is a readable, regular file that may be what is expected.

    Args:
        path: The file.
        expected: What it should be, with an article: "an ONNX model".
        cap: The largest size in bytes that is accepted, if there is one.

    Raises:
        FileError: It is missing, empty, a directory, unreadable, a FIFO or device, larger than `cap`, an HTML
            page, or a Git LFS pointer.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{path}: no such file; expected {expected}") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be read: {_reason(error)}") from error
    if stat.S_ISDIR(mode):
        raise FileError(f"{path}: is a directory; expected {expected}")
    if not stat.S_ISREG(mode):
        raise FileError(f"{path}: is a pipe, socket or device, not a regular file; expected {expected}")
    size = path.stat().st_size
    if size == 0:
        raise FileError(f"{path}: is empty; expected {expected}", "Fetch or export the file again.")
    if cap is not None and size > cap:
        raise FileError(f"{path}: is {size:,} bytes, more than the {cap:,} accepted for {expected}")
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {_reason(error)}") from error
    if head.startswith(_LFS_POINTER):
        raise FileError(f"{path}: is a Git LFS pointer, not the file itself", "git lfs pull")
    if head.lstrip().lower().startswith(_HTML_STARTS):
        raise FileError(
            f"{path}: is an HTML page; expected {expected}",
            "The download saved a web page: fetch the raw file.",
        )
    return path


@contextmanager
def replacing(path: str | os.PathLike[str], *, force: bool) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its place when the block ends well.

    Args:
        path: The output; its folder must exist.
        force: Whether an existing output may be replaced.

    Raises:
        OutputExistsError: `path` exists and `force` is not set.
        FileError: The folder does not exist, or cannot be written; or there is no room for the file.
    """
    path = Path(path)
    check_output(path, force=force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {_reason(error)}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes a private file; an output gets the permissions that any new file would.
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        temporary.replace(path)
    except OSError as error:
        # Others are not about this file: a source may be read within the block.
        if error.errno not in _NO_ROOM:
            raise
        raise FileError(
            f"{path}: cannot be written: {_reason(error)}",
            "Check the room on its disk, and that you may write there.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_output(path: str | os.PathLike[str], *, force: bool) -> None:
    """Raise now what `replacing` would raise later, before any long work is done.

    Raises:
        OutputExistsError: `path` exists and `force` is not set.
        FileError: It is a directory, pipe or device, or its folder does not exist or cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise FileError(f"{path}: is a directory; expected the name of a file to write")
    if not path.parent.is_dir():
        raise FileError(f"{path}: the folder {path.parent} does not exist", f"mkdir -p {path.parent}")
    if path.exists() and not path.is_file():
        raise FileError(f"{path}: is a pipe, socket or device; expected the name of a file to write")
    if path.exists() and not force:
        raise OutputExistsError(f"{path}: exists already", "Use --force to replace it.")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"{path}: the folder {path.parent} cannot be written", "Choose another folder.")


def check_not_input(out: str | os.PathLike[str], read: Iterable[Path]) -> None:
    """Refuse an output that is one of the files that are read for it.

    Raises:
        FileError: It is.
    """
    out = Path(out)
    for path in read:
        if out.exists() and path.exists() and out.samefile(path):
            raise FileError(f"{out}: is the file that is read; expected another name for the output")


def _umask() -> int:
    # There is no way to read it but to set it; the window is a single-threaded instant.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
