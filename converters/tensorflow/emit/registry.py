"""The emitters by TensorFlow op: a decorated function is all that a new one takes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from converters.tensorflow.emit.emission import Emission
    from converters.tensorflow.emit.value import Value
    from converters.tensorflow.topology import Node

Emitter: TypeAlias = "Callable[[Emission, Node], Value | tuple[Value, ...]]"
_Function = TypeVar("_Function", bound=Callable[..., object])

_OPS = "_tensorflow_ops"


class NoEmitter(Exception):
    """An emitter's way to say that it does not cover a node, and why."""

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(f"{node.op} {node.name}: {reason}")
        self.node = node
        self.reason = reason


def emitter(*ops: str) -> Callable[[_Function], _Function]:
    """Mark a function as what writes these TensorFlow ops as ONNX nodes."""

    def mark(function: _Function) -> _Function:
        setattr(function, _OPS, ops)
        return function

    return mark


@cache
def emitters() -> Mapping[str, Emitter]:
    """Every emitter of the package, by TensorFlow op.

    Example:
        >>> emitters()["Relu6"].__name__
        'relu6'
    """
    from converters.tensorflow import emit

    found: dict[str, Emitter] = {}
    for info in pkgutil.iter_modules(emit.__path__, f"{emit.__name__}."):
        for function in vars(importlib.import_module(info.name)).values():
            for op in getattr(function, _OPS, ()):
                found[op] = function
    return dict(sorted(found.items()))
