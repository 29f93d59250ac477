"""Tensors that are filled with one number, or with a sequence of them."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.casting import wide
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import emitter
from converters.tensorflow.emit.shape import declared
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

# As constants, larger ones would take more room in the file than what makes them.
_LARGEST_STORED = 256


@emitter("Fill")
def fill(to: Emission, node: Node) -> Value:
    """One number everywhere."""
    sizes, number = to.inputs(node)
    shape = declared(sizes)
    like = Value("", number.dtype, shape)
    if number.constant is None:
        return to.node("Expand", [number, wide(to, sizes)], like)
    if sizes.constant is not None and int(np.prod(sizes.constant)) <= _LARGEST_STORED:
        return to.weight(np.full(tuple(sizes.constant), number.constant, number.dtype), node.name)
    return _filled(to, wide(to, sizes), number.constant, like)


@emitter("ZerosLike", "OnesLike")
def like_another(to: Emission, node: Node) -> Value:
    """Zeros or ones in the shape of another tensor."""
    x, number = to.input(node, 0), 0 if node.op == "ZerosLike" else 1
    if x.size is not None and x.size <= _LARGEST_STORED:
        sizes = tuple(size for size in x.shape or () if size is not None)
        return to.weight(np.full(sizes, number, x.dtype), node.name)
    sizes_of = to.node("Shape", [x], Value("", np.dtype(np.int64), (x.rank,)))
    return _filled(to, sizes_of, np.asarray(number, x.dtype), x.like())


@emitter("Range")
def arithmetic_sequence(to: Emission, node: Node) -> Value:
    """From a start to before a limit in steps."""
    start, limit, step = to.inputs(node)
    ends = [value.constant for value in (start, limit, step) if value.constant is not None]
    if len(ends) == 3:
        first, last, by = (array.item() for array in ends)
        return to.weight(np.arange(first, last, by, dtype=start.dtype), node.name)
    return to.node("Range", [start, limit, step], Value("", start.dtype, (None,)))


@emitter("LinSpace")
def evenly_spaced(to: Emission, node: Node) -> Value:
    """A given count of numbers from a start to a stop, both included."""
    start, stop, count = (to.needed_const(node, i, name) for i, name in enumerate(("start", "stop", "count")))
    return to.weight(np.linspace(start, stop, int(count), dtype=start.dtype), node.name)


def _filled(to: Emission, sizes: Value, number: Array, like: Value) -> Value:
    """A tensor of this one number."""
    from onnx import numpy_helper

    filled = like.like()
    if number.dtype == np.float32 and not number:
        return to.node("ConstantOfShape", [sizes], filled)
    return to.node("ConstantOfShape", [sizes], filled, value=numpy_helper.from_array(number.reshape(1)))
