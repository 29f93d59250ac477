"""The record of a conversion: what was read, what was decided, how equal the outputs are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converters.trials import Trial

SCHEMA = 1
METADATA_KEY = "inspector.certificate"
# Two correct float32 implementations sum in different orders; most layers stay far below this part of their
# largest value.
TOLERANCE = 1e-5
# Where large terms cancel, rounding is larger than that. How much of it a source has by nature is measured:
# by how much its own values change when the inputs change in their last bit. Correct conversions, of the
# networks in `tests/zoo` and of published ones, were seen to differ by up to 8 times as much.
NOISE_MARGIN = 64

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
class Difference:
    """How far one value of the model is from the source's, at worst over all trials.

    Attributes:
        name: The layer or output, as the source calls it.
        value: The value's name in the ONNX graph.
        max_abs: Largest absolute difference of an element; infinite when shapes differ or one is not finite.
        largest: Largest absolute element of the source's.
        noise: Largest absolute change of the source's when its inputs change in their last bit.
    """

    name: str
    value: str
    max_abs: float
    largest: float
    noise: float = 0.0

    @property
    def allowed(self) -> float:
        """The difference up to which two values count as equal."""
        return max(TOLERANCE * max(1.0, self.largest), NOISE_MARGIN * self.noise)

    @property
    def equal(self) -> bool:
        """Whether the difference is within what float32 rounding explains."""
        return self.max_abs <= self.allowed

    @classmethod
    def between(
        cls,
        name: str,
        value: str,
        expected: NDArray[Any],
        got: NDArray[Any],
        nudged: NDArray[Any] | None = None,
    ) -> Difference:
        """Compare two arrays of any one numeric dtype.

        Args:
            name: The layer or output.
            value: The value's name in the ONNX graph.
            expected: What the source computed; channels last where it has channels.
            got: What the model computed, in the same shape, or with the channels on the second axis; axes of
                size one do not count.
            nudged: What the source computed on inputs that differ in their last bit.
        """
        largest = float(np.abs(_finite(expected)).max(initial=0.0))
        noise = 0.0 if nudged is None else float(np.abs(_finite(expected) - _finite(nudged)).max(initial=0.0))
        distances = (_distance(expected, candidate) for candidate in _layouts(got, expected.shape))
        return cls(name, value, min(distances, default=np.inf), largest, noise)

    def worse(self, other: Difference) -> Difference:
        """Whichever of two trials of one value is further from what is allowed."""
        return self if self.max_abs / self.allowed >= other.max_abs / other.allowed else other


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
        reference: What computed the expected outputs; empty when nothing was compared.
        trials: The inputs of the comparison.
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
    reference: str = ""
    trials: tuple[Trial, ...] = ()
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
        record = dataclasses.asdict(self)
        for key in ("outputs", "layers"):
            differences: Sequence[Difference] = getattr(self, key)
            record[key] = [
                {
                    **dataclasses.asdict(item),
                    "max_abs": _number(item.max_abs),
                    "allowed": item.allowed,
                    "equal": item.equal,
                }
                for item in differences
            ]
        return {"schema": SCHEMA, "verdict": self.verdict, "tolerance": TOLERANCE, **record}

    def to_json(self, *, indent: int | None = None) -> str:
        """The certificate as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, default=dict, ensure_ascii=False)

    def summary(self) -> str:
        """A few lines for a person."""
        lines = [f"{self.source} ({self.format}) → {self.engine}, opset {self.model['opset']}"]
        lines += [f"  decided: {decision}" for decision in self.decisions]
        lines += [f"  {self._verdict_line()}"]
        lines += [f"  {_row(item)}" for item in (*self.layers, *self.outputs)]
        if self.unseen:
            lines.append(f"  without a value of their own in the model: {', '.join(self.unseen)}")
        return "\n".join(lines)

    def _verdict_line(self) -> str:
        if not self.reference:
            return "NOT COMPARED with the source"
        batches = ", ".join(str(trial.batch) for trial in self.trials)
        compared = f"with {self.reference}: {len(self.trials)} seeds, batches of {batches}"
        return f"{self.verdict.upper()}, compared {compared}; largest differences:"


def worst(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """One difference a name: the worst, in the order of first appearance."""
    found: dict[str, Difference] = {}
    for item in differences:
        found[item.name] = found[item.name].worse(item) if item.name in found else item
    return tuple(found.values())


def _row(item: Difference) -> str:
    mark = "" if item.equal else "   ← differs"
    return f"{item.name:<28} {item.max_abs:.1e} of {item.largest:.3g}{mark}"


def _layouts(got: NDArray[Any], shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """The ways to see an array in a shape: as it is, and with its second axis last."""
    for candidate in (got, np.moveaxis(got, 1, -1) if got.ndim > 2 else got):
        if [size for size in candidate.shape if size != 1] == [size for size in shape if size != 1]:
            yield candidate.reshape(shape)


def _finite(array: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _distance(expected: NDArray[Any], got: NDArray[Any]) -> float:
    """Largest absolute difference; infinite where one side is not finite and the other not the same."""
    wanted, given = expected.astype(np.float64), got.astype(np.float64)
    same = (wanted == given) | (np.isnan(wanted) & np.isnan(given))
    apart = np.abs(np.where(same, 0.0, wanted) - np.where(same, 0.0, given))
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _number(value: float) -> float | None:
    """JSON has no infinity."""
    return value if np.isfinite(value) else None
