"""The methods of explanation: a registry that `inspector.explain.methods` fills, one method a file."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.explain.options import Option, options_of

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
        return {name: option.default for name, option in self.declared.items()}

    @cached_property
    def declared(self) -> Mapping[str, Option]:
        """The method's options with what they take and mean."""
        return options_of(self.function)

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
