"""Changing what a model says about itself, without reading its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from converters.files import replacing
from inspector.errors import FileError
from inspector.onnxfile.model_file import OnnxFile
from inspector.onnxfile.runnable import all_tensors
from inspector.onnxfile.wire import BYTES, Span, encode_bytes, fields

_METADATA = 14
_TAG = _METADATA << 3 | BYTES
_CHUNK = 1 << 20
_ONCE_MORE = "Run the command again."
# Windows does not replace a file that is mapped.
_MUST_CLOSE = os.name == "nt"


def with_metadata(
    file: OnnxFile, changes: Mapping[str, str | None], out: Path, *, force: bool = False
) -> Path:
    """Write the model to `out` with other metadata: everything else stays byte for byte as it is.

    Args:
        file: The model.
        changes: New values by key; None takes a key away.
        out: The file to write; may be the model itself when `force` is set. On Windows that closes `file`;
            elsewhere it goes on showing the model as it was.
        force: Whether an existing `out` may be replaced.

    Returns:
        `out`.

    Raises:
        OutputExistsError: `out` exists and `force` is not set.
        FileError: It cannot be written, or lies in another folder than the model's external data.
    """
    out = Path(out)
    if out.absolute().parent.resolve() != file.source.folder.resolve() and any(
        tensor.external for tensor in all_tensors(file)
    ):
        raise FileError(
            f"{out}: must lie in {file.source.folder}, because the model keeps its weights in files there",
            "Write the new model beside the old one, or copy the weight files too.",
        )
    with replacing(out, force=force) as temporary:
        try:
            _write(file, changes, temporary)
        except OSError as error:
            raise FileError(
                f"{out}: cannot be written: {error.strerror or error}",
                "Check the room on its disk, and that you may write there.",
            ) from error
        if _MUST_CLOSE and out.exists() and out.samefile(file.path):
            file.close()
    return out


def _write(file: OnnxFile, changes: Mapping[str, str | None], out: Path) -> None:
    with file.path.open("rb") as reader, out.open("wb") as writer:
        if reader.seek(0, os.SEEK_END) != file.size:
            raise FileError(f"{file.path}: has changed since it was opened", _ONCE_MORE)
        for start, end in _kept(file, changes):
            _copy(reader, writer, start, end)
        for key, value in changes.items():
            if value is not None:
                entry = encode_bytes(1, key.encode()) + encode_bytes(2, value.encode())
                writer.write(encode_bytes(_METADATA, entry))


def _kept(file: OnnxFile, changes: Mapping[str, str | None]) -> list[Span]:
    """The parts of the file between the metadata entries that change."""
    kept: list[Span] = []
    start = before = 0
    for tag, first, last in fields(file.source.data, 0, file.size):
        if tag == _TAG and file.source.entry((first, last))[0] in changes:
            kept.append((start, before))
            start = last
        before = last
    return [*kept, (start, file.size)]


def _copy(reader: BinaryIO, writer: BinaryIO, start: int, end: int) -> None:
    reader.seek(start)
    left = end - start
    while left:
        chunk = reader.read(min(left, _CHUNK))
        if not chunk:
            raise FileError(f"{reader.name}: has become shorter since it was opened", _ONCE_MORE)
        writer.write(chunk)
        left -= len(chunk)
