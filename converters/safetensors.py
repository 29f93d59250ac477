"""safetensors files: tensors by name behind a JSON header, read without any framework.

Reference:
    https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from converters.content import SAFETENSORS_NAME, content_of
from converters.errors import SourceError, UnsupportedError
from converters.files import check_file
from converters.formats import Format
from converters.named_tensors import CONVENTIONS, split, stored_layers
from converters.number_formats import number_format
from converters.weights import Variable, Weights
from converters.weights_only import NEEDS, refuse

MAX_HEADER = 1 << 23
"""Bytes that the header may have: some 70,000 tensors, read within about a second."""

_LENGTH = 8
_PLAUSIBLE = 1 << 40
_HEAD = 4096
_METADATA = "__metadata__"
_FETCH = "Fetch or export the file again."
# What the format calls numbers → what they are, and how many bits one has.
_FORMATS = {
    "BOOL": ("bool", 8),
    **{f"I{bits}": (f"int{bits}", bits) for bits in (8, 16, 32, 64)},
    **{f"U{bits}": (f"uint{bits}", bits) for bits in (8, 16, 32, 64)},
    **{f"F{bits}": (f"float{bits}", bits) for bits in (16, 32, 64)},
    "BF16": ("bfloat16", 16),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "C64": ("complex64", 64),
    # These are several to a byte: their place is known, and nothing here reads them.
    "F4": ("", 4),
    "F6_E2M3": ("", 6),
    "F6_E3M2": ("", 6),
}


@dataclass(frozen=True)
class _Entry:
    """One tensor of the header: its first and last byte are counted from the end of the header."""

    name: str
    numbers: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class _Header:
    """What a file says of its tensors."""

    path: Path
    entries: tuple[_Entry, ...]
    metadata: Mapping[str, str]
    data: int = field(repr=False)


def recognise(path: Path) -> bool:
    """Whether a file begins as safetensors do, a length and JSON, or is called so and nothing else."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return False
    length, start = int.from_bytes(head[:_LENGTH], "little"), head[_LENGTH : _LENGTH + 2]
    if start in (b'{"', b"{}", b"{ ", b"{\n") and 2 <= length < _PLAUSIBLE:
        return True
    # What is damaged is told best by the one who knows what it should be.
    told = content_of(head)
    return told.name == SAFETENSORS_NAME if told else path.suffix.lower() == ".safetensors"


def weights(path: Path) -> Weights:
    """Read the layers of a safetensors file.

    Args:
        path: The file. The layout of its kernels is that of the framework which its metadata names, or, when
            they name none, which its tensors' names are typical of.

    Raises:
        FileError: It is missing or unreadable.
        SourceError: Its header is damaged, or does not fit its size.
    """
    header = _read_header(check_file(path, "a safetensors file"))
    variables = [
        Variable(entry.name, _dtype(entry), entry.shape, partial(_read, header, entry))
        for entry in _sorted(header.entries)
    ]
    layout, noted = _layout(header, variables)
    layers = stored_layers(variables, CONVENTIONS[layout], ordered=False)
    return Weights(path, "safetensors file", layers, noted, NEEDS)


def _read_header(path: Path) -> _Header:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > size - _LENGTH:
            raise _damaged(path, f"its header has {length:,} bytes, and {max(size - _LENGTH, 0):,} are there")
        if length > MAX_HEADER:
            raise _damaged(path, f"its header has {length:,} bytes; expected at most {MAX_HEADER:,}")
        text = file.read(length)
    try:
        header = json.loads(text, object_pairs_hook=partial(_object, path))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is no JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no JSON object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, f"its {_METADATA} are not texts by name")
    entries = tuple(_entry(path, name, described) for name, described in header.items())
    data = _LENGTH + length
    _check_places(path, entries, size - data)
    return _Header(path, entries, metadata, data)


def _object(path: Path, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose keys must be there once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _damaged(path, f"its header has {twice[:80]!r} twice")
    return found


def _entry(path: Path, name: str, described: Any) -> _Entry:
    """One tensor, as the header describes it."""
    parts = described if isinstance(described, dict) else {}
    kind, shape, places = (parts.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (_sizes(shape) and _sizes(places) and len(places) == 2 and isinstance(kind, str)):
        raise _damaged(path, f"its header does not describe tensor {name[:80]!r}")
    if kind not in _FORMATS:
        raise UnsupportedError(
            f"{path}: tensor {name[:80]!r} is of the unknown type {kind[:20]!r}; "
            f"expected one of {', '.join(_FORMATS)}",
            "Save it again as F32.",
        )
    start, end = places
    bits = math.prod(shape) * _FORMATS[kind][1]
    if bits != (end - start) * 8:
        raise _damaged(
            path,
            f"tensor {name[:80]!r} of shape {shape} needs {-(-bits // 8):,} bytes and has {end - start:,}",
        )
    return _Entry(name, kind, tuple(shape), start, end)


def _sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def _check_places(path: Path, entries: Sequence[_Entry], size: int) -> None:
    """The tensors must fill the rest of the file, one after the other."""
    at, last = 0, ""
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.end)):
        if entry.start < at:
            raise _damaged(path, f"tensors {last[:80]!r} and {entry.name[:80]!r} overlap")
        if entry.start > at:
            raise _damaged(
                path, f"{entry.start - at:,} bytes before tensor {entry.name[:80]!r} are of no tensor"
            )
        at, last = entry.end, entry.name
    if at > size:
        raise _damaged(path, f"{at - size:,} bytes of its tensors are missing")
    if at < size:
        raise _damaged(path, f"{size - at:,} bytes after its last tensor are of no tensor")


def _dtype(entry: _Entry) -> np.dtype[Any]:
    numbers = number_format(_FORMATS[entry.numbers][0])
    return np.dtype(np.float32) if numbers is None else numbers.dtype


def _read(header: _Header, entry: _Entry) -> NDArray[Any]:
    """The numbers of one tensor; nothing else of the file is touched."""
    numbers = number_format(_FORMATS[entry.numbers][0])
    if numbers is None:
        raise UnsupportedError(
            f"{header.path}: tensor {entry.name[:80]!r} is of type {entry.numbers}, which is not read",
            "Save it again as F32.",
        )
    with header.path.open("rb") as file:
        file.seek(header.data + entry.start)
        data = file.read(entry.end - entry.start)
    if len(data) < entry.end - entry.start:
        raise _damaged(header.path, f"tensor {entry.name[:80]!r} is cut off")
    return numbers.decode(np.frombuffer(data, numbers.stored)).reshape(entry.shape)


def _sorted(entries: Sequence[_Entry]) -> Sequence[_Entry]:
    """The tensors in the header's order; where that is the alphabet's for each type, 2 comes before 10."""
    for _, same in groupby(entries, key=lambda entry: entry.numbers):
        names = [entry.name for entry in same]
        if names != sorted(names):
            return entries
    # Texts and numbers take turns, so that no text is compared with a number.
    return sorted(
        entries,
        key=lambda entry: [
            int(part) if at % 2 else part for at, part in enumerate(re.split(r"([0-9]{1,9})", entry.name))
        ],
    )


def _layout(header: _Header, variables: Sequence[Variable]) -> tuple[str, tuple[str, ...]]:
    """Whose kernels they are, and a sentence when the file does not say so."""
    declared = header.metadata.get("format", "")
    if declared in CONVENTIONS:
        return declared, ()
    kernels = [each for each in variables if 3 <= len(each.shape) <= 5]
    roles = {split(each.name)[1] for each in kernels}
    named_so = any(role.endswith("kernel") for role in roles)
    slashes = any("/" in each.name for each in kernels)
    layout = ("tf" if slashes else "flax") if named_so else "pt"
    if not kernels:
        return layout, ()
    name = CONVENTIONS[layout].name
    return layout, (
        f"Its metadata name no framework: by the names, its kernels are laid out as {name} does.",
    )


def _damaged(path: Path, what: str) -> SourceError:
    return SourceError(f"{path}: is a damaged safetensors file: {what}", _FETCH)


SAFETENSORS = Format("safetensors file", recognise, refuse, weights)
