"""Shapes: how the same numbers are laid out, and what a tensor's sizes are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from converters.tensorflow.emit.attributes import integers, kind
from converters.tensorflow.emit.axes import (
    checked_axis,
    constant_axes,
    order,
    ranked,
    squeezed,
    unsqueezed,
)
from converters.tensorflow.emit.casting import converted, lifted_all, listed, passed, wide
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import CHANNELS_FIRST, Shape, Value
from converters.tensorflow.topology import Node


@emitter("Reshape")
def reshape(to: Emission, node: Node) -> Value:
    """To other sizes: constants where one at most is unknown, and else as the graph computes them."""
    x, sizes = to.input(node, 0), to.input(node, 1)
    known = sizes.known()
    shape = _reshaped(x, known, sizes)
    if x.constant is not None and sizes.constant is not None:
        return to.weight(x.constant.reshape(sizes.constant), x.name)
    if shape is not None and shape == x.shape and shape.count(None) <= 1:
        return passed(to, node, 0)
    x = _in_order(to, x)
    like = Value("", x.dtype, shape).with_elements(x.known())
    empty = 1 if shape is not None and 0 in shape else None
    if shape is None or shape.count(None) > 1 or (empty and None in shape):
        return to.node("Reshape", [x, wide(to, sizes)], like, allowzero=empty)
    target = [-1 if size is None else size for size in shape]
    return to.node("Reshape", [x, to.small(target)], like, allowzero=empty)


@emitter("Squeeze")
def squeeze(to: Emission, node: Node) -> Value:
    """Without axes of size 1: those that are named, or all."""
    x = to.input(node, 0)
    named = integers(node, "squeeze_dims")
    if x.shape is not None and (named or None not in x.shape):
        rank = len(x.shape)
        axes = {checked_axis(node, axis, rank) for axis in named}
        axes = axes or {axis for axis, size in enumerate(x.shape) if size == 1}
        return squeezed(to, x, axes) if axes else passed(to, node, 0)
    if named:
        raise NoEmitter(node, "the rank of its input is not known")
    x = to.plain(x)
    return to.node("Squeeze", [x], x.like(shape=None))


@emitter("ExpandDims")
def expand_dims(to: Emission, node: Node) -> Value:
    """With a new axis of size 1."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    axes = constant_axes(to, node, 1, len(shape) + 1)
    if not shape:
        return converted(to, listed(to, *lifted_all(to, x)), x.dtype)
    return unsqueezed(to, x, axes)


@emitter("Transpose")
def transpose(to: Emission, node: Node) -> Value:
    """Another order of axes; nothing moves where the ONNX tensor has them in one of the two already."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    permutation = tuple(
        checked_axis(node, int(a), len(shape)) for a in to.needed_const(node, 1, "permutation")
    )
    made = tuple(shape[axis] for axis in permutation)
    now = order(len(shape), x.layout)
    # Which axis of the result each axis of the ONNX tensor is.
    seen = tuple(permutation.index(axis) for axis in now)
    if x.constant is None:
        if seen == order(len(shape), "plain"):
            return passed(to, node, 0, Value(x.name, x.dtype, made))
        if len(shape) > 2 and seen == order(len(shape), CHANNELS_FIRST):
            return passed(to, node, 0, Value(x.name, x.dtype, made, CHANNELS_FIRST))
    else:
        return to.weight(x.constant.transpose(permutation), x.name)
    moves = tuple(seen.index(axis) for axis in range(len(shape)))
    return to.node("Transpose", [x], x.like(shape=made, layout="plain"), perm=moves)


@emitter("Shape")
def shape_of(to: Emission, node: Node) -> Value:
    """The sizes: a constant where all are known."""
    return _sizes(to, to.input(node, 0), node)


@emitter("ShapeN")
def shapes_of(to: Emission, node: Node) -> tuple[Value, ...]:
    """The sizes of each input."""
    return tuple(_sizes(to, value, node) for value in to.inputs(node))


@emitter("Size")
def size_of(to: Emission, node: Node) -> Value:
    """The number of elements."""
    x, dtype = to.input(node, 0), kind(node, "out_type", default="int32")
    if x.size is not None:
        return to.weight(np.asarray(x.size, dtype), node.name)
    return converted(to, to.node("Size", [x], Value("", np.dtype(np.int64), ())), dtype)


@emitter("Rank")
def rank_of(to: Emission, node: Node) -> Value:
    """The number of axes."""
    (shape,) = ranked(node, to.input(node, 0))
    return to.weight(np.asarray(len(shape), np.int32), node.name)


@emitter("Tile")
def tile(to: Emission, node: Node) -> Value:
    """The data again and again along its axes."""
    x, multiples = to.input(node, 0), to.input(node, 1)
    (shape,) = ranked(node, x)
    known = multiples.known()
    times: Sequence[int | None] = known if known is not None else (None,) * len(shape)
    sizes = tuple(None if s is None or n is None else s * n for s, n in zip(shape, times, strict=True))
    if multiples.constant is None:
        x = to.plain(x)
        return to.node("Tile", [x, wide(to, multiples)], x.like(shape=sizes))
    if all(count == 1 for count in times):
        return passed(to, node, 0)
    there = [int(multiples.constant[axis]) for axis in order(len(shape), x.layout)]
    return to.node("Tile", [x, to.small(there)], x.like(shape=sizes))


@emitter("BroadcastTo")
def broadcast_to(to: Emission, node: Node) -> Value:
    """The data repeated along axes of size 1."""
    x, sizes = to.plain(to.input(node, 0)), to.input(node, 1)
    return to.node("Expand", [x, wide(to, sizes)], x.like(shape=declared(sizes)))


def declared(sizes: Value) -> Shape:
    """The shape that a list of sizes gives, as far as it is known."""
    known = sizes.known()
    if known is not None:
        return known
    count = None if sizes.shape is None else sizes.shape[0]
    return None if count is None else (None,) * count


def _sizes(to: Emission, x: Value, node: Node) -> Value:
    dtype = kind(node, "out_type", default="int32")
    if x.shape is not None and None not in x.shape:
        return to.weight(np.asarray(x.shape, dtype), node.name)
    rank = None if x.shape is None else len(x.shape)
    like = Value("", np.dtype(np.int64), (rank,)).with_elements(x.shape)
    made = to.node("Shape", [x], like)
    if x.is_first and rank is not None:
        places = [x.axis(axis) for axis in range(rank)]
        made = to.node("Gather", [made, to.small(places)], like)
    return converted(to, made, dtype)


def _in_order(to: Emission, x: Value) -> Value:
    """A value whose elements lie in memory as TensorFlow has them, whatever its axes."""
    if not x.is_first or x.shape is None:
        return x
    now = [axis for axis in order(len(x.shape), x.layout) if x.shape[axis] != 1]
    return x if now == sorted(now) else to.plain(x)


def _reshaped(x: Value, known: Sequence[int | None] | None, sizes: Value) -> Shape:
    """The shape that comes out, as far as it can be known."""
    if known is None:
        return declared(sizes)
    shape = [None if size == -1 else size for size in known]
    if x.size is not None and shape.count(None) == 1:
        rest = math.prod(size for size in shape if size is not None)
        shape[shape.index(None)] = x.size // rest if rest else 0
    return tuple(shape)
