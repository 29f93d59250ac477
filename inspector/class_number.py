"""A class as people name it: by its label or its number."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspector.errors import OptionError
from inspector.safe_names import printable

if TYPE_CHECKING:
    from inspector.predictor import Predictor

_SHOWN = 8


def class_number(ready: Predictor, name: str | int, otherwise: str) -> int:
    """Find the number of a class.

    Args:
        ready: The model with its labels.
        name: The class's label, the label with its number as pictures show it ("crane (class 134)"), or its
            number; a label goes before a number.
        otherwise: The hint for a class that does not exist.

    Raises:
        OptionError: There is no such class, or several have this label.
    """
    text, path = str(name), ready.model.path
    names = () if ready.names is None else ready.names.names
    found = [number for number, label in enumerate(names) if label == text and label]
    if len(found) > 1:
        raise OptionError(
            f"{path}: {len(found)} classes are called {printable(text)!r}: "
            f"{', '.join(map(str, found[:_SHOWN]))}; expected one",
            f"{otherwise.split()[0]} {found[0]}",
        )
    if found:
        return found[0]
    if ready.names is not None:
        for number in range(len(names)):
            if ready.names[number] == text:
                return number
    if not text.isdecimal():
        alike = [name for name in names if name and name.casefold() == text.casefold()]
        raise OptionError(
            f"{path}: there is no class {text!r}; {_known(text, names, ready.scores.classes)}",
            f"{otherwise.split()[0]} {_quoted(alike[0])}" if alike else otherwise,
        )
    if ready.scores.classes is not None and int(text) >= ready.scores.classes:
        raise OptionError(
            f"{path}: there is no class {text}; there are 0 to {ready.scores.classes - 1}", otherwise
        )
    return int(text)


def _quoted(name: str) -> str:
    return printable(name) if re.fullmatch(r"[\w.-]+", name) else repr(printable(name))


def _known(text: str, names: Sequence[str], classes: int | None) -> str:
    """The labels that there are: of many, those that are most like what was asked for."""
    if not names:
        numbers = "numbers" if classes is None else f"0 to {classes - 1}"
        return f"there are {numbers}, for it declares no labels"
    if len(names) <= _SHOWN:
        return f"there are {', '.join(map(printable, names))}"
    lower = text.casefold()
    whole = re.compile(rf"\b{re.escape(lower)}\b") if lower else None
    words = [name for name in names if whole and whole.search(name.casefold())]
    parts = [name for name in names if lower and lower in name.casefold()]
    alike = difflib.get_close_matches(lower, [name.casefold() for name in names], n=_SHOWN)
    close = [name for name in names if name.casefold() in alike]
    near = list(dict.fromkeys([*words, *parts, *close]))[:_SHOWN]
    if near:
        # Many a label is a list of names with commas between them.
        return f"nearest: {'; '.join(map(printable, near))}"
    return f"there are {len(names)}, among them {'; '.join(map(printable, names[:_SHOWN]))}"
