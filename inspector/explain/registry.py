"""The methods of explanation: a registry that `inspector.explain.methods` fills, one method a file."""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError

if TYPE_CHECKING:
    from inspector.explain.subject import Blank, Subject

Maps: TypeAlias = "NDArray[np.float32] | Heatmaps"
Needs = Literal["gradient", "forward"]


@dataclass(frozen=True, eq=False)
class Heatmaps:
    """What a method gives when it has more to say than numbers.

    Attributes:
        values: float32 (N, H, W), one map for each picture of the subject.
        figures: What was measured on the way, a number for each picture: a completeness error, say.
        notes: What the reader should know, in sentences.
        layer: The layer whose maps were used, if any.
    """

    values: NDArray[np.float32]
    figures: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    layer: str = ""


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


@dataclass(frozen=True, eq=False)
class Method:
    """A way of explaining a decision.

    Attributes:
        name: "grad-cam".
        function: The subject, and the method's options as keywords → its maps.
        paper: Where it was published.
        needs: Whether it needs the model's gradient, or only runs the model forward.
        signed: Whether a map has two sides: what speaks for the target, and what against it.
        caution: What is known to be wrong with it, in a sentence; empty for most.
        nothing: What it compares the picture with, where that is no option of it called `blank`.
        compares: Whether it compares a picture with the others that are explained.
        layered: Whether it is made of the maps of a layer.
    """

    name: str
    function: Callable[..., Maps]
    paper: str
    needs: Needs
    signed: bool
    caution: str = ""
    nothing: Blank = "blur"
    compares: bool = False
    layered: bool = False

    def blank(self, given: Mapping[str, Any]) -> Blank:
        """What it compares the picture with.

        Args:
            given: Options that differ from their defaults.
        """
        chosen: Blank = {**self.options, **given}.get("blank", self.nothing)
        return chosen

    @property
    def options(self) -> Mapping[str, Any]:
        """The method's options with their defaults."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    @cached_property
    def declared(self) -> Mapping[str, Option]:
        """The method's options with what they take and mean."""
        hints = get_type_hints(self.function, include_extras=True)
        meanings = _meanings(self.function)
        return {
            name: Option(name, default, *_taken(hints.get(name)), meanings.get(name, ""))
            for name, default in self.options.items()
        }

    def check(self, given: Mapping[str, Any], size: tuple[int, int] | None = None) -> None:
        """Refuse options that it does not have, and values that they do not take.

        Args:
            given: Options that differ from their defaults.
            size: Height and width of the picture, where they are known already.

        Raises:
            OptionError: There is no such option, or it takes no such value.
        """
        for name, value in given.items():
            if name not in self.declared:
                known = ", ".join(self.options) or "none"
                raise OptionError(f"{self.name} has no option {name!r}; its options: {known}", "")
            option = self.declared[name]
            expected = option.wrong(value, size)
            if expected:
                raise OptionError(
                    f"{self.name}: {name} is {value!r}; expected {expected}",
                    f"-O {self.name}.{name}={option.default}",
                )

    def run(self, subject: Subject, given: Mapping[str, Any]) -> Heatmaps:
        """Explain.

        Args:
            subject: What is explained.
            given: Options that differ from their defaults.

        Raises:
            OptionError: The method has no such option, or it takes no such value.
            GradientError: It needs a gradient that the model does not have.
        """
        self.check(given)
        if any(option.limits.within for option in self.declared.values()):
            self.check(given, subject.size)
        found = self.function(subject, **given)
        return found if isinstance(found, Heatmaps) else Heatmaps(found)


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


def _meanings(function: Callable[..., Maps]) -> dict[str, str]:
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


def method(
    name: str,
    *,
    paper: str,
    needs: Needs,
    signed: bool,
    caution: str = "",
    nothing: Blank = "blur",
    compares: bool = False,
    layered: bool = False,
) -> Callable[[Callable[..., Maps]], Callable[..., Maps]]:
    """Make a function a method; it stays callable as it was.

    Args:
        name: What users call it.
        paper: Authors, title, venue and year.
        needs: "gradient" or "forward".
        signed: Whether its maps have two sides.
        caution: What is known to be wrong with it.
        nothing: What it compares the picture with, where it has no option `blank`.
        compares: Whether it compares a picture with the others that are explained.
        layered: Whether it is made of the maps of a layer.
    """

    def mark(function: Callable[..., Maps]) -> Callable[..., Maps]:
        made = Method(name, function, paper, needs, signed, caution, nothing, compares, layered)
        function.method = made  # type: ignore[attr-defined]
        return function

    return mark


@cache
def all_methods() -> Mapping[str, Method]:
    """Every method of `inspector.explain.methods` by name, in the order of their names."""
    from inspector.explain import methods

    found: dict[str, Method] = {}
    for info in pkgutil.iter_modules(methods.__path__, f"{methods.__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            mark = getattr(value, "method", None)
            if isinstance(mark, Method):
                found[mark.name] = mark
    return {name: found[name] for name in sorted(found)}


def find(name: str) -> Method:
    """Return the method of this name, in small or capital letters, with "_" or "-".

    Raises:
        OptionError: There is none; the message holds the nearest names.

    Example:
        >>> find("gradient").needs
        'gradient'
    """
    known = all_methods()
    usual = usual_name(name)
    if usual not in known:
        near = difflib.get_close_matches(usual, known, n=3, cutoff=0.4)
        told = f"nearest: {', '.join(near)}" if near else f"there are {', '.join(known)}"
        raise OptionError(
            f"there is no method {name!r}; {told}", f"-m {near[0] if near else next(iter(known))}"
        )
    return known[usual]


def usual_name(name: str) -> str:
    """A method's name as the registry has it.

    Example:
        >>> usual_name("Grad_CAM")
        'grad-cam'
    """
    return name.lower().replace("_", "-")
