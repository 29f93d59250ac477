"""Tensors of a model, described when the model is opened and read when somebody asks for their values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import TensorError
from inspector.onnxfile import external as external_data
from inspector.onnxfile import typed
from inspector.onnxfile.encodings import DataType, decode
from inspector.onnxfile.source import AGAIN, FETCH, LIMITS, Source, counted, quoted
from inspector.onnxfile.wire import BYTES, Field, Span, WireError, fields, signed, text, varint

__all__ = ["DataType", "Tensor", "packed_dims", "parse_shape", "parse_tensor"]

# numpy 1.26 allows no more axes.
_MAX_RANK = 32
_MAX_BYTES = 2**48


@dataclass(frozen=True, eq=False)
class Tensor:
    """Constant values that the file holds or points to.

    Attributes:
        name: Its name; empty for the value of an attribute.
        dtype: Its element type.
        shape: Size of each axis; () for a scalar.
        nbytes: Bytes that its elements take in `raw_data`; for strings, the length of all of them.
        external: Whether the bytes lie in another file.
    """

    name: str
    dtype: DataType
    shape: tuple[int, ...]
    nbytes: int
    external: bool
    _where: str = field(repr=False)
    _source: Source = field(repr=False)
    _span: Span = field(repr=False)
    _raw: Span | None = field(repr=False)
    _reference: external_data.ExternalData | None = field(repr=False)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def numpy(self) -> NDArray[Any]:
        """Read the values.

        Returns:
            An array of `shape` and `dtype.numpy`: float16 stays float16; bfloat16, float8, float6 and float4
            become float32; 4-bit and 2-bit integers become int8 or uint8; strings become objects of `str`.
            Read-only; a view of the mapped file where that holds raw bytes of a type that numpy has.

        Raises:
            TensorError: The values do not fit the description, or the external data may not be read.
        """
        count = self.size
        if self._reference is not None:
            stored = external_data.read(self._source, self._reference, self.nbytes, self._where)
            values = decode(stored, self.dtype, count)
        elif self._raw is not None:
            start, end = self._raw
            stored = np.frombuffer(self._source.data, np.uint8, end - start, start) if count else _NOTHING
            values = decode(stored, self.dtype, count)
        else:
            values = self._typed(count)
        values = values.reshape(self.shape)
        values.flags.writeable = False
        return values

    def check_external(self) -> None:
        """Check that external data, if there is any, is there and may be read.

        Raises:
            TensorError: It is not.
        """
        if self._reference is not None:
            external_data.locate(self._source, self._reference, self.nbytes, self._where)

    def _typed(self, count: int) -> NDArray[Any]:
        """Values from `float_data` and its like."""
        data = self._source.data
        found = fields(data, *self._span)
        if self.dtype == DataType.STRING:
            strings = np.empty(count, object)
            strings[:] = [text(data, start, end) for tag, start, end in found if tag == _STRING_TAG]
            return strings
        try:
            return typed.read(data, found, self.dtype, count)
        except WireError as error:
            raise TensorError(f"{self._where} cannot be read: {error}", FETCH) from error
        except typed.CountError as error:
            raise TensorError(
                f"{self._where} of shape {list(self.shape)} needs {counted(error.needed, 'entry')} of "
                f"{typed.NAMES[typed.field_of(self.dtype)]}, but {_there(error.found)}",
                FETCH,
            ) from error


_STRING_TAG = 6 << 3 | BYTES
_NOTHING = np.empty(0, np.uint8)


def parse_tensor(source: Source, span: Span, owner: str) -> Tensor:
    """Describe the `TensorProto` at `span` without touching its values.

    Args:
        source: The file.
        span: Where the message starts and ends.
        owner: Whose it is, for the message about a tensor without a name: "the attribute 'value'".

    Raises:
        TensorError: The shape, element type and stored bytes cannot all be right.
        WireError: It is no protobuf message.
    """
    data = source.data
    dims: list[int] = []
    name, code, located = "", 0, 0
    entries: list[Span] = []
    stored: dict[int, list[Field]] = {}
    segmented = False
    for item in source.fields(span):
        tag, start, end = item
        if tag == 0x08:
            dims.append(signed(start))
        elif tag == 0x10:
            code = start
        elif tag == 0x42:
            name = source.text((start, end))
        elif tag == 0x6A:
            entries.append((start, end))
        elif tag == 0x70:
            located = start
        elif tag == 0x0A:
            dims.extend(packed_dims(data[start:end]))
        elif tag == 0x1A:
            segmented = True
        elif tag in typed.TAGS:
            stored.setdefault(typed.TAGS[tag], []).append(item)
    where = f"{source.path}: tensor {quoted(name)}" if name else f"{source.path}: the tensor of {owner}"
    if segmented:
        raise TensorError(f"{where} is stored in segments, which ONNX never came to define", AGAIN)
    dtype, shape = _data_type(code, where), parse_shape(dims, where)
    count = math.prod(shape)
    # Axes of size 0 aside: numpy refuses an empty array of absurd size too.
    if dtype.nbytes(math.prod(size or 1 for size in shape)) > _MAX_BYTES:
        raise TensorError(f"{where} of shape {list(shape)} would be larger than {_MAX_BYTES:,} bytes", LIMITS)
    if located == 1:
        reference = external_data.reference(map(source.entry, entries), where)
        if dtype == DataType.STRING:
            raise TensorError(f"{where} is of strings, which external data cannot hold", AGAIN)
        return Tensor(name, dtype, shape, dtype.nbytes(count), True, where, source, span, None, reference)
    raw, nbytes = _stored(stored, dtype, shape, where)
    return Tensor(name, dtype, shape, nbytes, False, where, source, span, raw, None)


def _there(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'} there"


def packed_dims(packed: bytes) -> Iterator[int]:
    """Dimensions that a writer packed, although the schema does not ask for it."""
    position = 0
    while position < len(packed):
        value, position = varint(packed, position, len(packed))
        yield signed(value)


def _data_type(code: int, where: str) -> DataType:
    if code == 0:
        raise TensorError(f"{where} has no element type", AGAIN)
    try:
        return DataType(code)
    except ValueError:
        raise TensorError(
            f"{where} has element type {code}; expected 1 to {max(DataType).value}", AGAIN
        ) from None


def parse_shape(dims: list[int], where: str) -> tuple[int, ...]:
    """Return the dimensions as a shape.

    Raises:
        TensorError: One is negative, or there are more than numpy has axes.
    """
    if len(dims) > _MAX_RANK:
        raise TensorError(f"{where} has {len(dims):,} dimensions; at most {_MAX_RANK} are accepted", LIMITS)
    if any(dim < 0 for dim in dims):
        raise TensorError(f"{where} has a negative dimension: {dims}", AGAIN)
    return tuple(dims)


def _stored(
    stored: dict[int, list[Field]], dtype: DataType, shape: tuple[int, ...], where: str
) -> tuple[Span | None, int]:
    """Where the raw bytes are, if they are raw, and how many bytes the elements take."""
    count = math.prod(shape)
    present = [number for number, found in stored.items() if typed.possible_entries(found)[1]]
    if len(present) > 1:
        names = " and ".join(typed.NAMES[number] for number in sorted(present))
        raise TensorError(f"{where} has values in {names}; expected one of them", AGAIN)
    if typed.RAW in stored and (not present or present == [typed.RAW]) and dtype != DataType.STRING:
        _, start, end = stored[typed.RAW][-1]
        if end - start != dtype.nbytes(count):
            raise TensorError(
                f"{where} of shape {list(shape)} and type {dtype.name} needs "
                f"{counted(dtype.nbytes(count), 'byte')}, but {_there(end - start)}",
                FETCH,
            )
        return (start, end), end - start
    number = typed.field_of(dtype)
    if present and present != [number]:
        raise TensorError(
            f"{where} of type {dtype.name} has its values in {typed.NAMES[present[0]]}; "
            f"expected {typed.NAMES[number]}" + ("" if dtype == DataType.STRING else " or raw_data"),
            AGAIN,
        )
    found = stored.get(number, [])
    low, high = typed.possible_entries(found)
    needed = typed.entries_needed(dtype, count)
    if not low <= needed <= high:
        raise TensorError(
            f"{where} of shape {list(shape)} needs {counted(needed, 'entry')} of {typed.NAMES[number]}, but "
            + (_there(high) if low == high else f"at most {_there(high)}"),
            FETCH,
        )
    nbytes = sum(end - start for _, start, end in found) if dtype == DataType.STRING else dtype.nbytes(count)
    return None, nbytes
