"""Comparisons and logic."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from converters.tensorflow.emit.arithmetic import chosen, combined, compared, each
from converters.tensorflow.emit.attributes import real
from converters.tensorflow.emit.axes import ranked, unsqueezed
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

_NAMES: Mapping[str, str] = MappingProxyType(
    {"Less": "Less", "LessEqual": "LessOrEqual", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual"}
    | {"Equal": "Equal", "LogicalAnd": "And", "LogicalOr": "Or"}
)


@emitter(*_NAMES)
def comparison(to: Emission, node: Node) -> Value:
    """Of two operands that are broadcast."""
    return compared(to, _NAMES[node.op], to.input(node, 0), to.input(node, 1))


@emitter("NotEqual")
def not_equal(to: Emission, node: Node) -> Value:
    """The opposite of Equal."""
    return negated(to, compared(to, "Equal", to.input(node, 0), to.input(node, 1)))


@emitter("LogicalNot")
def logical_not(to: Emission, node: Node) -> Value:
    """ONNX calls it Not."""
    return negated(to, to.input(node, 0))


@emitter("ApproximateEqual")
def approximate_equal(to: Emission, node: Node) -> Value:
    """|a − b| < tolerance."""
    distance = each(to, "Abs", combined(to, "Sub", to.input(node, 0), to.input(node, 1)))
    return compared(to, "Less", distance, to.scalar(real(node, "tolerance", 1e-5), distance))


@emitter("IsNan", "IsInf")
def is_special(to: Emission, node: Node) -> Value:
    """Where a number is none, or infinite."""
    return _tested(to, "IsNaN" if node.op == "IsNan" else "IsInf", to.input(node, 0))


@emitter("IsFinite")
def is_finite(to: Emission, node: Node) -> Value:
    """Where a number is neither infinite nor none."""
    x = to.input(node, 0)
    return negated(to, compared(to, "Or", _tested(to, "IsNaN", x), _tested(to, "IsInf", x)))


@emitter("Select")
def select(to: Emission, node: Node) -> Value:
    """By a condition for each element, for each row, or for all."""
    condition, a, b = to.inputs(node)
    of_condition, shape = ranked(node, condition, a)
    if len(of_condition) == 1 and len(shape) > 1:
        condition = unsqueezed(to, condition, range(1, len(shape)))
    elif len(of_condition) not in (0, len(shape)):
        raise NoEmitter(node, "its condition has other axes than its data")
    return chosen(to, condition, a, b)


@emitter("SelectV2")
def select_v2(to: Emission, node: Node) -> Value:
    """By a condition that is broadcast like the data."""
    return chosen(to, *to.inputs(node))


def negated(to: Emission, x: Value) -> Value:
    """The opposite of a truth value."""
    return each(to, "Not", x)


def _tested(to: Emission, op_type: str, x: Value) -> Value:
    return to.node(op_type, [x], x.like(dtype=np.dtype(bool)))
