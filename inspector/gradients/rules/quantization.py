"""Quantization, straight through: rounding counts as the identity, saturation as a clip.

The gradient of a quantized value is that with respect to its whole numbers, in floats; so what stands between
QuantizeLinear and DequantizeLinear needs no rules of its own.

Reference:
    Y. Bengio, N. Léonard and A. Courville, "Estimating or propagating gradients through stochastic neurons",
    2013, section 4; B. Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", 2018, section 3.
"""

from __future__ import annotations

from inspector.gradients.expressions import axis_of, positive, size_at
from inspector.gradients.formulations import spread
from inspector.gradients.infinite import let_through
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value
from inspector.gradients.windows import windows_of


@vjp("QuantizeLinear", since=10)
def quantize_linear(node: Node, grad: Value) -> Value:
    """1/scale where nothing is cut off."""
    x, scale = node.input, _spread(node, 1, node.input)
    steps = (x / scale).op("Round")
    shifted = steps + _spread(node, 2, x).cast(x.dtype) if node.has_input(2) else steps
    passed = grad.cast(x.dtype) / scale
    inside = _unsaturated(node.output, shifted)
    return passed if inside is None else let_through(passed, inside)


@vjp("DequantizeLinear", since=10)
def dequantize_linear(node: Node, grad: Value) -> Value:
    """The scale."""
    return grad * _spread(node, 1, node.input)


@vjp("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(node: Node, grad: Value) -> Value:
    """1/scale; the scale itself counts as fixed."""
    if node.grads[0] is None:
        raise node.refuse("has no gradient of its scale, which counts as fixed")
    return grad / node.outputs[1]


@vjp("MatMulInteger", since=10)
def matmul_integer(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """The other factor, less its zero point."""
    a, b = _centred(node, 0, 2, grad), _centred(node, 1, 3, grad)
    return _products(node, grad, a, b, node.given(1))


@vjp("QLinearMatMul", since=10)
def qlinear_matmul(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """The other factor dequantized, times the scale of this, over that of the product."""
    a_scale, b_scale, y_scale = (node.given(at) for at in (1, 4, 6))
    a, b = _centred(node, 0, 2, a_scale) * a_scale, _centred(node, 3, 5, b_scale) * b_scale
    by_a, by_b = _products(node, _unsaturated_part(node, grad) / y_scale, a, b, node.given(3))
    return by_a * a_scale, None, None, by_b * b_scale


@vjp("ConvInteger", since=10)
def conv_integer(node: Node, grad: Value) -> Value:
    """That of a convolution by the kernels less their zero point."""
    return _through_kernels(node, grad, _centred(node, 1, 3, grad))


@vjp("QLinearConv", since=10)
def qlinear_conv(node: Node, grad: Value) -> Value:
    """That of a convolution by the dequantized kernels, times the scale of x over that of y."""
    x_scale, w_scale, y_scale = (node.given(at) for at in (1, 4, 6))
    kernels = _centred(node, 3, 5, x_scale) * _by_kernel(w_scale, node.given(3))
    return _through_kernels(node, _unsaturated_part(node, grad) / y_scale, kernels) * x_scale


def _through_kernels(node: Node, grad: Value, kernels: Value) -> Value:
    """The gradient of a convolution's input."""
    taps = [size_at(node, kernels, axis) for axis in range(2, kernels.rank)]
    windows = windows_of(node, node.input, node.output, taps)
    return spread(grad, kernels, windows, node.attr("group", 1))


def _unsaturated_part(node: Node, grad: Value) -> Value:
    """The gradient, without where a quantized output is at an end of its range and may have been cut off."""
    least, most = _limits(node.output)
    y = node.output.cast(grad.dtype)
    return let_through(grad, positive((y - (least + 0.5)) * (most - 0.5 - y)))


def _products(node: Node, grad: Value, a: Value, b: Value, second: Value) -> tuple[Value, Value]:
    """The gradients of both factors of a matrix product."""
    if a.rank < 2 or b.rank < 2:
        raise node.refuse("has no gradient of vectors; expected matrices")
    by_a = grad.op("MatMul", _transposed(b)).unbroadcast(node.input)
    return by_a, _transposed(a).op("MatMul", grad).unbroadcast(second)


def _transposed(matrix: Value) -> Value:
    order = list(range(matrix.rank))
    return matrix.transpose([*order[:-2], order[-1], order[-2]])


def _centred(node: Node, at: int, zero_point: int, like: Value) -> Value:
    """A quantized input less its zero point, as floats."""
    numbers = node.given(at).cast(like.dtype)
    if not node.has_input(zero_point):
        return numbers
    zero = node.given(zero_point).cast(like.dtype)
    return numbers - (_by_kernel(zero, numbers) if numbers.rank > 2 else zero)


def _by_kernel(value: Value, kernels: Value) -> Value:
    """A number for each kernel, or one for all, in a shape that is broadcast to the kernels."""
    return value if value.rank == 0 else value.reshape((None, *[1] * (kernels.rank - 1)))


def _spread(node: Node, at: int, like: Value) -> Value:
    """A scale or zero point in a shape that is broadcast along the quantized axis."""
    value = node.given(at)
    if value.rank == 0 or value.known_shape == (1,):
        return value
    if node.attr("block_size", 0):
        raise node.refuse("has no gradient with a scale for each block; expected one for each channel")
    shape: list[int | None] = [1] * like.rank
    shape[axis_of(node, 1, like.rank)] = value.known_shape[0]
    return value.reshape(shape)


def _unsaturated(quantized: Value, steps: Value) -> Value | None:
    """1 where whole numbers lie within those that the dtype holds; None for floats of few bits."""
    if quantized.dtype.kind == "f" or not quantized.dtype.name.lstrip("u").startswith("int"):
        return None
    least, most = _limits(quantized)
    return positive((steps - (least - 0.5)) * (most + 0.5 - steps))


def _limits(value: Value) -> tuple[float, float]:
    """The least and the greatest number that a dtype of whole numbers holds."""
    name = value.dtype.name
    bits = int(name.lstrip("uint"))
    least = 0 if name.startswith("u") else -(2 ** (bits - 1))
    return float(least), float(least + 2**bits - 1)
