"""Arithmetic of several inputs, which are broadcast to one shape."""

from __future__ import annotations

import numpy as np

from inspector.gradients.infinite import steep
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value


@vjp("Add", since=7)
def add(node: Node, grad: Value) -> tuple[Value, ...]:
    """1 for both."""
    return grad.unbroadcast(node.input), grad.unbroadcast(node.given(1))


@vjp("Sub", since=7)
def sub(node: Node, grad: Value) -> tuple[Value, ...]:
    """1 and −1."""
    return grad.unbroadcast(node.input), -grad.unbroadcast(node.given(1))


@vjp("Mul", since=7)
def mul(node: Node, grad: Value) -> tuple[Value, ...]:
    """The other factor."""
    a, b = node.input, node.given(1)
    return (grad * b).unbroadcast(a), (grad * a).unbroadcast(b)


@vjp("Div", since=7)
def div(node: Node, grad: Value) -> tuple[Value, ...]:
    """1/b and −a/b²."""
    a, b = node.input, node.given(1)
    over = grad / b if b.is_constant else steep(grad / b)
    return over.unbroadcast(a), -(over * node.output).unbroadcast(b)


@vjp("Pow", since=7)
def power(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """b·a^(b−1), and y·ln a, which is taken as 0 where a is 0."""
    a, b = node.input, node.given(1)
    positive_base = a.equal(0).where(1.0, a) if b.dtype == a.dtype else None
    by_exponent = None if positive_base is None else grad * node.output * positive_base.op("Log")
    by_base = grad * _power_slope(node, a, b)
    if _may_be_root(node):
        steep(by_base)
    return by_base.unbroadcast(a), by_exponent and by_exponent.unbroadcast(b)


def _may_be_root(node: Node) -> bool:
    """Whether an exponent may be below 1, where the slope at 0 is infinite; 0 makes a flat power."""
    exponents = node.constant(1)
    return exponents is None or bool(np.any((exponents < 1) & (exponents != 0)))


def _power_slope(node: Node, a: Value, b: Value) -> Value:
    """b·a^(b−1), and 0 where b is 0 whatever a is."""
    exponents = node.constant(1)
    if exponents is None:
        exponent = b.cast(a.dtype)
        none = exponent.equal(0)
        return exponent * a.op("Pow", none.where(1.0, exponent) - 1)
    factor = exponents.astype(a.dtype)
    lower = np.where(factor == 0, 0, factor - 1).astype(a.dtype)
    if np.all(lower == 1):
        return a * node.array(factor)
    return a.op("Pow", node.array(lower)) * node.array(factor)


@vjp("Mod", since=10)
def mod(node: Node, grad: Value) -> tuple[Value, ...]:
    """1, and minus the whole number of times that b goes into a."""
    a, b = node.input, node.given(1)
    times = ((a - node.output) / b).op("Round")
    return grad.unbroadcast(a), -(grad * times).unbroadcast(b)


@vjp("Sum", since=8)
def total(node: Node, grad: Value) -> tuple[Value, ...]:
    """1 for each."""
    return tuple(grad.unbroadcast(each) for each in node.inputs if each)


@vjp("Mean", since=8)
def mean(node: Node, grad: Value) -> tuple[Value, ...]:
    """1/n for each of n."""
    share = grad * (1 / len(node.inputs))
    return tuple(share.unbroadcast(each) for each in node.inputs if each)
