"""What predicting gives: the likeliest classes of each picture, and the pictures that could not be read."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from converters.files import replacing
from inspector.errors import InspectorError, OptionError

CSV_HEADER = ("source", "rank", "index", "label", "probability", "error")


@dataclass(frozen=True, eq=False)
class Prediction:
    """The likeliest classes of one picture, likeliest first.

    Attributes:
        source: The picture's path, or what stands for it.
        labels: Names, k of them.
        probabilities: float32 (k,), 0..1.
        indices: Positions in the model's output, int64 (k,).
        warnings: What a person may want to know of the picture, one sentence each.
    """

    source: str
    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    indices: NDArray[np.int64]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """As JSON has it: source, predictions (index, label, probability), and warnings if there are any."""
        rows = [
            {"index": int(index), "label": label, "probability": _round(probability)}
            for index, label, probability in zip(self.indices, self.labels, self.probabilities, strict=True)
        ]
        found: dict[str, object] = {"source": self.source, "predictions": rows}
        return found | ({"warnings": list(self.warnings)} if self.warnings else {})

    def to_rows(self) -> list[tuple[str, ...]]:
        """As CSV has it: one row for each class, in the columns of `CSV_HEADER`."""
        ranked = zip(self.indices, self.labels, self.probabilities, strict=True)
        return [
            (_cell(self.source), str(rank), str(index), _cell(label), str(_round(probability)), "")
            for rank, (index, label, probability) in enumerate(ranked, 1)
        ]


@dataclass(frozen=True, eq=False)
class Failure:
    """A picture for which there is no prediction.

    Attributes:
        source: Its path, or what stands for it.
        error: Why.
    """

    source: str
    error: InspectorError

    @property
    def message(self) -> str:
        """Why, in one sentence."""
        return self.error.message

    def to_dict(self) -> dict[str, object]:
        """As JSON has it: source and error, and hint if there is one."""
        found: dict[str, object] = {"source": self.source, "error": self.message}
        return found | ({"hint": self.error.hint} if self.error.hint else {})

    def to_rows(self) -> list[tuple[str, ...]]:
        """As CSV has it: one row, in the columns of `CSV_HEADER`."""
        return [(_cell(self.source), "", "", "", "", _cell(self.message))]


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """The predictions for several pictures, in the order in which these were given.

    Attributes:
        items: One for each picture that could be read.
        failures: The others.
        assumed: What was assumed of the way from pixels to the input, when the model declares none.
        scores: How the probabilities come about.
        warnings: What a person may want to know of the model, one sentence each.
    """

    items: tuple[Prediction, ...]
    failures: tuple[Failure, ...] = ()
    assumed: str | None = None
    scores: str = ""
    warnings: tuple[str, ...] = field(default=())

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Prediction, ...]: ...
    def __getitem__(self, index: int | slice) -> Prediction | tuple[Prediction, ...]:
        """One prediction, or several."""
        return self.items[index]

    def __len__(self) -> int:
        """How many pictures could be read."""
        return len(self.items)

    def __iter__(self) -> Iterator[Prediction]:
        """One prediction after the other."""
        return iter(self.items)

    def to_dict(self) -> dict[str, object]:
        """As JSON has it: predictions, failures, assumed, scores and warnings."""
        return {
            "predictions": [item.to_dict() for item in self.items],
            "failures": [failure.to_dict() for failure in self.failures],
            "assumed": self.assumed,
            "scores": self.scores,
            "warnings": list(self.warnings),
        }

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write one JSON object per line (.jsonl), one JSON document (.json), or CSV (.csv).

        Pictures that failed stand at the end. In CSV, text that a spreadsheet would take for a formula starts
        with an apostrophe, and control characters are escaped.

        Args:
            path: The file; its suffix decides the form.
            force: Whether an existing file may be replaced.

        Returns:
            The path.

        Raises:
            OptionError: The suffix is none of these.
            OutputExistsError: The file exists and `force` is not set.
            FileError: It cannot be written.
        """
        path = Path(path)
        everything: list[Prediction | Failure] = [*self.items, *self.failures]
        if path.suffix.lower() == ".jsonl":
            text = "".join(json.dumps(item.to_dict(), ensure_ascii=False) + "\n" for item in everything)
        elif path.suffix.lower() == ".json":
            text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"
        elif path.suffix.lower() == ".csv":
            text = csv_text([CSV_HEADER, *(row for item in everything for row in item.to_rows())])
        else:
            raise OptionError(
                f"{path}: has the suffix {path.suffix!r}; expected .jsonl, .json or .csv",
                "Name it predictions.csv, for example.",
            )
        with replacing(path, force=force) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
        return path

    def _repr_html_(self) -> str:
        """A table: one row for each picture, its classes with bars."""
        notes = [note for note in (self.assumed, *self.warnings) if note]
        rows = [f"<tr><td>{_escape(p.source)}</td><td>{_bars(p)}</td></tr>" for p in self.items]
        rows += [f"<tr><td>{_escape(f.source)}</td><td>{_escape(f.message)}</td></tr>" for f in self.failures]
        return (
            "".join(f"<p>{_escape(note)}</p>" for note in notes)
            + "<table><thead><tr><th>picture</th><th>classes</th></tr></thead><tbody>"
            + "".join(rows)
            + "</tbody></table>"
        )


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV, lines ended by a line feed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _round(probability: np.float32) -> float:
    """A probability as it is printed: more digits than these are noise of the arithmetic."""
    return round(float(probability), 6)


def _cell(text: str) -> str:
    """Text on one line that neither a spreadsheet takes for a formula nor a terminal for a command."""
    shown = _visible(text)
    return f"'{shown}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else shown


def _visible(text: str) -> str:
    """Text of which control characters, and marks that turn the direction of writing, are escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _escape(text: str) -> str:
    """Text safe in HTML."""
    return html.escape(_visible(text))


def _bars(prediction: Prediction) -> str:
    return "".join(
        f'<div style="background:linear-gradient(90deg,rgba(70,130,180,.35) {100 * probability:.1f}%,'
        f'transparent 0);padding:0 .4em">{_escape(label)} {100 * probability:.1f} %</div>'
        for label, probability in zip(prediction.labels, prediction.probabilities, strict=True)
    )
