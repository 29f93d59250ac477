"""A model without its weights: the same structure, every large tensor reduced to its description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from inspector.onnxfile import typed
from inspector.onnxfile.source import Source
from inspector.onnxfile.wire import (
    BYTES,
    VARINT,
    Field,
    Span,
    encode_bytes,
    encode_number,
    encode_varint,
    fields,
)

KEPT_BYTES = 1024

_Message: TypeAlias = Literal["model", "graph", "node", "attribute", "sparse", "function", "tensor"]

# The fields of each message that can hold a tensor, at any depth.
_HOLDERS: Mapping[_Message, Mapping[int, _Message]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {},
}
_TRAINING = 20
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1


def skeleton(source: Source) -> bytes:
    """Copy a model without its training graphs and the bytes of tensors of more than `KEPT_BYTES`."""
    return _without_data(source, "model", (0, source.size))


def _without_data(source: Source, message: _Message, span: Span) -> bytes:
    if message == "tensor":
        return _described(source, span)
    if span[1] - span[0] <= KEPT_BYTES and message != "model":
        return source.data[span[0] : span[1]]
    holders = _HOLDERS[message]
    parts: list[bytes] = []
    for tag, first, last in fields(source.data, *span):
        number = tag >> 3
        if tag & 7 == BYTES and number in holders:
            parts.append(encode_bytes(number, _without_data(source, holders[number], (first, last))))
        elif not (message == "model" and number == _TRAINING):
            parts.append(_copied(source, (tag, first, last)))
    return b"".join(parts)


def _described(source: Source, span: Span) -> bytes:
    """A tensor as it is when small, else without its values."""
    if span[1] - span[0] <= KEPT_BYTES:
        return source.data[span[0] : span[1]]
    parts = [
        _copied(source, item)
        for item in fields(source.data, *span)
        if item[0] not in typed.TAGS and item[0] >> 3 not in (_EXTERNAL_DATA, _DATA_LOCATION)
    ]
    return b"".join(parts) + encode_number(_DATA_LOCATION, _EXTERNAL)


def _copied(source: Source, item: Field) -> bytes:
    """A field as it is."""
    tag, first, last = item
    number, wire = tag >> 3, tag & 7
    if wire == VARINT:
        return encode_number(number, first)
    if wire == BYTES:
        return encode_bytes(number, source.data[first:last])
    return encode_varint(tag) + source.data[first:last]
