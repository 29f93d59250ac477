"""The methods of explanation: a registry that `inspector.explain.methods` fills, one method a file."""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

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
    """

    name: str
    function: Callable[..., Maps]
    paper: str
    needs: Needs
    signed: bool
    caution: str = ""
    nothing: Blank = "blur"
    compares: bool = False

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

    def run(self, subject: Subject, given: Mapping[str, Any]) -> Heatmaps:
        """Explain.

        Args:
            subject: What is explained.
            given: Options that differ from their defaults.

        Raises:
            OptionError: The method has no such option, or it is of another kind.
            GradientError: It needs a gradient that the model does not have.
        """
        for name, value in given.items():
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise OptionError(f"{self.name} has no option {name!r}; its options: {known}", "")
            default = self.options[name]
            if not _alike(value, default):
                raise OptionError(
                    f"{self.name}: {name} is {value!r}; expected {_KINDS[type(default)]}",
                    f"-O {self.name}.{name}={default}",
                )
        found = self.function(subject, **given)
        return found if isinstance(found, Heatmaps) else Heatmaps(found)


_KINDS = {int: "a whole number", float: "a number", str: "a word", bool: "True or False"}


def _alike(value: object, default: object) -> bool:
    """Whether an option's value is of the kind of its default."""
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is type(default)


def method(
    name: str,
    *,
    paper: str,
    needs: Needs,
    signed: bool,
    caution: str = "",
    nothing: Blank = "blur",
    compares: bool = False,
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
    """

    def mark(function: Callable[..., Maps]) -> Callable[..., Maps]:
        made = Method(name, function, paper, needs, signed, caution, nothing, compares)
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
    """Return the method of this name.

    Raises:
        OptionError: There is none; the message holds the nearest names.

    Example:
        >>> find("gradient").needs
        'gradient'
    """
    known = all_methods()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
        told = f"nearest: {', '.join(near)}" if near else f"there are {', '.join(known)}"
        raise OptionError(
            f"there is no method {name!r}; {told}", f"-m {near[0] if near else next(iter(known))}"
        )
    return known[name]
