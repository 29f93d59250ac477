"""How far one value of a model is from the source's, and when the two count as equal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# Two correct float32 implementations sum in different orders; most layers stay far below this part of their
# largest value.
TOLERANCE = 1e-5
# Where large terms cancel, rounding is larger than that. How much of it a source has by nature is measured:
# by how much its own values change when the inputs change in their last bit. Correct conversions, of the
# networks in `tests/zoo` and of published ones, were seen to differ by up to 8 times as much.
NOISE_MARGIN = 64
# A quantised layer that is given the source's own inputs rounds to the same step or to the next one.
LAYER_STEPS = 1
# From the first layer to the last, single steps add up.
OUTPUT_STEPS = 8

Layout = Literal["exact", "same", "channels second"]
# How a layer's value may lie in the model: as in the source, or with the channels on the second axis.
LAYER_LAYOUTS: tuple[Layout, ...] = ("same", "channels second")


@dataclass(frozen=True)
class Agreement:
    """How often two classifiers name the same class first.

    Attributes:
        agree: Samples in which the model's likeliest class is (one of) the source's.
        of: All samples.
    """

    agree: int
    of: int

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.agree + other.agree, self.of + other.of)

    def __str__(self) -> str:
        return f"{self.agree} of {self.of}"


@dataclass(frozen=True)
class Difference:
    """How far one value of the model is from the source's, at worst over all trials.

    Attributes:
        name: The layer or output, as the source calls it.
        value: The value's name in the ONNX graph.
        max_abs: Largest absolute difference of an element; infinite when shapes differ or one is not finite.
        largest: Largest absolute element of the source's.
        noise: Largest absolute change of the source's when its inputs change in their last bit.
        step: The real value of one step, where the source quantised the value; 0 where it did not.
        steps: How many steps of difference are allowed.
        top1: How often both name the same class first; None where the value holds no class scores.
    """

    name: str
    value: str
    max_abs: float
    largest: float
    noise: float = 0.0
    step: float = 0.0
    steps: int = 0
    top1: Agreement | None = None

    @property
    def allowed(self) -> float:
        """The difference up to which two values count as equal."""
        # Whole steps as real numbers are not exact.
        quantised = self.steps * self.step * (1 + 1e-6)
        return max(TOLERANCE * max(1.0, self.largest), NOISE_MARGIN * self.noise, quantised)

    @property
    def equal(self) -> bool:
        """Whether the difference is within what rounding explains."""
        return self.max_abs <= self.allowed

    @property
    def part(self) -> float:
        """The difference as a part of what is allowed."""
        return self.max_abs / self.allowed

    @classmethod
    def between(
        cls,
        name: str,
        value: str,
        expected: NDArray[Any],
        got: NDArray[Any],
        nudged: NDArray[Any] | None = None,
        *,
        layout: Layout = "same",
        step: float = 0.0,
        steps: int = 0,
    ) -> Difference:
        """Compare two arrays of any one numeric dtype.

        Args:
            name: The layer or output.
            value: The value's name in the ONNX graph.
            expected: What the source computed; channels last where it has channels.
            got: What the model computed, in that layout.
            nudged: What the source computed on inputs that differ in their last bit.
            layout: How `got` lies: in exactly that shape; in that shape but for axes of size one; or, those
                aside, with the channels on the second axis.
            step: The real value of one step, where the source quantised the value; integers are then counted
                in steps.
            steps: How many steps may lie between the two.
        """
        scale = step if step and expected.dtype.kind in "iu" else 1.0
        largest = float(np.abs(_finite(expected)).max(initial=0.0))
        noise = 0.0 if nudged is None else float(np.abs(_finite(expected) - _finite(nudged)).max(initial=0.0))
        seen = as_source(got, expected.shape, layout)
        apart = np.inf if seen is None else _distance(expected, seen)
        return cls(name, value, apart * scale, largest * scale, noise * scale, step, steps)

    def worse(self, other: Difference) -> Difference:
        """Whichever of two trials of one value is further from what is allowed; what agrees is counted up."""
        found = self if self.part >= other.part else other
        if self.top1 is None or other.top1 is None:
            return replace(found, top1=self.top1 or other.top1)
        return replace(found, top1=self.top1 + other.top1)

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON's types; JSON has no infinity."""
        return {
            "name": self.name,
            "value": self.value,
            "max_abs": self.max_abs if np.isfinite(self.max_abs) else None,
            "largest": self.largest,
            "noise": self.noise,
            "step": self.step,
            "allowed": self.allowed,
            "equal": self.equal,
            "top1": None if self.top1 is None else {"agree": self.top1.agree, "of": self.top1.of},
        }


def worst(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """One difference a name: the worst, in the order of first appearance."""
    found: dict[str, Difference] = {}
    for item in differences:
        found[item.name] = found[item.name].worse(item) if item.name in found else item
    return tuple(found.values())


def agreement(expected: NDArray[Any], got: NDArray[Any], count: int | None = None) -> Agreement | None:
    """Count the samples of which two arrays of class scores name the same class first.

    Args:
        expected: The source's, (batch, classes) with any axes of size one beside these; integers only of 8
            bits.
        got: The model's, in the same shape.
        count: How many samples count, the first ones; None for all.

    Returns:
        The count, a tie in `expected` counted as agreement; None where the arrays hold no class scores.

    Example:
        >>> str(agreement(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([[0.3, 0.7], [0.5, 0.5]])))
        '2 of 2'
    """
    classes = [size for size in expected.shape[1:] if size != 1]
    scores = expected.dtype.kind == "f" or (expected.dtype.kind in "iu" and expected.dtype.itemsize == 1)
    if not scores or len(classes) != 1 or expected.shape != got.shape:
        return None
    wanted, given = (array.reshape(-1, classes[0])[:count] for array in (expected, got))
    if not len(wanted):
        return None
    chosen = np.take_along_axis(wanted, given.argmax(axis=1)[:, None], axis=1)[:, 0]
    return Agreement(int((chosen == wanted.max(axis=1)).sum()), len(wanted))


def as_source(got: NDArray[Any], shape: tuple[int, ...], layout: Layout) -> NDArray[Any] | None:
    """See a model's array in the shape of the source's; None where it does not fit."""
    if layout == "exact":
        return got if got.shape == shape else None
    if layout == "channels second":
        if got.ndim < 3:
            return None
        got = np.moveaxis(got, 1, -1)
    return got.reshape(shape) if _wide(got.shape) == _wide(shape) else None


def as_model(expected: NDArray[Any], shape: tuple[int, ...], layout: Layout) -> NDArray[Any] | None:
    """See a source's array in the shape of the model's: `as_source` backwards."""
    if layout != "channels second":
        return expected.reshape(shape) if _wide(expected.shape) == _wide(shape) else None
    last = (shape[0], *shape[2:], shape[1])
    return np.moveaxis(expected.reshape(last), -1, 1) if _wide(expected.shape) == _wide(last) else None


def _wide(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def _finite(array: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _distance(expected: NDArray[Any], got: NDArray[Any]) -> float:
    """Largest absolute difference; infinite where one side is not finite and the other not the same."""
    wanted, given = expected.astype(np.float64), got.astype(np.float64)
    same = (wanted == given) | (np.isnan(wanted) & np.isnan(given))
    apart = np.abs(np.where(same, 0.0, wanted) - np.where(same, 0.0, given))
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0))
