"""Matrix products."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.emit.attributes import flag, text
from converters.tensorflow.emit.axes import broadcast, ranked
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Shape, Value
from converters.tensorflow.topology import Node


@emitter("MatMul")
def matmul(to: Emission, node: Node) -> Value:
    """Of two matrices."""
    return _product(to, node, flag(node, "transpose_a"), flag(node, "transpose_b"))


@emitter("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def batch_matmul(to: Emission, node: Node) -> Value:
    """Of the last two axes, for each place of those before."""
    return _product(to, node, flag(node, "adj_x"), flag(node, "adj_y"))


@emitter("Einsum")
def einsum(to: Emission, node: Node) -> Value:
    """ONNX writes the equation in the same way."""
    equation = text(node, "equation").replace(" ", "")
    if "->" not in equation:
        raise NoEmitter(node, f"its equation {equation!r} has no right-hand side")
    values = [to.plain(value) for value in to.inputs(node)]
    like = values[0].like(shape=_of_equation(equation, values))
    return to.node("Einsum", list(values), like, equation=equation)


def _product(to: Emission, node: Node, flip_a: bool, flip_b: bool) -> Value:
    a, b = (to.plain(to.input(node, index)) for index in (0, 1))
    of_a, of_b = ranked(node, a, b)
    if len(of_a) < 2 or len(of_b) < 2:
        raise NoEmitter(node, "its operands are no matrices")
    a, b = (_flipped(to, value) if flip else value for value, flip in ((a, flip_a), (b, flip_b)))
    of_a, of_b = ranked(node, a, b)
    leading = broadcast(of_a[:-2], of_b[:-2]) or ()
    return to.node("MatMul", [a, b], a.like(shape=(*leading, of_a[-2], of_b[-1])))


def _flipped(to: Emission, value: Value) -> Value:
    """A value with its last two axes exchanged; of a weight that is a view."""
    if value.constant is not None:
        return to.weight(np.swapaxes(value.constant, -1, -2), value.name)
    shape = value.shape or ()
    rank = len(shape)
    like = value.like(shape=(*shape[:-2], shape[-1], shape[-2]))
    return to.node("Transpose", [value], like, perm=(*range(rank - 2), rank - 1, rank - 2))


def _of_equation(equation: str, values: list[Value]) -> Shape:
    """The shape that an equation gives; None where it leaves axes unnamed."""
    left, _, right = equation.partition("->")
    terms = left.split(",")
    if "." in equation or len(terms) != len(values):
        return None
    sizes: dict[str, int | None] = {}
    for term, value in zip(terms, values, strict=True):
        if value.shape is None or len(value.shape) != len(term):
            return None
        for label, size in zip(term, value.shape, strict=True):
            sizes[label] = size if sizes.get(label) in (None, 1) else sizes[label]
    return tuple(sizes.get(label) for label in right)
