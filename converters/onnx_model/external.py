"""Weights that an ONNX model keeps in files beside it: read only from its own folder."""

from __future__ import annotations

import math
import mmap
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

_TOGETHER = "Keep the model and its data files together in one folder, as they were exported."


def external_array(path: Path, tensor: TensorProto, dtype: np.dtype[Any]) -> tuple[NDArray[Any], Path]:
    """Map a weight that another file holds.

    Args:
        path: The model.
        tensor: The weight, which says where it lies.
        dtype: Its element type.

    Returns:
        The weight, a view of the mapped file; and that file.

    Raises:
        SourceError: The file is not within the model's folder, is a link, is missing or too short, or the
            numbers that say where the weight lies cannot be.
    """
    keys = {entry.key: entry.value for entry in tensor.external_data}
    file = _checked_file(path, tensor.name, keys.get("location", ""))
    size = math.prod(tensor.dims) * dtype.itemsize
    offset = _number(path, tensor.name, keys, "offset", 0)
    length = _number(path, tensor.name, keys, "length", size)
    if length != size:
        raise SourceError(
            f"{path}: the weight {tensor.name!r} has {length:,} bytes of external data; "
            f"its shape takes {size:,}",
            _TOGETHER,
        )
    held = file.stat().st_size
    if offset + size > held:
        raise SourceError(
            f"{path}: the weight {tensor.name!r} ends at byte {offset + size:,} of {file.name}, "
            f"which holds {held:,}",
            _TOGETHER,
        )
    if size == 0:
        return np.empty(tuple(tensor.dims), dtype), file
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    numbers = np.frombuffer(mapped, dtype.newbyteorder("<"), math.prod(tensor.dims), offset)
    return numbers.reshape(tuple(tensor.dims)), file


def refuse_hidden_external(path: Path, model: ModelProto) -> None:
    """Refuse external data anywhere but in the graph's own plain weights.

    Raises:
        SourceError: It names where.
    """
    for where, tensor in _tensors(model.graph):
        if tensor.data_location == tensor.EXTERNAL:
            raise SourceError(
                f"{path}: {where} keeps its numbers in another file; only plain weights of the graph may",
                "Save the model as one file: onnx.save(onnx.load(PATH), NEW).",
            )


def _tensors(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    for tensor in graph.initializer:
        yield f"the weight {tensor.name!r}", tensor
    for sparse in graph.sparse_initializer:
        yield f"the sparse weight {sparse.values.name!r}", sparse.values
        yield f"the sparse weight {sparse.values.name!r}", sparse.indices
    for node in graph.node:
        yield from _attribute_tensors(node)


def _attribute_tensors(node: NodeProto) -> Iterator[tuple[str, TensorProto]]:
    where = f"an attribute of the node {node.name or (node.output[0] if node.output else node.op_type)!r}"
    for attribute in node.attribute:
        for tensor in (attribute.t, *attribute.tensors):
            yield where, tensor
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield where, sparse.values
            yield where, sparse.indices
        for graph in (attribute.g, *attribute.graphs):
            yield from _tensors(graph)


def _checked_file(path: Path, name: str, location: str) -> Path:
    """The file that a location means, which has to be a plain one in the model's folder or below."""

    def refused(reason: str) -> SourceError:
        return SourceError(f"{path}: the weight {name!r} lies in {location!r}, {reason}", _TOGETHER)

    windows, posix = PureWindowsPath(location), PurePosixPath(location)
    if not location or "\0" in location:
        raise refused("which is no file name")
    if windows.anchor or posix.is_absolute() or ".." in windows.parts:
        raise refused("which is not below the model's folder")
    folder = path.absolute().parent
    file = folder.joinpath(*posix.parts)
    for part in (file, *file.relative_to(folder).parents):
        if (folder / part).is_symlink():
            raise refused("which is a link")
    try:
        status = file.stat(follow_symlinks=False)
    except (OSError, ValueError):
        raise refused("which is not there") from None
    if not stat.S_ISREG(status.st_mode):
        raise refused("which is no plain file")
    if status.st_nlink > 1:
        raise refused("which has another name elsewhere")
    return file


def _number(path: Path, name: str, keys: dict[str, str], key: str, default: int) -> int:
    text = keys.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise SourceError(
            f"{path}: the external data of the weight {name!r} has the {key} {text[:40]!r}; "
            "expected a whole number",
            _TOGETHER,
        )
    return int(text)
