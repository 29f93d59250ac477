"""Constants of which only the entries that are not zero are stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import TensorError
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.source import AGAIN, LIMITS, Source, quoted
from inspector.onnxfile.tensor import Tensor, packed_dims, parse_shape, parse_tensor
from inspector.onnxfile.wire import Span, signed

_MAX_DENSE_BYTES = 2**31


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """A constant of which only the entries that are not zero are stored.

    Attributes:
        values: The entries, (n,).
        indices: Where they are, int64: (n,) into the flattened tensor, or (n, rank).
        shape: Size of each axis of the whole.

    Reference:
        onnx.proto, `SparseTensorProto`.
    """

    values: Tensor
    indices: Tensor
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the whole, which its values carry."""
        return self.values.name

    @property
    def dtype(self) -> DataType:
        """The element type."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that the stored entries take."""
        return self.values.nbytes

    @property
    def external(self) -> bool:
        """Whether any of its bytes lie in another file."""
        return self.values.external or self.indices.external

    def numpy(self) -> NDArray[Any]:
        """The whole tensor with its zeros, of `shape` and `dtype.numpy`.

        Raises:
            TensorError: It would take more than 2 GiB, or an index lies outside the shape.
        """
        where = f"{self.values._source.path}: sparse tensor {quoted(self.name)}"
        size = math.prod(self.shape)
        if size * self.dtype.numpy.itemsize > _MAX_DENSE_BYTES:
            raise TensorError(
                f"{where} of shape {list(self.shape)} is too large to be filled with its zeros", LIMITS
            )
        values, indices = self.values.numpy(), self.indices.numpy()
        rank = len(self.shape)
        if indices.ndim == 2 and indices.shape[1] == rank:
            inside = bool(np.all((indices >= 0) & (indices < np.array(self.shape, np.int64))))
            strides = np.cumprod((1, *self.shape[:0:-1]))[::-1]
            indices = indices @ strides
        else:
            inside = bool(np.all((indices >= 0) & (indices < size)))
        if not inside or indices.shape != values.shape or values.ndim != 1:
            raise TensorError(f"{where} has indices that do not fit its shape {list(self.shape)}", AGAIN)
        dense = np.full(size, "" if self.dtype == DataType.STRING else 0, self.dtype.numpy)
        dense[indices] = values
        dense = dense.reshape(self.shape)
        dense.flags.writeable = False
        return dense


def parse_sparse(source: Source, span: Span, owner: str) -> SparseTensor:
    """Describe the `SparseTensorProto` at `span`.

    Raises:
        TensorError: It lacks its values or indices, or one of them is broken.
        WireError: It is no protobuf message.
    """
    parts: dict[int, Tensor] = {}
    dims: list[int] = []
    for tag, start, end in source.fields(span):
        if tag in (0x0A, 0x12):
            if tag in parts:
                raise TensorError(
                    f"{source.path}: the sparse tensor of {owner} has its values or indices twice", AGAIN
                )
            parts[tag] = parse_tensor(source, (start, end), owner)
        elif tag == 0x18:
            dims.append(signed(start))
        elif tag == 0x1A:
            dims.extend(packed_dims(source.data[start:end]))
    if len(parts) < 2:
        raise TensorError(
            f"{source.path}: the sparse tensor of {owner} lacks its values or its indices", AGAIN
        )
    values, indices = parts[0x0A], parts[0x12]
    where = f"{source.path}: sparse tensor {quoted(values.name)}"
    if indices.dtype != DataType.INT64:
        raise TensorError(f"{where} has indices of type {indices.dtype.name}; expected INT64", AGAIN)
    if not dims:
        raise TensorError(f"{where} has no shape", AGAIN)
    return SparseTensor(values, indices, parse_shape(dims, where))
