"""What a rule is, and what it is told of the node that it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from converters.tensorflow.dtypes import Array, DType, to_numpy
from converters.tensorflow.topology import Node

_WIDE = np.dtype(np.float64)


@dataclass(frozen=True)
class Operation:
    """The attributes of a node, each with the value that it has when it is not there."""

    node: Node

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def op(self) -> str:
        """What the node does, "Conv2D"."""
        return self.node.op

    def integer(self, name: str, default: int = 0) -> int:
        """Return a whole number."""
        attribute = self.node.attr(name)
        return default if attribute is None else int(attribute.i)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        attribute = self.node.attr(name)
        return () if attribute is None else tuple(attribute.list.i)

    def real(self, name: str, default: float) -> float:
        """Return a float."""
        attribute = self.node.attr(name)
        return default if attribute is None else float(attribute.f)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean."""
        attribute = self.node.attr(name)
        return default if attribute is None else bool(attribute.b)

    def text(self, name: str, default: str = "") -> str:
        """Return a string."""
        attribute = self.node.attr(name)
        return default if attribute is None or not attribute.s else str(attribute.s, "utf-8")

    def dtype(self, name: str, default: str) -> DType:
        """Return a type as numpy has it."""
        return to_numpy(self.node.type(name)) or np.dtype(default)

    @property
    def channels_first(self) -> bool:
        """Whether the channels of pictures come before their rows."""
        return self.text("data_format").startswith("NC")


Function: TypeAlias = Callable[..., "Array | tuple[Array, ...]"]


@dataclass(frozen=True)
class Rule:
    """How some ops are computed.

    Attributes:
        ops: The ops' names.
        function: Takes the operation and its inputs; returns its output, or a tuple of them.
        narrow: Whether weights come in the float type in which they are stored: the function widens what it
            needs of a large one piece by piece. All others get float64.
    """

    ops: tuple[str, ...]
    function: Function
    narrow: bool = False

    def __call__(self, operation: Operation, *inputs: Array) -> Array | tuple[Array, ...]:
        """Compute the outputs of one node."""
        return self.function(operation, *inputs)


def rule(*ops: str, narrow: bool = False) -> Callable[[Function], Rule]:
    """Make a function the rule of these ops."""
    return lambda function: Rule(ops, function, narrow)


def simple(op: str, function: Callable[..., Array]) -> Rule:
    """Return the rule of an op that needs nothing but its inputs."""
    return Rule((op,), lambda operation, *inputs: function(*inputs))


def widened(value: Array) -> Array:
    """Return floats as float64; `bfloat16`, which numpy does not count among them, too."""
    is_float = value.dtype.kind == "f" or value.dtype.name.startswith(("bfloat", "float8"))
    return value.astype(_WIDE, copy=False) if is_float else value


def integers(value: Array) -> tuple[int, ...]:
    """Return an array of sizes, axes or places as Python's numbers."""
    return tuple(int(number) for number in np.ravel(value))
