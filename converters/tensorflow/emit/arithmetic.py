"""Arithmetic, element by element."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from converters.tensorflow.dtypes import DType
from converters.tensorflow.emit.axes import broadcast
from converters.tensorflow.emit.casting import converted, lifted_all, passed
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

_SINGLE = ("Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh")
_BINARY: Mapping[str, str] = MappingProxyType(
    {"Add": "Add", "AddV2": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div", "Pow": "Pow"}
    | {"Div": "Div", "TruncateDiv": "Div", "Maximum": "Max", "Minimum": "Min"}
)
# Types that onnxruntime has no Max and Min for.
_WIDENED = frozenset({"int16", "uint16"})
_ON_SIZES: Mapping[str, Callable[[int, int], int]] = MappingProxyType(
    {"Add": operator.add, "Sub": operator.sub, "Mul": operator.mul, "Div": operator.floordiv}
)


@emitter(*_BINARY)
def binary(to: Emission, node: Node) -> Value:
    """Of two operands that are broadcast."""
    return combined(to, _BINARY[node.op], to.input(node, 0), to.input(node, 1))


@emitter("Abs", "Neg", "Sqrt", "Exp", "Log", "Sign", "Floor", "Ceil", "Sin", "Cos", "Reciprocal")
def unary(to: Emission, node: Node) -> Value:
    """ONNX has them under the same names."""
    return each(to, node.op, to.input(node, 0))


@emitter(*_SINGLE)
def single_precision(to: Emission, node: Node) -> Value:
    """As `unary`, for what onnxruntime computes in float32 at most."""
    x = to.input(node, 0)
    if x.dtype == np.float64:
        raise NoEmitter(node, "onnxruntime does not compute it in float64")
    return each(to, node.op, x)


@emitter("Inv")
def inverse(to: Emission, node: Node) -> Value:
    """The older name of Reciprocal."""
    return each(to, "Reciprocal", to.input(node, 0))


@emitter("Round", "Rint")
def rounded(to: Emission, node: Node) -> Value:
    """Halves go to the even neighbour on both sides."""
    x = to.input(node, 0)
    if x.dtype.kind != "f":
        # By its documentation TensorFlow leaves them as they are; 2.21 makes them zero.
        raise NoEmitter(node, "it rounds integers")
    return each(to, "Round", x)


@emitter("Square")
def square(to: Emission, node: Node) -> Value:
    """X · x."""
    x = to.input(node, 0)
    return combined(to, "Mul", x, x)


@emitter("SquaredDifference")
def squared_difference(to: Emission, node: Node) -> Value:
    """(a − b)²."""
    difference = combined(to, "Sub", to.input(node, 0), to.input(node, 1))
    return combined(to, "Mul", difference, difference)


@emitter("Rsqrt")
def rsqrt(to: Emission, node: Node) -> Value:
    """1 / √x."""
    return each(to, "Reciprocal", each(to, "Sqrt", to.input(node, 0)))


@emitter("Log1p")
def log1p(to: Emission, node: Node) -> Value:
    """log(x + 1)."""
    x = to.input(node, 0)
    return each(to, "Log", combined(to, "Add", x, to.scalar(1, x)))


@emitter("Expm1")
def expm1(to: Emission, node: Node) -> Value:
    """exp(x) − 1."""
    x = to.input(node, 0)
    return combined(to, "Sub", each(to, "Exp", x), to.scalar(1, x))


@emitter("Erfc")
def erfc(to: Emission, node: Node) -> Value:
    """1 − erf(x)."""
    x = to.input(node, 0)
    if x.dtype == np.float64:
        raise NoEmitter(node, "onnxruntime does not compute it in float64")
    return combined(to, "Sub", to.scalar(1, x), each(to, "Erf", x))


@emitter("AddN")
def add_n(to: Emission, node: Node) -> Value:
    """The sum of any number of tensors of one shape."""
    values = to.inputs(node)
    if len(values) == 1:
        return passed(to, node, 0)
    if values[0].dtype.kind != "f":
        total = values[0]
        for value in values[1:]:
            total = combined(to, "Add", total, value)
        return total
    if len(values) == 2:
        return combined(to, "Add", *values)
    made, layout, _ = to.aligned(*values)
    return to.node(
        "Sum", list(made), Value("", values[0].dtype, broadcast(*(v.shape for v in values)), layout)
    )


@emitter("FloorDiv")
def floor_div(to: Emission, node: Node) -> Value:
    """The quotient towards −∞; that of integers is cut towards zero in ONNX."""
    a, b = to.input(node, 0), to.input(node, 1)
    if a.dtype.kind == "f":
        return each(to, "Floor", combined(to, "Div", a, b))
    quotient = combined(to, "Div", a, b)
    if a.dtype.kind == "u":
        return quotient
    rest = combined(to, "Sub", a, combined(to, "Mul", quotient, b))
    below = _opposite(to, rest, b)
    one_less = combined(to, "Sub", quotient, to.scalar(1, quotient))
    return chosen(to, below, one_less, quotient).with_elements(quotient.elements)


@emitter("FloorMod")
def floor_mod(to: Emission, node: Node) -> Value:
    """The remainder with the sign of the divisor, which ONNX has for integers."""
    a, b = to.input(node, 0), to.input(node, 1)
    if a.dtype.kind != "f":
        return combined(to, "Mod", a, b)
    rest = combined(to, "Mod", a, b, fmod=1)
    return chosen(to, _opposite(to, rest, b), combined(to, "Add", rest, b), rest)


@emitter("Mod", "TruncateMod")
def truncate_mod(to: Emission, node: Node) -> Value:
    """The remainder with the sign of the dividend."""
    return combined(to, "Mod", to.input(node, 0), to.input(node, 1), fmod=1)


@emitter("DivNoNan")
def div_no_nan(to: Emission, node: Node) -> Value:
    """A / b, and 0 where b is 0."""
    a, b = to.input(node, 0), to.input(node, 1)
    zero = to.scalar(0, b)
    return chosen(to, compared(to, "Equal", b, zero), zero, combined(to, "Div", a, b))


@emitter("MulNoNan")
def mul_no_nan(to: Emission, node: Node) -> Value:
    """A · b, and 0 where b is 0, even when a is infinite."""
    a, b = to.input(node, 0), to.input(node, 1)
    zero = to.scalar(0, b)
    return chosen(to, compared(to, "Equal", b, zero), zero, combined(to, "Mul", a, b))


@emitter("Xlogy", "Xlog1py", "Xdivy")
def zero_times(to: Emission, node: Node) -> Value:
    """X · log y, x · log(1 + y), x / y, and 0 where x is 0, whatever y is."""
    x, y = to.input(node, 0), to.input(node, 1)
    if node.op == "Xdivy":
        value = combined(to, "Div", x, y)
    else:
        inner = y if node.op == "Xlogy" else combined(to, "Add", y, to.scalar(1, y))
        value = combined(to, "Mul", x, each(to, "Log", inner))
    zero = to.scalar(0, x)
    return chosen(to, compared(to, "Equal", x, zero), zero, value)


@emitter("ClipByValue")
def clip_by_value(to: Emission, node: Node) -> Value:
    """Between two bounds; ONNX's Clip takes single numbers."""
    x, low, high = to.inputs(node)
    if low.rank == 0 and high.rank == 0:
        return to.node("Clip", [x, low, high], x)
    return combined(to, "Max", combined(to, "Min", x, high), low)


def each(to: Emission, op_type: str, x: Value) -> Value:
    """An operator on every element by itself."""
    return to.node(op_type, [x], x.like())


def combined(to: Emission, op_type: str, a: Value, b: Value, **attributes: object) -> Value:
    """An arithmetic operator on two operands that are broadcast."""
    if op_type in ("Max", "Min") and a.dtype.name in _WIDENED:
        return converted(to, _broadcasting(to, op_type, *_in(to, np.dtype(np.int32), a, b)), a.dtype)
    first, second = lifted_all(to, a, b) if op_type in _ON_SIZES else (a, b)
    made = _broadcasting(to, op_type, first, second, **attributes)
    return converted(to, made, a.dtype)


def compared(to: Emission, op_type: str, a: Value, b: Value) -> Value:
    """A comparison of two operands that are broadcast."""
    made, layout, _ = to.aligned(a, b)
    like = Value("", np.dtype(bool), broadcast(a.shape, b.shape), layout)
    return to.node(op_type, list(made), like)


def chosen(to: Emission, condition: Value, a: Value, b: Value) -> Value:
    """`a` where the condition holds, otherwise `b`; all three are broadcast."""
    dtype = a.dtype
    narrow = {"bool": "uint8", "int16": "int32", "uint16": "int32", "uint64": "int64"}.get(dtype.name)
    if narrow is not None:
        a, b = _in(to, np.dtype(narrow), a, b)
    made, layout, _ = to.aligned(condition, a, b)
    like = Value("", a.dtype, broadcast(condition.shape, a.shape, b.shape), layout)
    return converted(to, to.node("Where", list(made), like), dtype)


def _in(to: Emission, dtype: DType, *values: Value) -> tuple[Value, ...]:
    return tuple(converted(to, value, dtype) for value in values)


def _broadcasting(to: Emission, op_type: str, a: Value, b: Value, **attributes: object) -> Value:
    made, layout, _ = to.aligned(a, b)
    like = Value("", a.dtype, broadcast(a.shape, b.shape), layout)
    return to.node(op_type, list(made), like.with_elements(_elements(op_type, a, b)), **attributes)


def _elements(op_type: str, a: Value, b: Value) -> tuple[int | None, ...] | None:
    """What is known of the result when both operands are sizes."""
    first, second = a.known(), b.known()
    if op_type not in _ON_SIZES or first is None or second is None:
        return None
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        return None
    function, count = _ON_SIZES[op_type], max(len(first), len(second))
    pairs = zip(first * (count // len(first)), second * (count // len(second)), strict=True)
    return tuple(
        None if x is None or y is None or (op_type == "Div" and (x < 0 or y <= 0)) else function(x, y)
        for x, y in pairs
    )


def _opposite(to: Emission, rest: Value, divisor: Value) -> Value:
    """Where a remainder is not zero and has another sign than the divisor."""
    zero = to.scalar(0, rest)
    if divisor.constant is not None and bool(np.all(divisor.constant > 0)):
        return compared(to, "Less", rest, zero)
    both = (
        _both(to, compared(to, "Less", rest, zero), compared(to, "Greater", divisor, zero)),
        _both(to, compared(to, "Greater", rest, zero), compared(to, "Less", divisor, zero)),
    )
    return compared(to, "Or", *both)


def _both(to: Emission, a: Value, b: Value) -> Value:
    return compared(to, "And", a, b)
