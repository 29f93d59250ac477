"""Attributes of a node, decoded when the first of them is asked for."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from inspector.errors import ModelError
from inspector.onnxfile.graph import Attribute, Graph
from inspector.onnxfile.source import AGAIN, FETCH, Source, quoted
from inspector.onnxfile.sparse import parse_sparse
from inspector.onnxfile.tensor import parse_tensor
from inspector.onnxfile.wire import BYTES, Field, Span, WireError, signed, varint

# AttributeProto: the tags of a graph and of several graphs.
_GRAPH_TAGS = (6 << 3 | BYTES, 11 << 3 | BYTES)

# AttributeProto.AttributeType → the number of the field that holds such a value.
_FIELD_OF_TYPE = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 11: 22, 12: 23}
_REPEATED = frozenset((7, 8, 9, 10, 11, 23))
_LEFT_OUT: dict[int, Attribute] = {2: 0.0, 3: 0, 4: ""}


@dataclass(frozen=True, eq=False)
class Attributes(Mapping[str, Attribute]):
    """The attributes of one node, by name.

    Reading any of them raises `ModelError` or `TensorError` when one is broken.
    """

    _source: Source
    _spans: tuple[Span, ...]
    _owner: str
    _graph: Callable[[Span], Graph]

    def __getitem__(self, name: str) -> Attribute:
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded)

    def __len__(self) -> int:
        return len(self._decoded)

    def __repr__(self) -> str:
        return repr(self._decoded)

    @cached_property
    def _decoded(self) -> dict[str, Attribute]:
        decoded: dict[str, Attribute] = {}
        for span in self._spans:
            try:
                name, value = self._attribute(span)
            except WireError as error:
                raise ModelError(f"{self._source.path}: {self._owner} is damaged: {error}", FETCH) from error
            if name in decoded:
                raise ModelError(
                    f"{self._source.path}: {self._owner} has the attribute {quoted(name)} twice", AGAIN
                )
            decoded[name] = value
        return decoded

    def _attribute(self, span: Span) -> tuple[str, Attribute]:
        """Decode one `AttributeProto`."""
        name, kind, refers = "", 0, False
        values: dict[int, list[Field]] = {}
        for item in self._source.fields(span):
            tag, start, end = item
            if tag == 0x0A:
                name = self._source.text((start, end))
            elif tag == 20 << 3:
                kind = start
            elif tag == 21 << 3 | BYTES:
                refers = True
            else:
                values.setdefault(tag >> 3, []).append(item)
        if refers:
            return name, None
        # Files from before IR version 2 do not give the type: there, the one value that is set tells it.
        number = _FIELD_OF_TYPE.get(kind) or next((n for n in _FIELD_OF_TYPE.values() if n in values), 0)
        found = values.get(number, [])
        if number in _REPEATED:
            return name, tuple(part for item in found for part in self._parts(number, item, name))  # type: ignore[return-value]
        if len(found) > 1 and number in (5, 6, 22):
            raise ModelError(
                f"{self._source.path}: {self._owner} gives its attribute {quoted(name)} {len(found)} values",
                AGAIN,
            )
        return name, self._parts(number, found[-1], name)[0] if found else _LEFT_OUT.get(number)

    def _parts(self, number: int, item: Field, name: str) -> list[Attribute]:
        """The values in one field: several when it is packed."""
        source, owner = self._source, f"the attribute {quoted(name)} of {self._owner}"
        tag, start, end = item
        wire, span = tag & 7, (start, end)
        if number in (2, 7):
            return list(
                struct.unpack(f"<{(end - start) // 4}f", source.data[start : end - (end - start) % 4])
            )
        if number in (3, 8):
            return [signed(start)] if wire == 0 else _packed(source, span)
        if number in (4, 9):
            return [_string(source.data[start:end])]
        if number in (6, 11):
            return [self._graph(span)]
        if number in (5, 10):
            return [parse_tensor(source, span, owner)]
        return [parse_sparse(source, span, owner)]


def holds_graph(source: Source, span: Span, small: bytes) -> bool:
    """Tell whether an `AttributeProto` holds a graph.

    Args:
        source: The file.
        span: Where the attribute is.
        small: Its bytes when they are few, so that most attributes are told by a search alone; else empty.
    """
    if small and not any(tag in small for tag in _GRAPH_TAGS):
        return False
    return any(tag in _GRAPH_TAGS for tag, _, _ in source.fields(span))


def _packed(source: Source, span: Span) -> list[Attribute]:
    """Integers that a writer packed, although the schema does not ask for it."""
    position, end = span
    numbers: list[Attribute] = []
    while position < end:
        value, position = varint(source.data, position, end)
        numbers.append(signed(value))
    return numbers


def _string(stored: bytes) -> str | bytes:
    """Text where the bytes are text: ONNX has one type for both."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored
