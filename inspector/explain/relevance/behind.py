"""What stands behind a layer and is linear channel by channel: it counts as a part of the layer.

Exporters fold a batch normalization into the convolution before it, or do not. A rule that favours positive
weights must see the same weights either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.gradients import Node, Value

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Behind:
    """A chain of nodes that make scale · z + shift of a value z.

    Attributes:
        source: Name of z.
        output: What the chain makes.
        relevance: The relevance of that.
        scale: float64, of a shape that is broadcast to z's.
        shift: The same.

    Reference:
        Guillemot, Heusele, Korichi, Schnebert, Chen: Breaking batch normalization for better explainability
        of deep neural networks through layer-wise relevance propagation, 2020, section 3.
    """

    source: str
    output: Value
    relevance: Value
    scale: Numbers
    shift: Numbers

    def along(self, axis: int) -> tuple[Numbers, Numbers] | None:
        """Scale and shift as vectors along one axis of z; None where they differ along another."""
        rank, size = self.output.rank, self.output.known_shape[axis]
        vectors = []
        for array in (self.scale, self.shift):
            full = array.reshape((1,) * (rank - array.ndim) + array.shape)
            if size is None or full.size != full.shape[axis]:
                return None
            vectors.append(np.broadcast_to(full.reshape(-1), size))
        return vectors[0], vectors[1]


def behind(node: Node, relevance: Value) -> Behind | None:
    """What stands behind a node, if that was noted of the relevance that it is given."""
    found = relevance.tape.recall(relevance, Behind)
    return found if found is not None and found.source == node.output.name else None


def noted(node: Node, relevance: Value, made: Value) -> Value:
    """Note what a node stands for on the relevance that it hands on, for the layer that makes its input.

    A layer whose output others read too never meets the note: it is given a sum.
    """
    parts = _linear(node)
    if parts is None:
        return made
    at, scale, shift = parts
    later = behind(node, relevance)
    output = node.output
    if later is not None:
        output, relevance = later.output, later.relevance
        scale, shift = later.scale * scale, later.scale * shift + later.shift
    made.tape.remember(made, Behind(node.given(at).name, output, relevance, scale, shift))
    return made


def _linear(node: Node) -> tuple[int, Numbers, Numbers] | None:
    """Which input a node computes with, and the scale and shift that it applies; None for other nodes."""
    if node.op_type == "BatchNormalization":
        return _normalization(node)
    varying = [at for at in range(len(node.inputs)) if node.wants(at)]
    if len(node.inputs) != 2 or len(varying) != 1:
        return None
    at = varying[0]
    array = node.constant(1 - at)
    if array is None or node.given(at).sizes is None or node.given(at).sizes != node.output.sizes:
        return None
    number, one, none = array.astype(np.float64), np.float64(1), np.float64(0)
    made: dict[tuple[str, int], tuple[Any, Any]] = {
        ("Add", 0): (one, number),
        ("Add", 1): (one, number),
        ("Sub", 0): (one, -number),
        ("Sub", 1): (-one, number),
        ("Mul", 0): (number, none),
        ("Mul", 1): (number, none),
    }
    if node.op_type == "Div" and at == 0 and number.all():
        made["Div", 0] = 1 / number, none
    found = made.get((node.op_type, at))
    return None if found is None else (at, np.asarray(found[0]), np.asarray(found[1]))


def _normalization(node: Node) -> tuple[int, Numbers, Numbers] | None:
    numbers = [node.constant(at) for at in range(1, 5)]
    if any(array is None for array in numbers):
        return None
    shape = (-1, *[1] * (node.input.rank - 2))
    gamma, beta, mean, variance = (
        array.astype(np.float64).reshape(shape) for array in numbers if array is not None
    )
    scale = gamma / np.sqrt(variance + node.attr("epsilon", 1e-5))
    return 0, scale, beta - mean * scale
