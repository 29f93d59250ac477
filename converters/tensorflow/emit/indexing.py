"""Picking elements by number, in order of size, or where something holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from converters.tensorflow.emit.arithmetic import chosen, compared
from converters.tensorflow.emit.attributes import flag, integer, kind
from converters.tensorflow.emit.axes import checked_axis, constant_axes, ranked, unsqueezed, without
from converters.tensorflow.emit.casting import converted, lifted, passed, wide
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Layout, Shape, Value
from converters.tensorflow.topology import Node

_BEFORE_ALL = np.iinfo(np.int64).min


@emitter("Gather", "GatherV2")
def gather(to: Emission, node: Node) -> Value:
    """Places of an axis by their numbers."""
    x, indices = to.input(node, 0), to.input(node, 1)
    shape, places = ranked(node, x, indices)
    axis = 0
    if node.op == "GatherV2":
        axis = checked_axis(node, int(to.needed_const(node, 2, "axis").ravel()[0]), len(shape))
    batch = integer(node, "batch_dims")
    batch += len(places) if batch < 0 else 0
    made = (*shape[:axis], *places[batch:], *shape[axis + 1 :])
    indices = to.plain(indices)
    if batch:
        return _gather_batched(to, node, axis, batch, made)
    source = lifted(to, x) if x.rank == 1 and x.dtype == np.int32 else None
    source = x if source is None else source
    layout: Layout = source.layout
    if len(places) == 0:
        source, layout = without(to, source, {axis})
    elif len(places) > 1:
        source, layout = to.plain(source), "plain"
    like = source.like(shape=made, layout=layout)
    if (known := x.known()) is not None and len(shape) == 1 and indices.constant is not None:
        like = like.with_elements([known[int(place)] for place in indices.constant.ravel()])
    return converted(to, to.node("Gather", [source, indices], like, axis=source.axis(axis)), x.dtype)


@emitter("GatherNd")
def gather_nd(to: Emission, node: Node) -> Value:
    """Elements, or whole parts, by a number for each of the first axes."""
    x, indices = to.plain(to.input(node, 0)), to.plain(to.input(node, 1))
    shape, places = ranked(node, x, indices)
    depth = places[-1]
    made = None if depth is None else (*places[:-1], *shape[depth:])
    return to.node("GatherND", [x, wide(to, indices)], x.like(shape=made))


@emitter("ScatterNd")
def scatter_nd(to: Emission, node: Node) -> Value:
    """Numbers added up at places of a tensor of zeros."""
    from onnx import numpy_helper

    from converters.tensorflow.emit.shape import declared

    indices, updates, sizes = (to.plain(value) for value in to.inputs(node))
    shape = declared(sizes)
    like = Value("", updates.dtype, shape)
    zero = numpy_helper.from_array(np.zeros(1, updates.dtype))
    empty = to.node("ConstantOfShape", [wide(to, sizes)], like, value=zero)
    depth = indices.shape[-1] if indices.shape else None
    # How many there are along the first axis may well be open: nothing is multiplied by it.
    inner = [size for size in (shape or (None, None))[1:] if size]
    if depth and shape and len(inner) == len(shape) - 1:
        sums = _added_rows(to, empty, indices, updates, [1, *inner], depth)
        return to.node("Reshape", [sums, wide(to, sizes)], like)
    return to.node("ScatterND", [empty, wide(to, indices), updates], like, reduction="add")


def _added_rows(
    to: Emission, empty: Value, indices: Value, updates: Value, sizes: Sequence[int], depth: int
) -> Value:
    """Add up rows at places of a table, (places, numbers in a row).

    onnxruntime's ScatterND adds in several threads, which lose what they add to one number at the same time;
    its ScatterElements adds one number after the other.
    """
    width = math.prod(sizes[depth:])
    steps = np.array([[math.prod(sizes[axis + 1 : depth])] for axis in range(depth)], np.int64)
    table = to.node("Reshape", [empty, to.small([-1, width])], empty.like(shape=(None, width)))
    rows = to.node("Reshape", [updates, to.small([-1, width])], table.like())
    places = wide(to, indices)
    if depth > 1:
        outer = None if places.shape is None else places.shape[:-1]
        places = to.node(
            "MatMul", [places, to.small(steps)], places.like(shape=None if outer is None else (*outer, 1))
        )
    column = to.node("Reshape", [places, to.small([-1, 1])], places.like(shape=(None, 1)))
    if width > 1:
        both = to.node("Shape", [rows], Value("", np.dtype(np.int64), (2,)))
        column = to.node("Expand", [column, both], column.like(shape=(None, width)))
    return to.node("ScatterElements", [table, column, rows], table.like(), axis=0, reduction="add")


@emitter("OneHot")
def one_hot(to: Emission, node: Node) -> Value:
    """A value at the place that a number names, another elsewhere.

    ONNX counts negative numbers from the end, where TensorFlow has no place for them. So each number is
    compared with every place.
    """
    indices, on, off = to.plain(to.input(node, 0)), to.input(node, 2), to.input(node, 3)
    depth = int(to.needed_const(node, 1, "depth"))
    (shape,) = ranked(node, indices)
    axis = checked_axis(node, integer(node, "axis", -1), len(shape) + 1)
    places = np.arange(depth, dtype=indices.dtype).reshape((-1,) + (1,) * (len(shape) - axis))
    hit = compared(to, "Equal", unsqueezed(to, indices, {axis}), to.small(places))
    if _is(on, 1) and _is(off, 0):
        return converted(to, hit, on.dtype)
    return chosen(to, hit, on, off)


@emitter("TopKV2", "TopK")
def top_k(to: Emission, node: Node) -> tuple[Value, Value]:
    """The largest along the last axis with their places, the first of equal ones before the others."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    if node.op == "TopK":
        count = to.small([integer(node, "k")])
    else:
        count = unsqueezed(to, wide(to, to.input(node, 1)), {0})
    known = count.known()
    made = (*shape[:-1], None if known is None else known[0])
    likes = [x.like(shape=made), x.like(shape=made, dtype=np.dtype(np.int64))]
    is_sorted = None if flag(node, "sorted", True) else 0
    values, places = to.nodes("TopK", [x, count], likes, axis=x.axis(-1), sorted=is_sorted)
    return values, converted(to, places, kind(node, "index_type", default="int32"))


@emitter("Where")
def where(to: Emission, node: Node) -> Value:
    """The places of all elements that are not zero, one a row."""
    x = to.plain(to.input(node, 0))
    (shape,) = ranked(node, x)
    found = to.node("NonZero", [x], Value("", np.dtype(np.int64), (len(shape), None)))
    return to.node("Transpose", [found], found.like(shape=(None, len(shape))), perm=(1, 0))


@emitter("ReverseV2")
def reverse(to: Emission, node: Node) -> Value:
    """Axes from their end to their beginning."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    axes = constant_axes(to, node, 1, len(shape))
    count = len(axes)
    places = [x.axis(axis) for axis in axes]
    if not count:
        return passed(to, node, 0)
    starts, ends = to.small([-1] * count), to.small([_BEFORE_ALL] * count)
    return to.node("Slice", [x, starts, ends, to.small(places), to.small([-1] * count)], x.like())


@emitter("ReverseSequence")
def reverse_sequence(to: Emission, node: Node) -> Value:
    """Of each sample as many steps as it has; ONNX wants the two axes to be the first ones."""
    x, lengths = to.plain(to.input(node, 0)), to.input(node, 1)
    (shape,) = ranked(node, x)
    batch = checked_axis(node, integer(node, "batch_dim"), len(shape))
    time = checked_axis(node, integer(node, "seq_dim"), len(shape))
    if {batch, time} == {0, 1}:
        inputs = [x, wide(to, lengths)]
        return to.node("ReverseSequence", inputs, x.like(), batch_axis=batch, time_axis=time)
    ahead = (batch, time, *(axis for axis in range(len(shape)) if axis not in (batch, time)))
    back = tuple(ahead.index(axis) for axis in range(len(shape)))
    moved = to.node("Transpose", [x], x.like(shape=tuple(shape[axis] for axis in ahead)), perm=ahead)
    made = to.node("ReverseSequence", [moved, wide(to, lengths)], moved.like(), batch_axis=0, time_axis=1)
    return to.node("Transpose", [made], x.like(), perm=back)


def _is(value: Value, number: int) -> bool:
    """Whether a value is known to be this number."""
    return value.constant is not None and bool(np.all(value.constant == number))


def _gather_batched(to: Emission, node: Node, axis: int, batch: int, shape: Shape) -> Value:
    """As many leading axes of both inputs are walked through together."""
    if axis != batch:
        raise NoEmitter(node, "the axis that it gathers from is not the first one behind those of the batch")
    x, indices = to.plain(to.input(node, 0)), to.plain(to.input(node, 1))
    last = unsqueezed(to, indices, {indices.rank or 0})
    return to.node("GatherND", [x, wide(to, last)], x.like(shape=shape), batch_dims=batch)
