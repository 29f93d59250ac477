"""The emitters by TensorFlow Lite operator: a decorated function is all that a new one takes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from converters.tensorflow.emit.value import Value
    from converters.tflite.emit.emission import Emission
    from converters.tflite.model import Operation

Emitter: TypeAlias = "Callable[[Emission, Operation], Value | tuple[Value, ...]]"
_Function = TypeVar("_Function", bound=Callable[..., object])

_RULES = "_lite_rules"
ANY_NUMBER = 1 << 16


@dataclass(frozen=True)
class Rule:
    """What is known of an operator before its emitter is called.

    Attributes:
        write: The emitter.
        least: How many inputs it has at least.
        most: How many it may have.
        moves: Whether it only moves numbers, so that whole numbers that stand for real ones stay as they are.
    """

    write: Emitter
    least: int
    most: int
    moves: bool


def emitter(
    *ops: str, inputs: int | tuple[int, int] = 1, moves: bool = False
) -> Callable[[_Function], _Function]:
    """Mark a function as what writes these TensorFlow Lite operators as ONNX nodes.

    Args:
        ops: Their names.
        inputs: How many inputs they have, or the least and the most.
        moves: Whether they only move numbers.
    """
    least, most = (inputs, inputs) if isinstance(inputs, int) else inputs

    def mark(function: _Function) -> _Function:
        marked = getattr(function, _RULES, {})
        rules = {**marked, **{op: Rule(function, least, most, moves) for op in ops}}  # type: ignore[arg-type]
        setattr(function, _RULES, rules)
        return function

    return mark


@cache
def emitters() -> Mapping[str, Rule]:
    """Every emitter of the package, by operator.

    Example:
        >>> emitters()["RELU6"].write.__name__
        'rectified'
    """
    from converters.tflite import emit

    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(emit.__path__, f"{emit.__name__}."):
        for function in vars(importlib.import_module(info.name)).values():
            found.update(getattr(function, _RULES, {}))
    return dict(sorted(found.items()))
