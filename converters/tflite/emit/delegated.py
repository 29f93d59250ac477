"""Operators that TensorFlow has too: TensorFlow's own emitters write them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from converters.tensorflow.emit.registry import emitters as tensorflow_emitters
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.model import Operation

_UNARY: Mapping[str, str] = MappingProxyType(
    {"ABS": "Abs", "NEG": "Neg", "SQRT": "Sqrt", "RSQRT": "Rsqrt", "EXP": "Exp", "LOG": "Log", "SIGN": "Sign"}
    | {"SIN": "Sin", "COS": "Cos", "FLOOR": "Floor", "CEIL": "Ceil", "ROUND": "Round", "SQUARE": "Square"}
    | {"LOGISTIC": "Sigmoid", "TANH": "Tanh", "ELU": "Elu", "LOGICAL_NOT": "LogicalNot"}
    | {"ZEROS_LIKE": "ZerosLike"}
)
_BINARY: Mapping[str, str] = MappingProxyType(
    {
        "POW": "Pow",
        "SQUARED_DIFFERENCE": "SquaredDifference",
        "FLOOR_DIV": "FloorDiv",
        "FLOOR_MOD": "FloorMod",
    }
    | {"LESS": "Less", "LESS_EQUAL": "LessEqual", "GREATER": "Greater", "GREATER_EQUAL": "GreaterEqual"}
    | {"EQUAL": "Equal", "NOT_EQUAL": "NotEqual", "LOGICAL_AND": "LogicalAnd", "LOGICAL_OR": "LogicalOr"}
)


def delegated(
    to: Emission, operation: Operation, op: str, inputs: tuple[str, ...] | None = None, **attributes: Any
) -> Value | tuple[Value, ...]:
    """What TensorFlow's emitter of `op` makes of an operator.

    Args:
        to: The graph.
        operation: The operator.
        op: What TensorFlow calls it.
        inputs: What it reads, where TensorFlow has another order.
        attributes: Its attributes, as TensorFlow names them.
    """
    return tensorflow_emitters()[op](to, operation.as_tensorflow(op, inputs, **attributes))


@emitter(*_UNARY)
def unary(to: Emission, operation: Operation) -> Value | tuple[Value, ...]:
    """Of every element by itself."""
    return delegated(to, operation, _UNARY[operation.op])


@emitter(*_BINARY, inputs=2)
def binary(to: Emission, operation: Operation) -> Value | tuple[Value, ...]:
    """Of two operands that are broadcast."""
    return delegated(to, operation, _BINARY[operation.op])


@emitter("SELECT", "SELECT_V2", inputs=3)
def select(to: Emission, operation: Operation) -> Value | tuple[Value, ...]:
    """One of two operands, by a condition."""
    return delegated(to, operation, "Select" if operation.op == "SELECT" else "SelectV2")


@emitter("LEAKY_RELU")
def leaky_relu(to: Emission, operation: Operation) -> Value | tuple[Value, ...]:
    """`alpha` times x where x is negative."""
    return delegated(to, operation, "LeakyRelu", alpha=operation.options["alpha"])


@emitter("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(to: Emission, operation: Operation) -> Value | tuple[Value, ...]:
    """Divided by a power of the sum of squares over neighbouring channels."""
    options = operation.options
    names = {"depth_radius": "radius", "bias": "bias", "alpha": "alpha", "beta": "beta"}
    return delegated(to, operation, "LRN", **{name: options[own] for name, own in names.items()})


@emitter("BATCH_MATMUL", inputs=2)
def batch_matmul(to: Emission, operation: Operation) -> Value | tuple[Value, ...]:
    """Of the last two axes, for each place of those before."""
    options = operation.options
    return delegated(to, operation, "BatchMatMulV2", adj_x=options["adj_x"], adj_y=options["adj_y"])
