"""Computing what depends on no input while a graph is written: shapes, arithmetic on stored statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from converters.tensorflow import constants
from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

# Beyond this, a product of two small weights could blow up the file.
_LIMIT = 1 << 24

# Float arithmetic rounds here as it does there: once an operation, to the nearest number of the type.
_FLOAT: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {
        "Add": np.add,
        "AddV2": np.add,
        "Sub": np.subtract,
        "Mul": np.multiply,
        "RealDiv": np.divide,
        "Div": np.divide,
        "Maximum": np.maximum,
        "Minimum": np.minimum,
        "SquaredDifference": lambda a, b: np.square(a - b),
        "Abs": np.abs,
        "Log": np.log,
        "Neg": np.negative,
        "Square": np.square,
        "Sqrt": np.sqrt,
        "Rsqrt": lambda a: (1 / np.sqrt(a)).astype(a.dtype),
        "Exp": np.exp,
        "Reciprocal": np.reciprocal,
    }
)


def folded(to: Emission, node: Node) -> Value | None:
    """The node's output as a constant, when all that it reads is one and its op is simple; None otherwise."""
    values = [value.constant for value in to.inputs(node)]
    known = [value for value in values if value is not None]
    if not values or len(known) < len(values) or any(value.dtype == object for value in known):
        return None
    result = constants.compute(node, known)
    if result is None and node.op in _FLOAT and all(value.dtype.kind == "f" for value in known):
        result = _computed(node.op, known)
    return None if result is None else to.weight(result, node.name)


def _computed(op: str, known: Sequence[Array]) -> Array | None:
    if math.prod(np.broadcast_shapes(*(value.shape for value in known))) > _LIMIT:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(_FLOAT[op](*known))
