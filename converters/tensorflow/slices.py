"""V1 checkpoints: tables whose entries are slices of variables.

Reference: tensorflow/core/util/tensor_slice_writer.h and tensorflow/core/util/saved_tensor_slice.proto.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError
from converters.files import check_file
from converters.tensorflow.dtypes import Array, DType, to_numpy
from converters.tensorflow.parts import Extent, assemble, extents
from converters.tensorflow.schema import parse
from converters.tensorflow.table import read_table
from converters.tensorflow.tensors import static_shape
from converters.tensorflow.variables import AGAIN, Checkpoint, Variable

_Piece: TypeAlias = "tuple[Path, tuple[Extent, ...], memoryview]"

_FIXED = {"float32": ("float_val", "<f4"), "float64": ("double_val", "<f8")}
_COMPLEX = {"complex64": ("scomplex_val", "<c8"), "complex128": ("dcomplex_val", "<c16")}
_VARINTS = {
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "float16": "half_val",
    "bfloat16": "half_val",
}


def open_slices(prefix: Path, files: Sequence[Path]) -> Checkpoint:
    """Open a V1 checkpoint.

    Args:
        prefix: The name that its files share.
        files: Its tables, at least one.

    Raises:
        SourceError: A table is damaged.
    """
    variables: dict[str, Variable] = {}
    pieces: dict[str, list[_Piece]] = {}
    for path in files:
        check_file(path, "a V1 checkpoint")
        for entry in read_table(path, "a V1 checkpoint"):
            message = parse("SavedTensorSlices", bytes(entry.value), f"{path}: the entry {entry.key!r}")
            if not entry.key:
                variables.update(_declared(path, message.meta))
            elif message.HasField("data"):
                piece = (path, extents(message.data.slice), entry.value)
                pieces.setdefault(message.data.name, []).append(piece)
    if not variables:
        raise SourceError(f"{prefix}: is damaged: it declares no variables", AGAIN)
    readers = {name: partial(_read, prefix, v, pieces.get(name, ())) for name, v in variables.items()}
    return Checkpoint(prefix, 1, tuple(files), variables, readers)


def _declared(path: Path, meta: Any) -> Mapping[str, Variable]:
    """The variables that the head of a table declares."""
    found = {}
    for tensor in meta.tensor:
        dtype = to_numpy(tensor.type)
        try:
            shape = static_shape(tensor.shape)
        except ValueError as error:
            raise SourceError(f"{path}: the variable {tensor.name!r}: {error}", AGAIN) from error
        if dtype is not None:
            found[tensor.name] = Variable(tensor.name, dtype, shape)
    return found


def _read(prefix: Path, variable: Variable, pieces: Sequence[_Piece]) -> Array:
    """The value of a variable out of its slices."""
    if not pieces:
        raise SourceError(f"{prefix}: declares the variable {variable.name!r} but lacks its values", AGAIN)
    path = prefix
    found = []
    try:
        for path, where, value in pieces:
            message = parse("SavedTensorSlices", bytes(value), f"{path}: the variable {variable.name!r}")
            found.append((where, _values(message.data.data, variable.dtype)))
        return assemble(variable.shape, variable.dtype, found)
    except ValueError as error:
        raise SourceError(f"{path}: the variable {variable.name!r}: {error}", AGAIN) from error


def _values(tensor: Any, dtype: DType) -> Array:
    """The values of a PackedTensorProto, flat."""
    if dtype.hasobject:
        return np.array([*tensor.string_val, None], object)[:-1]
    if tensor.tensor_content:
        return _fixed(b"".join(tensor.tensor_content), dtype.newbyteorder("<"), dtype)
    if dtype.name in _FIXED or dtype.name in _COMPLEX:
        field, wire = (_FIXED | _COMPLEX)[dtype.name]
        return _fixed(b"".join(getattr(tensor, field)), np.dtype(wire), dtype)
    packed = b"".join(getattr(tensor, _VARINTS.get(dtype.name, "int_val")))
    numbers = _unpacked(np.frombuffer(packed, np.uint8))
    if dtype.name in ("float16", "bfloat16"):
        return numbers.astype(np.uint16).view(dtype)
    return numbers.view(np.int64).astype(dtype) if dtype.kind == "i" else numbers.astype(dtype)


def _fixed(content: bytes, wire: DType, dtype: DType) -> Array:
    """Values of a fixed size."""
    if len(content) % wire.itemsize:
        raise ValueError(f"its {len(content):,} bytes are no whole number of {dtype.name} values")
    return np.frombuffer(content, wire).astype(dtype, copy=False)


def _unpacked(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The variable-length numbers in `data`, all at once: uint64, two's complement for negative ones."""
    if not data.size:
        return np.zeros(0, np.uint64)
    if data[-1] >= 0x80:
        raise ValueError("its values end within a number")
    ends = np.flatnonzero(data < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(data.size) - np.repeat(starts, ends - starts + 1)
    if place.max() > 9:
        raise ValueError("one of its numbers has more than 64 bits")
    groups = (data & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(groups, starts)
