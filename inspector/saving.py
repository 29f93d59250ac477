"""What results have in common when they become files: the kinds they can be, their bytes, the writing."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.files import replacing
from inspector.errors import OptionError

if TYPE_CHECKING:
    from inspector.tiles import Picture


def check_suffix(suffix: str, known: Sequence[str], what: str, example: str) -> None:
    """Refuse a kind of file that a result cannot become.

    Args:
        suffix: In small letters, with its dot; empty for a name without one.
        known: Those that there are.
        what: What is written, in the plural.
        example: A good name, for the hint.

    Raises:
        OptionError: The suffix is another.

    Example:
        >>> check_suffix(".gif", (".png", ".npy"), "kernels", "filters.png")
        Traceback (most recent call last):
        inspector.errors.OptionError: cannot write kernels as .gif; expected .png, .npy
    """
    if suffix not in known:
        found = suffix or "a file without suffix"
        raise OptionError(f"cannot write {what} as {found}; expected {', '.join(known)}", f"-o {example}")


def npy(array: NDArray[Any]) -> bytes:
    """An array of any numbers as a .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def json_text(record: Mapping[str, Any]) -> bytes:
    """A record as a .json file."""
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def drawn(picture: Picture, suffix: str) -> bytes:
    """A picture as a .png or .svg file."""
    return picture.png() if suffix == ".png" else picture.svg().encode()


def write(path: Path, contents: bytes, *, force: bool) -> Path:
    """Write a file whole or not at all, and return its path.

    Raises:
        OutputExistsError: It exists and `force` is not set.
        FileError: It cannot be written.
    """
    with replacing(path, force=force) as temporary:
        temporary.write_bytes(contents)
    return path
