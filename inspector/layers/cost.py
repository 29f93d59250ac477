"""Multiply-adds of a node for one sample: one multiplication and one addition count as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inspector.layers.operators import KERNEL_INPUT, PRODUCT_INPUTS, RECURRENT, TRANSPOSED
from inspector.layers.shapes import Shapes
from inspector.onnxfile import Node
from inspector.onnxfile.checks import NEWEST_OPSETS

# ONNX operators whose work depends on what they are given in ways that no formula here covers.
_UNKNOWN = frozenset(("Attention", "DFT", "Einsum", "If", "Loop", "STFT", "Scan"))


def multiply_adds(node: Node, shapes: Shapes) -> int | None:
    """Count the multiply-adds that a node does for one sample; a dynamic batch counts as 1.

    Counted are convolutions, matrix products and recurrent layers; the work of other operators is small
    beside these, and is taken as 0.

    Args:
        node: The node.
        shapes: The model's shapes.

    Returns:
        Their number, None where a shape is not known or the operator is none that is known.

    Reference:
        Sze et al., Efficient Processing of Deep Neural Networks, 2017, section III (arXiv:1703.09039).
    """
    if node.op_type in KERNEL_INPUT:
        return _convolution(node, shapes)
    if node.op_type in PRODUCT_INPUTS:
        return _product(node, shapes)
    if node.op_type in RECURRENT:
        return _recurrent(node, shapes)
    return 0 if node.domain in NEWEST_OPSETS and node.op_type not in _UNKNOWN else None


def _convolution(node: Node, shapes: Shapes) -> int | None:
    """Each number of the output (of the input, when transposed) meets one kernel: prod(W.shape[1:])."""
    weight = _size(node.inputs, KERNEL_INPUT[node.op_type], shapes)
    place = _size(node.inputs if node.op_type in TRANSPOSED else node.outputs, 0, shapes)
    if not weight or not place or len(weight) < 2:
        return None
    return _per_sample(place[0], shapes.batch) * math.prod(place[1:]) * math.prod(weight[1:])


def _product(node: Node, shapes: Shapes) -> int | None:
    """Each number of the output is a sum over the axis that the two matrices share."""
    left = _size(node.inputs, PRODUCT_INPUTS[node.op_type][0], shapes)
    out = _size(node.outputs, 0, shapes)
    if not left or out is None:
        return None
    shared = left[0] if node.attributes.get("transA") == 1 and len(left) > 1 else left[-1]
    first = _per_sample(out[0], shapes.batch) if out else 1
    return first * math.prod(out[1:]) * shared


def _recurrent(node: Node, shapes: Shapes) -> int | None:
    """At each step, every weight of the input and of the state is used once."""
    given, *weights = (_size(node.inputs, at, shapes) for at in range(3))
    if not given or len(given) != 3 or None in weights:
        return None
    steps, batch = (given[1], given[0]) if node.attributes.get("layout") == 1 else given[:2]
    used = sum(math.prod(weight) for weight in weights if weight is not None)
    return _per_sample(batch, shapes.batch) * steps * used


def _size(names: Sequence[str], at: int, shapes: Shapes) -> tuple[int, ...] | None:
    """The shape of one of a node's values, which may be left out."""
    return shapes.single(names[at]) if at < len(names) else None


def _per_sample(first: int, batch: int) -> int:
    """The first axis of a value without the batch that it may hold."""
    return first // batch if first % batch == 0 else first
