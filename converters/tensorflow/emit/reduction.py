"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np

from converters.tensorflow.emit.arithmetic import each
from converters.tensorflow.emit.attributes import flag, kind
from converters.tensorflow.emit.axes import checked_axis, constant_axes, product, ranked, without
from converters.tensorflow.emit.casting import converted, lifted, passed
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

_NAMES: Mapping[str, str] = MappingProxyType(
    {"Mean": "ReduceMean", "Sum": "ReduceSum", "Max": "ReduceMax", "Min": "ReduceMin", "Prod": "ReduceProd"}
    | {"EuclideanNorm": "ReduceL2"}
)
# What onnxruntime reduces; other integers go through int64, whose sums wrap around to the same.
_REDUCED = frozenset({"float16", "float32", "float64", "int32", "int64"})
_COMPARED = _REDUCED | {"int8", "uint8"}
# From this opset on the axes of every reduction are an input.
_AXES_ARE_INPUTS = 18


@emitter(*_NAMES)
def reduction(to: Emission, node: Node) -> Value:
    """Over some axes, all when they are all listed, none when none is."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    axes = constant_axes(to, node, 1, len(shape))
    if not axes:
        return each(to, "Abs", x) if node.op == "EuclideanNorm" else passed(to, node, 0)
    source = lifted(to, x) if node.op == "Prod" else None
    covered = _COMPARED if node.op in ("Max", "Min") else _REDUCED
    if source is None:
        source = x if x.dtype.name in covered else converted(to, x, np.dtype(np.int64))
    return converted(to, reduced(to, _NAMES[node.op], source, axes, flag(node, "keep_dims")), x.dtype)


@emitter("All", "Any")
def logical(to: Emission, node: Node) -> Value:
    """The least or the greatest of the truth values, as numbers."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    axes = constant_axes(to, node, 1, len(shape))
    if not axes:
        return passed(to, node, 0)
    numbers = converted(to, x, np.dtype(np.uint8))
    op_type = "ReduceMin" if node.op == "All" else "ReduceMax"
    return converted(to, reduced(to, op_type, numbers, axes, flag(node, "keep_dims")), x.dtype)


@emitter("ArgMax", "ArgMin")
def arg(to: Emission, node: Node) -> Value:
    """Where the extreme stands on an axis, the first of equal ones."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    axis = checked_axis(node, int(to.needed_const(node, 1, "axis").ravel()[0]), len(shape))
    source, layout = without(to, x, {axis})
    left = tuple(size for place, size in enumerate(shape) if place != axis)
    like = source.like(shape=left, layout=layout, dtype=np.dtype(np.int64))
    made = to.node(node.op, [source], like, axis=source.axis(axis), keepdims=0)
    return converted(to, made, kind(node, "output_type", default="int64"))


@emitter("Cumsum")
def cumsum(to: Emission, node: Node) -> Value:
    """The sum so far along an axis."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    axis = checked_axis(node, int(to.needed_const(node, 1, "axis").ravel()[0]), len(shape))
    source = x if x.dtype.name in _REDUCED else converted(to, x, np.dtype(np.int64))
    flags = {name: int(flag(node, name)) or None for name in ("exclusive", "reverse")}
    place = to.small(np.asarray(source.axis(axis), np.int64))
    return converted(to, to.node("CumSum", [source, place], source.like(), **flags), x.dtype)


@emitter("L2Loss")
def l2_loss(to: Emission, node: Node) -> Value:
    """Half the sum of squares."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    total = reduced(to, "ReduceSumSquare", x, range(len(shape)), keep=False)
    return to.node("Mul", [total, to.scalar(0.5, x)], total.like())


def reduced(to: Emission, op_type: str, x: Value, axes: Collection[int], keep: bool) -> Value:
    """A reduction over axes from 0 on; with `keep` they stay, of size 1."""
    if keep:
        source, layout = x, x.layout
    else:
        source, layout = without(to, x, axes)
    sizes = source.shape or ()
    shape = tuple(1 if i in axes else size for i, size in enumerate(sizes) if keep or i not in axes)
    like = source.like(shape=shape, layout=layout)
    if op_type == "ReduceProd" and (known := x.known()) is not None and len(sizes) == 1:
        like = like.with_elements((product(known),))
    places = sorted(source.axis(axis) for axis in axes)
    if to.opset < _AXES_ARE_INPUTS and op_type != "ReduceSum":
        return to.node(op_type, [source], like, axes=places, keepdims=int(keep))
    return to.node(op_type, [source, to.small(places)], like, keepdims=int(keep))
