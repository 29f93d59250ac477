"""`--input-shape`: what stands for inputs that a source does not declare."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.errors import SourceError
from converters.trials import FREE_AXIS, TensorSpec

DTYPES = (
    "float32",
    "float64",
    "float16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
)
EXAMPLE = "--input-shape N,3,224,224"
_HINT = f"For example: {EXAMPLE}; a letter is an axis of any size."
_WHOLE = re.compile(r"(?:(?P<name>[^=]*)=)?(?P<axes>[^:=]*)(?::(?P<dtype>.*))?")
_LARGEST_AXIS = 2**20
# More numbers than the largest pictures and sequences have, and still an array that every machine can hold.
_LARGEST_INPUT = 2**28
# A batch of one would be taken for a fixed size by frameworks that trace.
_BATCH = 2


@dataclass(frozen=True)
class InputShape:
    """An input as a user describes it.

    Attributes:
        name: Its name; empty where only its place tells it.
        axes: The size of each axis, or the letter of one that may have any size; equal letters, equal sizes.
        dtype: Its element type.
    """

    name: str
    axes: tuple[int | str, ...]
    dtype: np.dtype[Any]

    def spec(self, name: str) -> TensorSpec:
        """The declaration of an input of this shape."""
        return TensorSpec(name, self.dtype, tuple(a if isinstance(a, int) else None for a in self.axes))

    def example(self) -> tuple[int, ...]:
        """A shape without letters, for tracing."""
        return tuple(
            axis if isinstance(axis, int) else FREE_AXIS if place else _BATCH
            for place, axis in enumerate(self.axes)
        )


def parse(text: str) -> InputShape:
    """Read one description: "N,3,32,32", "image=N,3,32,32", "tokens=N,16:int64".

    Args:
        text: Sizes or letters, with commas; a name before them, a dtype (float32 without it) behind them.

    Raises:
        SourceError: It is no such description.

    Example:
        >>> parse("tokens=N,16:int64")
        InputShape(name='tokens', axes=('N', 16), dtype=dtype('int64'))
    """
    parts = _WHOLE.fullmatch(text.strip())
    if parts is None:
        raise SourceError(f"--input-shape {text}: is not [NAME=]SIZE,SIZE,…[:DTYPE]", _HINT)
    dtype = "float32" if parts["dtype"] is None else parts["dtype"].strip()
    if dtype not in DTYPES:
        raise SourceError(
            f"--input-shape {text}: {dtype or 'nothing'} is no element type; expected {', '.join(DTYPES)}",
            _nearest(dtype),
        )
    axes = tuple(_axis(text, axis.strip()) for axis in parts["axes"].split(","))
    shape = InputShape((parts["name"] or "").strip(), axes, np.dtype(dtype))
    if int(np.prod(shape.example(), dtype=object)) > _LARGEST_INPUT:
        raise SourceError(
            f"--input-shape {text}: has more than the {_LARGEST_INPUT:,} numbers accepted", _HINT
        )
    return shape


def matched(shapes: Sequence[str], names: Sequence[str], where: str) -> Mapping[str, InputShape]:
    """Give each input its description, by its name or else by its place.

    Args:
        shapes: The descriptions.
        names: The source's inputs, in order.
        where: The source, for messages.

    Returns:
        Input name → description, in the order of the inputs.

    Raises:
        SourceError: There are too few or too many descriptions, or one names no input.

    Example:
        >>> found = matched(["N,8", "first=N,4"], ["first", "second"], "net.pt")
        >>> {name: shape.axes for name, shape in found.items()}
        {'first': ('N', 4), 'second': ('N', 8)}
    """
    parsed = [parse(text) for text in shapes]
    named = {shape.name: shape for shape in parsed if shape.name}
    for name in named:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise SourceError(
                f"{where}: has no input {name}; its inputs are {', '.join(names)}",
                f"Nearest: {near[0]}." if near else "",
            )
    if len(parsed) != len(names) or len(named) + sum(not shape.name for shape in parsed) != len(names):
        raise SourceError(
            f"{where}: needs --input-shape once for each of its {_counted(len(names), 'input')}, "
            f"{', '.join(names)}; {len(parsed)} given",
            f"For example: {' '.join(f'--input-shape {name}=N,3,224,224' for name in names)}; "
            "a letter is an axis of any size.",
        )
    placed = iter(shape for shape in parsed if not shape.name)
    return {name: named.get(name) or next(placed) for name in names}


def _axis(text: str, axis: str) -> int | str:
    if re.fullmatch(r"[A-Za-z]\w*", axis):
        return axis
    if not re.fullmatch(r"\d{1,9}", axis) or not 0 < int(axis) <= _LARGEST_AXIS:
        raise SourceError(
            f"--input-shape {text}: {axis or 'nothing'} is no size; expected a number from 1 to "
            f"{_LARGEST_AXIS:,} or a letter",
            _HINT,
        )
    return int(axis)


def _nearest(dtype: str) -> str:
    near = difflib.get_close_matches(dtype, DTYPES, 1)
    return f"Nearest: {near[0]}." if near else _HINT


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
