"""Activations.

Wherever the derivative can be had from the output it is: onnxruntime then still fuses an activation into the
convolution before it, and the value between the two is never stored.
"""

from __future__ import annotations

import math

from inspector.gradients.expressions import axis_of, positive
from inspector.gradients.formulations import masked
from inspector.gradients.infinite import Replaced, let_through
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value


@vjp("Relu")
def relu(node: Node, grad: Value) -> Value:
    """1 where the output is above zero."""
    return masked(grad, node.output)


@vjp("LeakyRelu")
def leaky_relu(node: Node, grad: Value) -> Value:
    """1 or `alpha`, by the sign of the input."""
    alpha = node.attr("alpha", 0.01)
    # A negative alpha folds the line: the output no longer has the sign of the input.
    side = node.output if alpha >= 0 else node.input
    return let_through(grad, positive(side) * (1 - alpha) + alpha)


@vjp("PRelu", since=7)
def prelu(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """1 or the slope, by the sign of the input; the slope is multiplied by the negative part."""
    x, slope = node.input, node.given(1)
    above = positive(x)
    below = 1 - above
    return let_through(grad, above + slope * below), let_through(grad * x, below).unbroadcast(slope)


@vjp("Elu")
def elu(node: Node, grad: Value) -> Value:
    """1 above zero, alpha·eˣ below."""
    return _exponential(node, grad, 1.0, node.attr("alpha", 1.0))


@vjp("Selu", since=6)
def selu(node: Node, grad: Value) -> Value:
    """The factor gamma above zero, gamma·alpha·eˣ below."""
    gamma = node.attr("gamma", 1.0507009873554805)
    return _exponential(node, grad, gamma, gamma * node.attr("alpha", 1.6732632423543772))


@vjp("Celu", since=12)
def celu(node: Node, grad: Value) -> Value:
    """1 above zero, e^(x/alpha) below, which is 1 + y/alpha."""
    return grad * (1 + node.output.op("Min", 0.0) / node.attr("alpha", 1.0))


def _exponential(node: Node, grad: Value, slope: float, depth: float) -> Value:
    """`slope` above zero; below, depth·eˣ, which is the output plus `depth`."""
    x, y = node.input, node.output
    if slope == depth > 0:
        return grad * (y.op("Min", 0.0) + depth)
    above = positive(x)
    below = (x * (1 - above)).op("Exp") * depth
    return grad * (above * slope + below * (1 - above))


@vjp("ThresholdedRelu", since=10)
def thresholded_relu(node: Node, grad: Value) -> Value:
    """1 where the input exceeds `alpha`."""
    return let_through(grad, positive(node.input - node.attr("alpha", 1.0)))


@vjp("Sigmoid")
def sigmoid(node: Node, grad: Value) -> Value:
    """y·(1 − y)."""
    y = node.output
    return grad * (y * (1 - y))


@vjp("HardSigmoid")
def hard_sigmoid(node: Node, grad: Value) -> Value:
    """`alpha` between the two bends."""
    y = node.output
    return let_through(grad, positive(y * (1 - y)) * node.attr("alpha", 0.2))


@vjp("HardSwish", since=14)
def hard_swish(node: Node, grad: Value) -> Value:
    """h(x) + x·h'(x), with the hard sigmoid h(x) = x/6 + 1/2 between 0 and 1."""
    x = node.input
    h = x.op("HardSigmoid", alpha=1 / 6, beta=0.5)
    return let_through(grad, h + x * positive(h * (1 - h)) / 6)


@vjp("Tanh")
def tanh(node: Node, grad: Value) -> Value:
    """1 − y²."""
    y = node.output
    return grad * (1 - y * y)


@vjp("Softplus")
def softplus(node: Node, grad: Value) -> Value:
    """The sigmoid of the input."""
    return grad * node.input.op("Sigmoid")


@vjp("Softsign")
def softsign(node: Node, grad: Value) -> Value:
    """1 / (1 + |x|)²."""
    scale = 1 + node.input.op("Abs")
    return grad / (scale * scale)


@vjp("Gelu", since=20)
def gelu(node: Node, grad: Value) -> Value:
    """Φ(x) + x·φ(x), or the derivative of the approximation by tanh.

    Reference:
        D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2.
    """
    x = node.input
    if node.attr("approximate", "none") == "tanh":
        scale, cubic = math.sqrt(2 / math.pi), 0.044715
        square = x * x
        t = (x * (square * cubic + 1) * scale).op("Tanh")
        inner = (square * (3 * cubic) + 1) * scale
        return grad * ((1 + t + x * (1 - t * t) * inner) * 0.5)
    below = ((x * math.sqrt(0.5)).op("Erf") + 1) * 0.5
    density = (x * x * -0.5).op("Exp") * (1 / math.sqrt(2 * math.pi))
    return grad * (below + x * density)


@vjp("Mish", since=18)
def mish(node: Node, grad: Value) -> Value:
    """The sum t + x·(1 − t²)·sigmoid(x), with t = tanh(softplus(x)).

    Reference:
        D. Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019.
    """
    x = node.input
    t = x.op("Softplus").op("Tanh")
    return grad * (t + x * (1 - t * t) * x.op("Sigmoid"))


@vjp("Swish", since=24)
def swish(node: Node, grad: Value) -> Value:
    """The derivative of x·s is s·(1 + alpha·x·(1 − s)), with s = sigmoid(alpha·x)."""
    scaled = node.input * node.attr("alpha", 1.0)
    s = scaled.op("Sigmoid")
    return grad * (s * (1 + scaled * (1 - s)))


@vjp("Softmax", since=13)
def softmax(node: Node, grad: Value) -> Value:
    """y·(g − Σ g·y), summed along the axis.

    First Σ g·y is taken off every g, which changes nothing, as the y sum to 1. Where one y is nearly 1, its g
    then is nearly 0: what is left in the end is small, and would else be the difference of two large numbers.
    """
    y = node.output
    axis = axis_of(node, -1, y.rank)
    if grad.tape.recall(grad, Replaced):
        # A query that may look at nothing has NaN everywhere; exporters let a Where take 0 in its place.
        y = y.op("IsNaN").where(0.0, y)
    centred = grad - (grad * y).sum((axis,))
    return y * (centred - (centred * y).sum((axis,)))


@vjp("LogSoftmax", since=13)
def log_softmax(node: Node, grad: Value) -> Value:
    """The gradient less p·Σ g, summed along the axis, with p = eʸ.

    What comes out sums to 0, and so it is done twice: where one p is nearly 1, the second time takes off what
    the first had rounded.
    """
    y = node.output
    axis, share = axis_of(node, -1, y.rank), y.op("Exp")
    rough = grad - share * grad.sum((axis,))
    return rough - share * rough.sum((axis,))


@vjp("Shrink", since=9)
def shrink(node: Node, grad: Value) -> Value:
    """1 outside of ±`lambd`."""
    return let_through(grad, positive(node.input.op("Abs") - node.attr("lambd", 0.5)))
