"""The certificate that a model carries, read as far as it can be understood: it may be a stranger's."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from converters.certificate import METADATA_KEY
from converters.formats import Request

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Stored:
    """What a model's own certificate says, as far as it can be understood.

    Attributes:
        request: What was asked of the conversion.
        engine: What wrote the nodes.
        inputs: Names of the model's inputs, in the source's order.
        outputs: Output as the source calls it → as the model calls it.
        layers: Layer → the value's name in the model.
        files: SHA-256 of every file of the source.
    """

    request: Request = field(default_factory=Request)
    engine: str = "an unknown engine"
    inputs: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()


def stored_certificate(model: ModelProto) -> Stored:
    """What a model's metadata say of its conversion; nothing where they hold no certificate."""
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), "")
    try:
        record = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        record = {}
    if not isinstance(record, dict):
        return Stored()
    named = record.get("model")
    return Stored(
        request=_asked(record.get("request")),
        engine=record["engine"] if isinstance(record.get("engine"), str) else Stored.engine,
        inputs=_texts(named.get("inputs") if isinstance(named, dict) else None),
        outputs=_pairs(record.get("outputs"), "name", "value"),
        layers=_pairs(record.get("layers"), "name", "value"),
        files=frozenset(_pairs(record.get("files"), "sha256", "sha256")),
    )


def _asked(record: object) -> Request:
    """A request out of a certificate, without the fields that make no sense."""
    if not isinstance(record, dict):
        return Request()
    default = Request()
    fields: dict[str, Any] = {}
    for name in ("inputs", "outputs", "input_shapes"):
        fields[name] = _texts(record.get(name))
    for name in ("bake_preprocessing", "fold", "signature", "opset"):
        value = record.get(name)
        fields[name] = value if type(value) is type(getattr(default, name)) else getattr(default, name)
    return dataclasses.replace(default, **fields)


def _texts(record: object) -> tuple[str, ...]:
    return tuple(text for text in record if isinstance(text, str)) if isinstance(record, list) else ()


def _pairs(record: object, key: str, value: str) -> dict[str, str]:
    rows = [row for row in record if isinstance(row, dict)] if isinstance(record, list) else []
    return {
        row[key]: row[value]
        for row in rows
        if isinstance(row.get(key), str) and isinstance(row.get(value), str)
    }
