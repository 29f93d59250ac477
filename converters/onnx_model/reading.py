"""An ONNX file as nodes and weights apart; the weights stay where they are, in the mapped file."""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.assemble import Assembled
from converters.errors import SourceError
from converters.files import check_file
from converters.onnx_model.external import external_array, refuse_hidden_external
from converters.onnx_model.wire import BYTES, VARINT, Field, WireError, fields

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from onnx import ModelProto, TensorProto

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
# Smaller weights stay with the nodes, where shapes are worked out from them.
_SMALL = 1024
# What ModelProto has, of which the first is a number, and one of the others is the graph.
_MODEL_FIELDS = {1: VARINT, 5: VARINT, **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), BYTES)}
# Of the outermost ones, mostly functions and metadata.
_MOST_FIELDS = 100_000
_AGAIN = "Export or download it again."


@dataclass
class _Parts:
    """What a file holds, as it is found."""

    nodes: list[bytes] = field(default_factory=list)
    graph: list[bytes] = field(default_factory=list)
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    external: dict[Path, None] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file that was read.

    Attributes:
        path: The file.
        model: Its nodes, as they stand in it, and its weights.
        external: The files that hold some of its weights.
        repeated: Names of weights that it holds twice, with the same numbers.
    """

    path: Path
    model: Assembled
    external: tuple[Path, ...] = ()
    repeated: tuple[str, ...] = ()


def looks_like_onnx(path: Path) -> bool:
    """Whether a file is an ONNX model, told by its outermost fields; a truncated one is one too."""
    try:
        if not path.is_file() or not path.stat().st_size:
            return False
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return _is_model(mapped)
    except (OSError, ValueError):
        return False


def read_model(path: Path) -> ModelFile:
    """Read an ONNX file.

    Raises:
        FileError: It is missing, unreadable or empty.
        SourceError: It is truncated or no ONNX model, a weight cannot be what it says, or external data lie
            where they may not.
    """
    check_file(path, "an ONNX model")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    parts = _Parts()
    try:
        for part in fields(mapped, 0, len(mapped)):
            if part.number == _GRAPH and part.wire == BYTES:
                _read_graph(path, mapped, part, parts)
            else:
                parts.nodes.append(mapped[part.start : part.end])
    except WireError as error:
        raise SourceError(f"{path}: is truncated or no ONNX model: {error}", _AGAIN) from error
    model = _parsed(path, parts)
    refuse_hidden_external(path, model)
    return ModelFile(path, Assembled(model, parts.weights), tuple(parts.external), tuple(parts.repeated))


def _is_model(mapped: mmap.mmap) -> bool:
    seen: set[int] = set()
    try:
        for count, part in enumerate(fields(mapped, 0, len(mapped))):
            if _MODEL_FIELDS.get(part.number) != part.wire or count > _MOST_FIELDS:
                return False
            seen.add(part.number)
    except WireError:
        # It may have been cut off within its graph, which has most of the bytes.
        return seen >= {1} and _graph_follows(mapped, seen)
    return _GRAPH in seen and (1 in seen or 8 in seen)


def _graph_follows(mapped: mmap.mmap, seen: set[int]) -> bool:
    """Whether a file that cannot be walked to its end has a graph where the walk ended."""
    if _GRAPH in seen:
        return True
    at = 0
    try:
        for part in fields(mapped, 0, len(mapped)):
            at = part.end
    except WireError:
        return at < len(mapped) and mapped[at] == _GRAPH << 3 | BYTES
    return False


def _read_graph(path: Path, mapped: mmap.mmap, graph: Field, parts: _Parts) -> None:
    for part in fields(mapped, graph.data, graph.end):
        kept = part.number != _INITIALIZER or part.wire != BYTES or part.end - part.start <= _SMALL
        if kept or not _take_weight(path, mapped, part, parts):
            parts.graph.append(mapped[part.start : part.end])


def _take_weight(path: Path, mapped: mmap.mmap, part: Field, parts: _Parts) -> bool:
    """Take a weight out of the graph; False when it has to stay there."""
    inner = list(fields(mapped, part.data, part.end))
    raw = next((each for each in reversed(inner) if each.number == _RAW_DATA and each.wire == BYTES), None)
    head = _tensor(path, b"".join(mapped[e.start : e.end] for e in inner if e.number != _RAW_DATA))
    dtype = plain_dtype(head.data_type)
    if dtype is None:
        return False
    check_shape(path, head)
    if head.data_location == head.EXTERNAL:
        array, file = external_array(path, head, dtype)
        parts.external[file] = None
    elif raw is not None:
        array = _raw_array(path, head, dtype, mapped, raw)
    else:
        array = _typed_array(path, head)
    known = parts.weights.setdefault(head.name, array)
    if known is not array:
        if known.shape != array.shape or known.tobytes() != array.tobytes():
            raise SourceError(f"{path}: two weights are called {head.name!r}, with different numbers", _AGAIN)
        parts.repeated.append(head.name)
    return True


def _parsed(path: Path, parts: _Parts) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    graph = b"".join(parts.graph)
    outer = onnx.ModelProto()
    try:
        outer.MergeFromString(b"".join(parts.nodes))
        outer.graph.MergeFromString(graph)
    except DecodeError as error:
        raise SourceError(f"{path}: is truncated or no ONNX model", _AGAIN) from error
    if not _all_text(outer):
        raise SourceError(f"{path}: holds names that are no text", _AGAIN)
    if not (outer.graph.node or outer.graph.output):
        raise SourceError(f"{path}: the ONNX model has no graph", _AGAIN)
    return outer


def _all_text(message: Message) -> bool:
    """Whether every text of a message is one: protobuf hands out what is no UTF-8 as bytes, or fails."""
    try:
        for part, value in message.ListFields():
            if part.type == part.TYPE_MESSAGE:
                inner = value if hasattr(value, "extend") else [value]
                if not all(map(_all_text, inner)):
                    return False
            elif part.type == part.TYPE_STRING:
                texts = [value] if isinstance(value, (str, bytes)) else value
                if not all(isinstance(text, str) for text in texts):
                    return False
    except UnicodeDecodeError:
        return False
    return True


def _tensor(path: Path, encoded: bytes) -> TensorProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        tensor: TensorProto = onnx.TensorProto.FromString(encoded)
    except DecodeError as error:
        raise SourceError(f"{path}: a weight cannot be read", _AGAIN) from error
    return tensor


def plain_dtype(kind: int) -> np.dtype[Any] | None:
    """The numpy type of an ONNX element type; None where numpy has none of its own."""
    import onnx

    plain = {
        getattr(onnx.TensorProto, name): np.dtype(numpy)
        for name, numpy in (
            *(("FLOAT", "f4"), ("DOUBLE", "f8"), ("FLOAT16", "f2"), ("BOOL", "?")),
            *((f"INT{bits}", f"i{bits // 8}") for bits in (8, 16, 32, 64)),
            *((f"UINT{bits}", f"u{bits // 8}") for bits in (8, 16, 32, 64)),
        )
    }
    return plain.get(kind)


def check_shape(path: Path, tensor: TensorProto) -> None:
    """Refuse a weight whose dimensions cannot be.

    Raises:
        SourceError: One is negative, or together they are more than any file holds.
    """
    if any(size < 0 for size in tensor.dims) or math.prod(tensor.dims) > 2**48:
        shape = "x".join(map(str, tensor.dims))
        raise SourceError(
            f"{path}: the weight {tensor.name!r} has the shape {shape}, which cannot be", _AGAIN
        )


def _raw_array(
    path: Path, tensor: TensorProto, dtype: np.dtype[Any], mapped: mmap.mmap, raw: Field
) -> NDArray[Any]:
    needed, found = math.prod(tensor.dims) * dtype.itemsize, raw.end - raw.data
    if needed != found:
        raise SourceError(
            f"{path}: the weight {tensor.name!r} holds {found:,} bytes; its shape takes {needed:,}", _AGAIN
        )
    stored = dtype.newbyteorder("<")
    if found == 0:
        return np.empty(tuple(tensor.dims), dtype)
    return np.frombuffer(mapped, stored, math.prod(tensor.dims), raw.data).reshape(tuple(tensor.dims))


def _typed_array(path: Path, tensor: TensorProto) -> NDArray[Any]:
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(tensor)
    except ValueError as error:
        raise SourceError(
            f"{path}: the weight {tensor.name!r} does not hold as many numbers as its shape takes", _AGAIN
        ) from error
