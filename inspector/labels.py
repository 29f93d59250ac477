"""The names of a model's classes."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from converters.files import check_file
from inspector.caution import Caution
from inspector.errors import FileError, ModelError, OptionError
from inspector.onnxfile.source import READABLE, counted

KEY = "inspector.labels"
# ultralytics writes Python's repr of a dict under this key.
FOREIGN_KEY = "names"

_MAX_FILE_BYTES = 16 * 2**20
_MAX_CLASSES = 1_000_000


@dataclass(frozen=True)
class Labels:
    """Class names in the order of the model's output.

    Attributes:
        names: One for each class; empty where a class has no name.
        declared: Whether they came with the model rather than from the caller.

    Example:
        >>> labels = Labels(("cat", "", "crane", "crane"))
        >>> [labels[index] for index in range(5)]
        ['cat', 'class 1', 'crane (class 2)', 'crane (class 3)', 'class 4']
    """

    names: tuple[str, ...]
    declared: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty list.

        Raises:
            OptionError: There is no name at all.
        """
        if not any(self.names):
            raise OptionError("the labels hold no name; expected one for each class", _HINT)

    def __len__(self) -> int:
        """The number of classes."""
        return len(self.names)

    def __getitem__(self, index: int) -> str:
        """What to call a class: its name, made unique, or its number."""
        name = self.names[index] if 0 <= index < len(self.names) else ""
        if not name:
            return f"class {index}"
        return name if self._counts[name] == 1 else f"{name} (class {index})"

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(self.names)

    def to_json(self) -> str:
        """The text that is stored under `inspector.labels` in a model's metadata: a list of strings."""
        return json.dumps(self.names, ensure_ascii=False)

    @classmethod
    def of(cls, given: Labels | str | os.PathLike[str] | Sequence[str]) -> Labels:
        """Labels from whatever a caller has: these, a file, or names.

        Raises:
            FileError: The file cannot be read as labels.
            OptionError: There is no name.
        """
        if isinstance(given, Labels):
            return given
        if isinstance(given, (str, os.PathLike)):
            return cls.from_file(given)
        return cls(tuple(given))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Labels:
        """Read labels from a text file.

        One name per line; JSON: a list, or an object of index to name; CSV (by its suffix): index and name,
        with or without a header, or the name alone. UTF-8, with or without a byte order mark.

        Args:
            path: The file.

        Raises:
            FileError: It is missing, empty, no UTF-8 text, or of another form.
        """
        found = check_file(path, "a list of labels", cap=_MAX_FILE_BYTES)
        try:
            text = found.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise FileError(
                f"{found}: is not UTF-8 text; expected a list of labels", "Save it as UTF-8."
            ) from None
        except OSError as error:
            raise FileError(f"{found}: cannot be read: {error.strerror}", READABLE) from error
        try:
            if text.lstrip().startswith(("[", "{")):
                return cls(_from_json(text))
            return cls(_from_csv(text) if found.suffix.lower() == ".csv" else _from_lines(text))
        except _FormError as error:
            raise FileError(f"{found}: {error}; expected a list of labels", _HINT) from None
        except OptionError:
            raise FileError(f"{found}: holds no label; expected one for each class", _HINT) from None

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> Labels | None:
        """Read the labels that a model carries, or None.

        `inspector.labels` comes first, then `names` as ultralytics writes it.

        Args:
            metadata: The model's `metadata_props`.
            where: The model's path, for messages.

        Raises:
            ModelError: `inspector.labels` is broken.
        """
        if KEY in metadata:
            try:
                return cls(_from_json(metadata[KEY]), declared=True)
            except (_FormError, OptionError) as error:
                raise ModelError(
                    f"{where}: the metadata {KEY!r} cannot be used: {error}",
                    f"Set it anew: inspector annotate {where} --labels FILE",
                ) from None
        try:
            names = _from_python(metadata.get(FOREIGN_KEY, ""))
            return cls(names, declared=True) if any(names) else None
        except _FormError:
            # Somebody else's key: it may mean anything.
            return None

    def check(self, classes: int, where: str) -> str | None:
        """Compare their number with the model's classes.

        Args:
            classes: How many the output has.
            where: The model's path, for messages.

        Returns:
            None when the numbers agree; a warning when the model itself declares a wrong number.

        Raises:
            OptionError: The caller gave a wrong number of labels.
        """
        if len(self) == classes:
            return None
        if self.declared:
            return Caution(
                f"{where}: declares {counted(len(self), 'label')} for {counted(classes, 'class')}; "
                "class numbers are shown instead",
                f"inspector annotate {where} --labels FILE stores others.",
            )
        raise OptionError(
            f"{where}: has {counted(classes, 'class')}, but {counted(len(self), 'label')} "
            f"{'is' if len(self) == 1 else 'are'} given",
            "Give one label per class, in the order of the model's output.",
        )


_HINT = 'Write one name per line, a JSON list, a JSON object {"0": "name"}, or CSV lines index,name.'


class _FormError(Exception):
    """The text is no list of labels, for the reason that it says."""


def _from_lines(text: str) -> tuple[str, ...]:
    if "\0" in text:
        raise _FormError("is not text")
    names = [line.strip() for line in text.splitlines()]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _from_json(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise _FormError("is not valid JSON") from None
    return _from_value(found)


def _from_python(text: str) -> tuple[str, ...]:
    if not text.lstrip().startswith(("{", "[")) or len(text) > _MAX_FILE_BYTES:
        raise _FormError("is not a Python dict or list")
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        # What literal_eval is documented to raise.
        raise _FormError("is not a Python dict or list") from None
    return _from_value(found)


def _from_value(found: object) -> tuple[str, ...]:
    if isinstance(found, list) and all(isinstance(name, str) for name in found):
        return tuple(name.strip() for name in found)
    if isinstance(found, dict) and all(isinstance(name, str) for name in found.values()):
        return _placed((str(index), name) for index, name in found.items())
    raise _FormError("is neither a list of strings nor an object of index to string")


def _from_csv(text: str) -> tuple[str, ...]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise _FormError(f"is not valid CSV ({error})") from None
    widths = {len(row) for row in rows}
    if widths == {1}:
        return tuple(row[0].strip() for row in rows)
    if widths != {2}:
        raise _FormError("has CSV lines that are not all index,name")
    if not _is_index(rows[0][0]):
        rows = rows[1:]
    return _placed((row[0], row[1]) for row in rows)


def _placed(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Names put where their indices say; a gap is a class without a name."""
    names: dict[int, str] = {}
    for index, name in pairs:
        if not _is_index(index):
            raise _FormError(f"has the index {index[:40]!r}, which is no whole number below {_MAX_CLASSES:,}")
        if int(index) in names:
            raise _FormError(f"has the index {int(index)} twice")
        names[int(index)] = name.strip()
    return tuple(names.get(index, "") for index in range(max(names, default=-1) + 1))


def _is_index(text: str) -> bool:
    text = text.strip()
    return text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < _MAX_CLASSES
