"""Arithmetic, comparison and logic, element by element with broadcasting."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from converters.errors import SourceError
from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, Rule, rule, simple


def _truncated(a: Array, b: Array) -> Array:
    """Division of whole numbers as C has it."""
    quotient = np.abs(a) // np.abs(b)
    return np.where((a < 0) != (b < 0), -quotient, quotient).astype(a.dtype)


def _divided(a: Array, b: Array) -> Array:
    return a / b if a.dtype.kind == "f" else _truncated(a, b)


def _floor_divided(a: Array, b: Array) -> Array:
    # numpy's own // of floats takes the remainder first, and differs where the quotient rounds up.
    return np.floor(a / b) if a.dtype.kind == "f" else a // b


def _checked(op: str, function: Callable[[Array, Array], Array]) -> Rule:
    """A division, which TensorFlow refuses for whole numbers and a divisor of zero."""

    def divide(operation: Operation, a: Array, b: Array) -> Array:
        if b.dtype.kind in "iu" and not b.all():
            raise SourceError(f"the node {operation.name!r} of op {op} divides whole numbers by zero")
        return function(a, b)

    return Rule((op,), divide)


DIV = _checked("Div", _divided)
REAL_DIV = simple("RealDiv", np.true_divide)
FLOOR_DIV = _checked("FloorDiv", _floor_divided)
TRUNCATE_DIV = _checked("TruncateDiv", _divided)
FLOOR_MOD = _checked("FloorMod", np.mod)
MOD = _checked("Mod", np.fmod)
TRUNCATE_MOD = _checked("TruncateMod", np.fmod)
DIV_NO_NAN = simple("DivNoNan", lambda a, b: np.where(b == 0, 0.0, a / b))
MUL_NO_NAN = simple("MulNoNan", lambda a, b: np.where(b == 0, 0.0, a * b))
X_DIV_Y = simple("Xdivy", lambda a, b: np.where(a == 0, 0.0, a / b))
X_LOG_Y = simple("Xlogy", lambda a, b: np.where(a == 0, 0.0, a * np.log(b)))
X_LOG1P_Y = simple("Xlog1py", lambda a, b: np.where(a == 0, 0.0, a * np.log1p(b)))

ADD = simple("Add", np.add)
ADD_V2 = simple("AddV2", np.add)
SUB = simple("Sub", np.subtract)
MUL = simple("Mul", np.multiply)
MAXIMUM = simple("Maximum", np.maximum)
MINIMUM = simple("Minimum", np.minimum)
POW = simple("Pow", np.power)
SQUARED_DIFFERENCE = simple("SquaredDifference", lambda a, b: (a - b) ** 2)
ATAN2 = simple("Atan2", np.arctan2)
CLIP_BY_VALUE = simple("ClipByValue", lambda x, low, high: np.minimum(np.maximum(x, low), high))

NEG = simple("Neg", np.negative)
ABS = simple("Abs", np.abs)
SQUARE = simple("Square", np.square)
SQRT = simple("Sqrt", np.sqrt)
RSQRT = simple("Rsqrt", lambda x: 1 / np.sqrt(x))
RECIPROCAL = simple("Reciprocal", lambda x: 1 / x)
INV = simple("Inv", lambda x: 1 / x)
EXP = simple("Exp", np.exp)
EXPM1 = simple("Expm1", np.expm1)
LOG = simple("Log", np.log)
LOG1P = simple("Log1p", np.log1p)
SIGN = simple("Sign", np.sign)
FLOOR = simple("Floor", np.floor)
CEIL = simple("Ceil", np.ceil)
ROUND = simple("Round", np.rint)
RINT = simple("Rint", np.rint)
SIN = simple("Sin", np.sin)
COS = simple("Cos", np.cos)
TAN = simple("Tan", np.tan)
ASIN = simple("Asin", np.arcsin)
ACOS = simple("Acos", np.arccos)
ATAN = simple("Atan", np.arctan)
SINH = simple("Sinh", np.sinh)
COSH = simple("Cosh", np.cosh)
ASINH = simple("Asinh", np.arcsinh)
ACOSH = simple("Acosh", np.arccosh)
ATANH = simple("Atanh", np.arctanh)

LESS = simple("Less", np.less)
LESS_EQUAL = simple("LessEqual", np.less_equal)
GREATER = simple("Greater", np.greater)
GREATER_EQUAL = simple("GreaterEqual", np.greater_equal)
EQUAL = simple("Equal", np.equal)
NOT_EQUAL = simple("NotEqual", np.not_equal)
LOGICAL_AND = simple("LogicalAnd", np.logical_and)
LOGICAL_OR = simple("LogicalOr", np.logical_or)
LOGICAL_NOT = simple("LogicalNot", np.logical_not)
IS_NAN = simple("IsNan", np.isnan)
IS_INF = simple("IsInf", np.isinf)
IS_FINITE = simple("IsFinite", np.isfinite)


@rule("ApproximateEqual")
def approximate_equal(operation: Operation, a: Array, b: Array) -> Array:
    """Whether two numbers are closer than a tolerance."""
    close: Array = np.abs(a - b) < operation.real("tolerance", 1e-5)
    return close


@rule("AddN", "AccumulateNV2")
def add_n(operation: Operation, *values: Array) -> Array:
    """The sum of tensors of one shape."""
    return functools.reduce(np.add, values)


@rule("Cast")
def cast(operation: Operation, value: Array) -> Array:
    """Another element type; floats stay float64, but a 16-bit one is rounded first."""
    dtype = operation.dtype("DstT", "float32")
    if value.dtype.kind == "f" and dtype.kind in "iu":
        # What a number beyond the type's range becomes differs between processors.
        value = np.trunc(value)
    return value.astype(dtype if dtype.name != "float32" else np.float64)
