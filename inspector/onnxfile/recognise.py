"""Other formats that are given the name of an ONNX model, told by their first bytes."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.onnxfile.wire import Buffer, WireError, varint

_EXPORT = "Export it to ONNX with the framework that made it."


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
    _Signature(b'{"', 8, "a safetensors file, which holds weights but no network"),
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

_ARCHIVES = (
    (b"data.pkl", "a PyTorch archive"),
    (b"config.json", "a Keras archive"),
    (b"metadata.json", "a Keras archive"),
    (b".npy", "an archive of NumPy arrays"),
)
_PICKLES = tuple(b"\x80" + bytes([version]) for version in range(2, 6))
# PROTO is followed by what torch.save and pickle.dump start with: a number, dict, list, frame, class, tuple.
_FIRST_OPCODES = tuple(bytes([code]) for code in b"\x8a}]\x95c(X\x8c")
_TABLE_FOOTER = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


def other_format(data: Buffer) -> tuple[str, str] | None:
    """Return what a file is that is no ONNX model, and a hint; None when it cannot be told."""
    head = data[:4096]
    for signature in _SIGNATURES:
        end = signature.offset + len(signature.magic)
        if head[signature.offset : end] == signature.magic:
            return signature.format, _EXPORT if signature.network else ""
    if head.startswith(b"PK\x03\x04"):
        kind = next((name for mark, name in _ARCHIVES if mark in head), "a zip archive")
        return kind, _EXPORT if "PyTorch" in kind or "Keras" in kind else ""
    if head.startswith(_PICKLES) and head[2:3] in _FIRST_OPCODES:
        return "a Python pickle, as older PyTorch writes them", _EXPORT
    if data[-8:] == _TABLE_FOOTER:
        return "the index of a TensorFlow checkpoint", "inspector convert"
    if head.startswith(b"\x08\x01\x12"):
        return "a TensorFlow SavedModel", _EXPORT
    if _is_tensorflow_graph(data):
        return "a TensorFlow graph", "inspector convert"
    return None


def _is_tensorflow_graph(data: Buffer) -> bool:
    """Whether the file starts as a GraphDef or MetaGraphDef does.

    Both begin with a message as their field 1, which begins with a text as its field 1, or with field 2.
    """
    try:
        size, start = varint(data, 1, len(data))
    except WireError:
        return False
    return data[0] == 0x0A and start + size <= len(data) and size > 2 and data[start] in (0x0A, 0x12)
