"""Files as `torch.save` lays them out, put together by hand."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import torch

from converters.errors import InspectorError
from converters.pickles import torch_file

FETCH = "Fetch or export the file again."


def plain(*parts: object) -> bytes:
    """A zip as `torch.save` lays it out, with this pickle and these further members."""
    data, members = parts
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", data)
        for name, content in dict(members).items():
            archive.writestr(f"net/{name}", content)
    return file.getvalue()


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(InspectorError) as caught:
        torch_file.read(path)
    return caught.value.message, caught.value.hint


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu%btQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"%b%b%b\x89NtR."


def good(path: Path, *, zipped: bool = True) -> Path:
    torch.save({"w": torch.arange(6.0)}, path, _use_new_zipfile_serialization=zipped)
    return path
