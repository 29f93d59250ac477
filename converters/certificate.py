"""The record of a conversion: what was read, what was decided, how equal the outputs are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from converters.difference import TOLERANCE, Difference
from converters.trials import Trial

SCHEMA = 2
METADATA_KEY = "inspector.certificate"

Verdict = Literal["equal", "not equal", "not compared"]


@dataclass(frozen=True)
class FileRecord:
    """A file that was read: its name without folders, size in bytes, and SHA-256."""

    name: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """Read the file once, without holding it."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.name, path.stat().st_size, digest)


@dataclass(frozen=True)
class Certificate:
    """The record of a conversion.

    Attributes:
        source: The source's name, without folders.
        format: What kind of source it is.
        files: Every file that was read.
        engine: What wrote the ONNX nodes.
        versions: Package → version, of all that took part.
        model: Opset, counts, and the names of inputs and outputs of the converted model.
        decisions: One sentence for each choice that was made on the way.
        warnings: What the user should know.
        gate: The checks that the model passed before it was compared.
        request: What was asked beside the source, so that a comparison can be repeated.
        reference: What computed the expected outputs; empty when nothing was compared.
        trials: The inputs of the comparison that were drawn.
        pictures: How many pictures were compared beside these.
        outputs: Differences of the graph outputs.
        layers: Differences of the layers, in the order of the graph.
        unseen: Layers whose value the converted model no longer holds by itself.
    """

    source: str
    format: str
    files: tuple[FileRecord, ...]
    engine: str
    versions: Mapping[str, str]
    model: Mapping[str, Any]
    decisions: tuple[str, ...]
    warnings: tuple[str, ...]
    gate: tuple[str, ...]
    request: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""
    trials: tuple[Trial, ...] = ()
    pictures: int = 0
    outputs: tuple[Difference, ...] = ()
    layers: tuple[Difference, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether the model gives what the source gives."""
        if not self.reference:
            return "not compared"
        return "not equal" if self.first_difference else "equal"

    @property
    def first_difference(self) -> Difference | None:
        """The first layer, then output, that differs."""
        return next((item for item in (*self.layers, *self.outputs) if not item.equal), None)

    def to_dict(self) -> dict[str, Any]:
        """The certificate as JSON's types; the keys are a contract."""
        record = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        record |= {
            key: [dataclasses.asdict(item) for item in getattr(self, key)] for key in ("files", "trials")
        }
        record |= {key: [item.to_dict() for item in getattr(self, key)] for key in ("outputs", "layers")}
        record |= {key: list(getattr(self, key)) for key in ("decisions", "warnings", "gate", "unseen")}
        record |= {key: dict(getattr(self, key)) for key in ("versions", "model", "request")}
        return {"schema": SCHEMA, "verdict": self.verdict, "tolerance": TOLERANCE, **record}

    def to_json(self, *, indent: int | None = None) -> str:
        """The certificate as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def to_markdown(self) -> str:
        """The certificate as a page for a person: the verdict, a short table, and what was decided."""
        from converters.certificate_text import markdown

        return markdown(self)

    def summary(self) -> str:
        """A few lines for a person."""
        from converters.certificate_text import summary

        return summary(self)
