"""Functions of one element: powers, exponentials, trigonometry."""

from __future__ import annotations

import math

from inspector.gradients.infinite import steep
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value


@vjp("Neg")
def neg(node: Node, grad: Value) -> Value:
    """−1."""
    return -grad


@vjp("Abs")
def absolute(node: Node, grad: Value) -> Value:
    """The sign of the input; 0 at zero."""
    return grad * node.input.op("Sign")


@vjp("Reciprocal")
def reciprocal(node: Node, grad: Value) -> Value:
    """−1/x², which is −y²."""
    y = node.output
    return steep(-grad * (y * y))


@vjp("Sqrt")
def sqrt(node: Node, grad: Value) -> Value:
    """1/(2y)."""
    return steep(grad * 0.5 / node.output)


@vjp("Exp")
def exp(node: Node, grad: Value) -> Value:
    """The output itself."""
    return grad * node.output


@vjp("Log")
def log(node: Node, grad: Value) -> Value:
    """1/x."""
    return steep(grad / node.input)


@vjp("Erf", since=9)
def erf(node: Node, grad: Value) -> Value:
    """2/√π · e^(−x²)."""
    x = node.input
    return grad * ((-x * x).op("Exp") * (2 / math.sqrt(math.pi)))


@vjp("Sin", since=7)
def sin(node: Node, grad: Value) -> Value:
    """The cosine."""
    return grad * node.input.op("Cos")


@vjp("Cos", since=7)
def cos(node: Node, grad: Value) -> Value:
    """The negative sine."""
    return -grad * node.input.op("Sin")


@vjp("Tan", since=7)
def tan(node: Node, grad: Value) -> Value:
    """1 + y²."""
    y = node.output
    return grad * (1 + y * y)


@vjp("Asin", since=7)
def asin(node: Node, grad: Value) -> Value:
    """1/√(1 − x²)."""
    x = node.input
    return steep(grad / ((1 - x) * (1 + x)).op("Sqrt"))


@vjp("Acos", since=7)
def acos(node: Node, grad: Value) -> Value:
    """−1/√(1 − x²)."""
    x = node.input
    return steep(-grad / ((1 - x) * (1 + x)).op("Sqrt"))


@vjp("Atan", since=7)
def atan(node: Node, grad: Value) -> Value:
    """1/(1 + x²)."""
    x = node.input
    return grad / (1 + x * x)


@vjp("Sinh", since=9)
def sinh(node: Node, grad: Value) -> Value:
    """The hyperbolic cosine."""
    return grad * node.input.op("Cosh")


@vjp("Cosh", since=9)
def cosh(node: Node, grad: Value) -> Value:
    """The hyperbolic sine."""
    return grad * node.input.op("Sinh")


@vjp("Asinh", since=9)
def asinh(node: Node, grad: Value) -> Value:
    """1/√(x² + 1)."""
    x = node.input
    return grad / (x * x + 1).op("Sqrt")


@vjp("Acosh", since=9)
def acosh(node: Node, grad: Value) -> Value:
    """1/√(x² − 1)."""
    x = node.input
    return steep(grad / ((x - 1) * (x + 1)).op("Sqrt"))


@vjp("Atanh", since=9)
def atanh(node: Node, grad: Value) -> Value:
    """1/(1 − x²)."""
    x = node.input
    return steep(grad / ((1 - x) * (1 + x)))
