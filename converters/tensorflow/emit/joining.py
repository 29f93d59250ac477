"""Putting tensors together, and taking them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converters.tensorflow.emit.attributes import integer
from converters.tensorflow.emit.axes import checked_axis, ranked, squeezed, unsqueezed, without
from converters.tensorflow.emit.casting import converted, lifted_all, listed, passed
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node


@emitter("ConcatV2", "Concat")
def concat(to: Emission, node: Node) -> Value:
    """One behind another along an axis; the newer op has the axis as its last input."""
    place = len(node.inputs) - 1 if node.op == "ConcatV2" else 0
    parts = [to.input(node, index) for index in range(len(node.inputs)) if index != place]
    rank = len(ranked(node, parts[0])[0])
    axis = checked_axis(node, int(to.needed_const(node, place, "axis").ravel()[0]), rank)
    if len(parts) == 1:
        return passed(to, node, 1 if place == 0 else 0)
    dtype = parts[0].dtype
    return converted(to, joined(to, node, lifted_all(to, *parts) if rank == 1 else parts, axis), dtype)


@emitter("Pack")
def pack(to: Emission, node: Node) -> Value:
    """One behind another along a new axis."""
    parts = list(to.inputs(node))
    if parts[0].rank == 0:
        parts = list(lifted_all(to, *parts))
    rank = len(ranked(node, parts[0])[0])
    axis = checked_axis(node, integer(node, "axis"), rank + 1)
    made = [unsqueezed(to, part, {axis}) if rank else listed(to, part) for part in parts]
    return converted(to, made[0] if len(made) == 1 else joined(to, node, made, axis), to.input(node, 0).dtype)


@emitter("Unpack")
def unpack(to: Emission, node: Node) -> tuple[Value, ...]:
    """Every place of an axis by itself."""
    x, count = to.input(node, 0), integer(node, "num")
    (shape,) = ranked(node, x)
    axis = checked_axis(node, integer(node, "axis"), len(shape))
    if count == 1:
        return (squeezed(to, x, {axis}),)
    source, layout = without(to, x, {axis})
    like = source.like(shape=tuple(s for i, s in enumerate(shape) if i != axis), layout=layout)
    known = x.known() if len(shape) == 1 else None
    return tuple(
        to.node(
            "Gather",
            [source, to.small(place)],
            like.with_elements(None if known is None else known[place : place + 1]),
            axis=source.axis(axis),
        )
        for place in range(count)
    )


@emitter("Split")
def split(to: Emission, node: Node) -> tuple[Value, ...]:
    """Into equal parts along an axis."""
    x, count = to.input(node, 1), integer(node, "num_split")
    (shape,) = ranked(node, x)
    axis = checked_axis(node, int(to.needed_const(node, 0, "axis").ravel()[0]), len(shape))
    size = shape[axis]
    if count == 1:
        return (passed(to, node, 1),)
    if size is None:
        # Both ways of asking for equal parts: opset 18 wants their number said.
        like = _parts_like(x, axis, [None] * count)
        number = count if to.opset > 17 else None
        return to.nodes("Split", [x], like, axis=x.axis(axis), num_outputs=number)
    return _split(to, x, axis, [size // count] * count)


@emitter("SplitV")
def split_by_sizes(to: Emission, node: Node) -> tuple[Value, ...]:
    """Into parts of given sizes along an axis, one of which may be whatever is left."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    sizes = [int(size) for size in to.needed_const(node, 1, "list of sizes").ravel()]
    axis = checked_axis(node, int(to.needed_const(node, 2, "axis").ravel()[0]), len(shape))
    if len(sizes) == 1:
        return (passed(to, node, 0),)
    if -1 in sizes:
        total = shape[axis]
        if total is None:
            raise NoEmitter(node, "the size that it splits is not known")
        sizes[sizes.index(-1)] = total - sum(size for size in sizes if size >= 0)
    return _split(to, x, axis, sizes)


def joined(to: Emission, node: Node, parts: Sequence[Value], axis: int) -> Value:
    """Values one behind another; channels stay first where one of the values has them there."""
    parts = [part for part in parts if part.shape is None or part.shape[axis] != 0] or list(parts[:1])
    if len(parts) == 1:
        return parts[0]
    arrays = [part.constant for part in parts]
    known = [array for array in arrays if array is not None]
    if len(known) == len(parts):
        return to.weight(np.concatenate(known, axis), node.name)
    shapes = ranked(node, *parts)
    if any(part.is_first for part in parts) and len({len(shape) for shape in shapes}) == 1:
        parts = [to.channels_first(part) for part in parts]
    sizes = tuple(
        _total([s[i] for s in shapes])
        if i == axis
        else next((s[i] for s in shapes if s[i] is not None), None)
        for i in range(len(shapes[0]))
    )
    like = parts[0].like(shape=sizes).with_elements(_elements(parts))
    return to.node("Concat", list(parts), like, axis=like.axis(axis))


def _split(to: Emission, x: Value, axis: int, sizes: Sequence[int]) -> tuple[Value, ...]:
    if x.constant is not None:
        pieces = np.split(x.constant, np.cumsum(sizes)[:-1], axis)
        return tuple(to.weight(piece, f"{x.name}/{place}") for place, piece in enumerate(pieces))
    return to.nodes("Split", [x, to.small(sizes)], _parts_like(x, axis, sizes), axis=x.axis(axis))


def _parts_like(x: Value, axis: int, sizes: Sequence[int | None]) -> list[Value]:
    whole = x.shape or ()
    return [x.like(shape=(*whole[:axis], size, *whole[axis + 1 :])) for size in sizes]


def _total(sizes: Sequence[int | None]) -> int | None:
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _elements(parts: Sequence[Value]) -> tuple[int | None, ...] | None:
    """What is known of a list of sizes that is made of several."""
    if any(part.rank != 1 for part in parts):
        return None
    found: list[int | None] = []
    for part in parts:
        known = part.known()
        length = (part.shape or (None,))[0]
        if known is None and length is None:
            return None
        found.extend(known if known is not None else [None] * (length or 0))
    return tuple(found)
