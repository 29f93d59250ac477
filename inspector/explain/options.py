"""The options of a method of explanation: what they take, and what they mean.

Both are read from the function: its annotations, `Annotated[int, Limits(1)]` or a Literal, and its docstring.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Limits:
    """Which numbers an option takes, beside its annotation: `Annotated[int, Limits(1)]`.

    Attributes:
        least: The smallest.
        most: The largest.
        open: Whether these two are outside themselves.
        within: Whether it is a length that may be no more than the picture's longer side.
    """

    least: float = -math.inf
    most: float = math.inf
    open: bool = False
    within: bool = False

    def broken(self, value: float, size: tuple[int, int] | None) -> str:
        """What is expected instead of this value; empty where it may be had.

        Args:
            value: The option's.
            size: Height and width of the picture, where they are known.
        """
        most = self.most if size is None or not self.within else min(self.most, max(size))
        outside = value <= self.least or value >= most if self.open else value < self.least or value > most
        if not outside:
            return ""
        if self.within and value > most:
            return f"at most {most:g}, the picture's longer side"
        return self.words

    @property
    def words(self) -> str:
        """Which numbers these are; empty where all are."""
        if math.isinf(self.least):
            return ""
        if math.isinf(self.most):
            return f"more than {self.least:g}" if self.open else f"{self.least:g} or more"
        if self.open:
            return f"a number between {self.least:g} and {self.most:g}"
        return f"{self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Option:
    """An option of a method, as its function declares it.

    Attributes:
        name: "masks".
        default: What it is unless it is given.
        choices: The words that it takes; empty for numbers.
        limits: The numbers that it takes.
        meaning: What it does, in the words of the function's docstring.
    """

    name: str
    default: Any
    choices: tuple[str, ...] = ()
    limits: Limits = Limits()
    meaning: str = ""

    @property
    def values(self) -> str:
        """What it takes, in words."""
        if self.choices:
            return ", ".join(self.choices)
        return self.limits.words or _KINDS[type(self.default)]

    def wrong(self, value: object, size: tuple[int, int] | None) -> str:
        """What is expected instead of this value; empty where it may be had."""
        if self.choices:
            *most, last = self.choices
            return "" if value in self.choices else f"{', '.join(most)} or {last}"
        if not _alike(value, self.default):
            return _KINDS[type(self.default)]
        return self.limits.broken(value, size) if isinstance(value, (int, float)) else ""


def options_of(function: Callable[..., Any]) -> Mapping[str, Option]:
    """Return the options of a method by name: its function's parameters but the first, the subject."""
    hints, meanings = get_type_hints(function, include_extras=True), _meanings(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {
        each.name: Option(each.name, each.default, *_taken(hints.get(each.name)), meanings.get(each.name, ""))
        for each in parameters
    }


_KINDS = {int: "a whole number", float: "a number", str: "a word", bool: "True or False"}


def _alike(value: object, default: object) -> bool:
    """Whether an option's value is of the kind of its default."""
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is type(default)


def _taken(hint: object) -> tuple[tuple[str, ...], Limits]:
    """The words and the numbers that an annotation lets through."""
    plain, *beside = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    limits = next((each for each in beside if isinstance(each, Limits)), Limits())
    return (get_args(plain) if get_origin(plain) is Literal else ()), limits


def _meanings(function: Callable[..., Any]) -> dict[str, str]:
    """The sentence about each argument in a docstring in Google's style."""
    found: dict[str, str] = {}
    name, inside = "", False
    for line in (inspect.getdoc(function) or "").splitlines():
        if not line.startswith(" "):
            inside = line == "Args:" or (inside and not line)
        elif inside and not line.startswith(" " * 8):
            name, _, meaning = (part.strip() for part in line.partition(":"))
            found[name] = meaning
        elif inside:
            found[name] += f" {line.strip()}"
    return found
