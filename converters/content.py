"""What a file is, told by its first and last bytes: strangers give files all kinds of names."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

EXPORT = "Export it to ONNX with the framework that made it."
CONVERT = "inspector convert"
FETCH = "Fetch or save the file again."
CUT_SHORT = "that was cut short"
SAFETENSORS_NAME = "a safetensors file, which holds weights but no network"
# The directory of a zip archive is at its end, behind it a comment of up to 64 KiB.
_HEAD, _TAIL = 4096, 1 << 17
# What exporters write first into a ModelProto, and the keys of the fields that may follow.
_IR_VERSION, _AFTER_IR_VERSION = 0x08, b"\x12\x1a\x22\x28\x32\x3a\x42"


@dataclass(frozen=True)
class _Signature:
    """Bytes at a fixed place that tell a format."""

    magic: bytes
    offset: int
    format: str
    network: bool = True


_SIGNATURES = (
    _Signature(b"TFL3", 4, "a TensorFlow Lite model"),
    _Signature(b"ORTM", 4, "a model in ONNX Runtime's own format"),
    _Signature(b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file, as Keras writes them"),
    _Signature(b'{"', 8, SAFETENSORS_NAME),
    _Signature(b"GGUF", 0, "a GGUF model"),
    _Signature(b"\x93NUMPY", 0, "a NumPy array", network=False),
    _Signature(b"\x89PNG\r\n\x1a\n", 0, "a PNG picture", network=False),
    _Signature(b"\xff\xd8\xff", 0, "a JPEG picture", network=False),
    _Signature(b"GIF8", 0, "a GIF picture", network=False),
    _Signature(b"%PDF", 0, "a PDF document", network=False),
    _Signature(b"<?xml", 0, "an XML file"),
    _Signature(b"\x1f\x8b", 0, "a gzip archive", network=False),
    _Signature(b"ustar", 257, "a tar archive", network=False),
)

# What the members of an archive are called, what it then is, and what its owner may do.
_ARCHIVES = (
    (b"archive_format", "a PyTorch exported program", CONVERT),
    (b"model_weights_config.json", "a PyTorch exported program", CONVERT),
    (b"/constants.pkl", "a TorchScript program", CONVERT),
    (b"data.pkl", "a PyTorch archive", EXPORT),
    (b"model.weights.h5", "a Keras archive", EXPORT),
    (b"metadata.json", "a Keras archive", EXPORT),
    (b".npy", "an archive of NumPy arrays", ""),
)
_ZIP, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
_PICKLES = tuple(b"\x80" + bytes([version]) for version in range(2, 6))
# PROTO is followed by what torch.save and pickle.dump start with: a number, dict, list, frame, class, tuple.
_FIRST_OPCODES = tuple(bytes([code]) for code in b"\x8a}]\x95c(X\x8c")
_TABLE_FOOTER = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        name: What it is, with an article.
        hint: What its owner may do to get an ONNX model of it; empty when it holds no network.
    """

    name: str
    hint: str = ""


def content_of(data: bytes | mmap.mmap) -> Content | None:
    """Return what a file is; None for ONNX, and for what cannot be told.

    Args:
        data: The whole file.
    """
    return _told(data[:_HEAD], data[-_TAIL:], len(data))


def describe_content(path: str | os.PathLike[str]) -> str:
    """Say what a path holds: "is an HDF5 file, as Keras writes them".

    Returns:
        A predicate without a subject or a full stop.
    """
    path = Path(path)
    try:
        if path.is_dir():
            saved_model = (path / "saved_model.pb").is_file()
            return "is a TensorFlow SavedModel" if saved_model else "is a folder without a known model file"
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            tail = file.read()
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    if not head:
        return "is empty"
    if len(head) > 2 and head[0] == _IR_VERSION and head[1] > 1 and head[2] in _AFTER_IR_VERSION:
        return "is an ONNX model already"
    told = _told(head, tail, size)
    return f"is {told.name}" if told else "is of no known format"


def _told(head: bytes, tail: bytes, size: int) -> Content | None:
    for signature in _SIGNATURES:
        end = signature.offset + len(signature.magic)
        if head[signature.offset : end] == signature.magic:
            return Content(signature.format, EXPORT if signature.network else "")
    if head.startswith(_ZIP):
        return _archive(head, tail)
    if head.startswith(_PICKLES) and head[2:3] in _FIRST_OPCODES:
        return Content("a Python pickle, as older PyTorch writes them", EXPORT)
    if tail.endswith(_TABLE_FOOTER):
        return Content("the index of a TensorFlow checkpoint", CONVERT)
    if head.startswith(b"\x08\x01\x12"):
        return Content("a TensorFlow SavedModel", EXPORT)
    if _is_tensorflow_graph(head, size):
        return Content("a TensorFlow graph", CONVERT)
    return None


def _archive(head: bytes, tail: bytes) -> Content:
    """What a zip archive is, by what its members are called."""
    found = ((name, hint) for mark, name, hint in _ARCHIVES if mark in head or mark in tail)
    name, hint = next(found, ("a zip archive", ""))
    return Content(name, hint) if _ZIP_END in tail else Content(f"{name} {CUT_SHORT}", FETCH)


def _is_tensorflow_graph(head: bytes, size: int) -> bool:
    """Whether the file starts as a GraphDef or MetaGraphDef does.

    Both begin with a message as their field 1, which begins with a text as its field 1, or with field 2.
    """
    if head[:1] != b"\x0a":
        return False
    length, start = 0, 1
    for shift in range(0, 35, 7):
        if start >= len(head):
            return False
        byte = head[start]
        length |= (byte & 0x7F) << shift
        start += 1
        if byte < 0x80:
            break
    else:
        return False
    return length > 2 and start + length <= size and head[start : start + 1] in (b"\x0a", b"\x12")
