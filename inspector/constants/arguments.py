"""What a rule is given, checked: inputs, attributes, shapes. What is wrong ends in a `NotConstantError`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from inspector.onnxfile import Node

Array: TypeAlias = NDArray[Any]
Inputs: TypeAlias = Sequence[Array | None]

# A few bytes of graph can ask for any amount of memory; no layer has a kernel as large as this.
MAX_ELEMENTS = 2**26


class NotConstantError(Exception):
    """A value cannot be known without running the graph; the text says why, as the end of a sentence."""


def need(node: Node, inputs: Inputs, at: int) -> Array:
    """Return one input, which must be there and be of real numbers."""
    array = inputs[at] if at < len(inputs) else None
    if array is None:
        raise NotConstantError(f"come from a {node.op_type} whose input {at} is missing")
    if array.dtype.kind not in "fiub":
        raise NotConstantError(
            f"come from a {node.op_type} of {'strings' if array.dtype == object else array.dtype}"
        )
    return array


def integer(node: Node, name: str, default: int) -> int:
    """Return an attribute that is an integer."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int):
        raise NotConstantError(f"come from a {node.op_type} whose attribute {name!r} is no integer")
    return value


def integers(node: Node, name: str) -> tuple[int, ...] | None:
    """Return an attribute that is a list of integers; None without it."""
    values = node.attributes.get(name)
    if values is None:
        return None
    found = [value for value in values if isinstance(value, int)] if isinstance(values, tuple) else []
    if not isinstance(values, tuple) or len(found) != len(values):
        raise NotConstantError(f"come from a {node.op_type} whose attribute {name!r} is no list of integers")
    return tuple(found)


def whole(node: Node, array: Array) -> tuple[int, ...]:
    """Return the integers of a shape or of axes."""
    check(
        node, array.dtype.kind in "iu" and array.ndim <= 1 and array.size <= 32, f"by {array.dtype} numbers"
    )
    return tuple(int(size) for size in array.reshape(-1))


def axes_of(node: Node, inputs: Sequence[Array | None], rank: int) -> tuple[int, ...] | None:
    """Return the axes of a Squeeze or Unsqueeze, counted from the first; None when it names none."""
    axes = integers(node, "axes")
    if axes is None and len(inputs) > 1 and inputs[1] is not None:
        axes = whole(node, inputs[1])
    if axes is None:
        return None
    check(node, all(-rank <= axis < rank for axis in axes), f"along {list(axes)} of {rank} axes")
    return tuple(axis % rank for axis in axes)


def check(node: Node, good: bool, detail: str) -> None:
    """Refuse what the operator's definition does not allow."""
    if not good:
        raise NotConstantError(f"come from a {node.op_type} that cannot be done: {detail}")


def check_size(node: Node, count: int) -> None:
    """Refuse to make more elements than any kernel has."""
    check(node, count <= MAX_ELEMENTS, f"{count:,} elements, more than {MAX_ELEMENTS:,}")


def check_broadcast(node: Node, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """Refuse two shapes that do not broadcast."""
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    good = all(a == b or 1 in (a, b) for a, b in zip(*padded, strict=True))
    check(node, good, f"of {list(left)} and {list(right)}")
    check_size(node, math.prod(max(a, b) for a, b in zip(*padded, strict=True)))
