"""The attributes of a TensorFlow node as Python values."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import DType, to_numpy
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.topology import Node


def integer(node: Node, name: str, default: int = 0) -> int:
    """An integer attribute."""
    value = node.attr(name)
    return default if value is None else int(value.i)


def real(node: Node, name: str, default: float = 0.0) -> float:
    """A float attribute, in the float32 that the graph stores."""
    value = node.attr(name)
    return default if value is None else float(value.f)


def flag(node: Node, name: str, default: bool = False) -> bool:
    """A boolean attribute."""
    value = node.attr(name)
    return default if value is None else bool(value.b)


def text(node: Node, name: str, default: str = "") -> str:
    """A string attribute."""
    value = node.attr(name)
    return default if value is None else value.s.decode("utf-8", "replace")


def integers(node: Node, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """A list of integers; the default also stands for an empty list."""
    value = node.attr(name)
    return default if value is None else tuple(value.list.i) or default


def kind(node: Node, *names: str, default: str = "float32") -> DType:
    """An element type: the first of these attributes that is there.

    Raises:
        NoEmitter: ONNX has no such type.
    """
    number = node.type(*names)
    found = to_numpy(number) if number else np.dtype(default)
    if found is None or found.hasobject:
        raise NoEmitter(node, "its element type is not one of ONNX's numbers")
    return found
