"""Parts of tensors: slices with a begin and an end on each axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.attributes import integer
from converters.tensorflow.emit.axes import ranked, squeezed, unsqueezed
from converters.tensorflow.emit.casting import converted, lifted, wide
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

_MOST = np.iinfo(np.int64).max
_LEAST = np.iinfo(np.int64).min


@dataclass(frozen=True)
class _Cut:
    """What a StridedSlice does, one entry per axis of the data that it speaks of.

    Attributes:
        axes: The axes.
        entries: Where their begin, end and stride stand in the node's lists.
        shrunk: The axes of the data that go.
        added: The places of new axes of size 1 among those of the result.
    """

    axes: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    shrunk: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)


@emitter("StridedSlice")
def strided_slice(to: Emission, node: Node) -> Value:
    """x[begin:end:stride, ...] with everything that Python's slices can say, as bit masks."""
    x = to.input(node, 0)
    x = lifted(to, x) or x if x.rank == 1 and x.dtype == np.int32 else x
    (shape,) = ranked(node, x)
    strides = to.needed_const(node, 3, "stride")
    cut = _read(node, len(strides), len(shape))
    steps = [
        1 if axis in cut.shrunk else int(strides[i]) for axis, i in zip(cut.axes, cut.entries, strict=True)
    ]
    starts = _bounds(to, node, 1, cut, steps)
    ends = _ends(to, node, cut, steps)
    made = sliced(to, x, cut.axes, starts, ends, steps)
    made = unsqueezed(to, squeezed(to, made, cut.shrunk), cut.added)
    return converted(to, made, to.input(node, 0).dtype)


@emitter("Slice")
def slice_of_size(to: Emission, node: Node) -> Value:
    """A begin and a size on each axis; −1 takes all that is left."""
    x = to.input(node, 0)
    (shape,) = ranked(node, x)
    axes = list(range(len(shape)))
    begin, size = to.input(node, 1), to.input(node, 2)
    if size.constant is None:
        # What is beyond the end, as −1 asks for, cannot be told apart before it is known.
        raise NoEmitter(node, "its size is not a constant")
    sizes = [int(number) for number in size.constant.ravel()]
    if begin.constant is not None:
        first = [int(number) for number in begin.constant.ravel()]
        last = [_MOST if n == -1 else b + n for b, n in zip(first, sizes, strict=True)]
        moved = [axis for axis in axes if first[axis] or sizes[axis] not in (-1, shape[axis])]
        return sliced(
            to,
            x,
            moved,
            np.asarray([first[a] for a in moved]),
            np.asarray([last[a] for a in moved]),
            [1] * len(moved),
        )
    starts = wide(to, begin)
    ends = to.node("Add", [starts, to.small([0 if n == -1 else n for n in sizes])], starts.like())
    open_ended = np.asarray([n == -1 for n in sizes])
    if open_ended.any():
        ends = to.node("Where", [open_ended, to.small(_MOST), ends], ends.like())
    made = sliced(to, x, axes, starts, ends, [1] * len(axes))
    # A slice of TensorFlow's has the size that was asked for, or fails.
    return Value(made.name, made.dtype, tuple(None if n == -1 else n for n in sizes), made.layout)


def sliced(
    to: Emission,
    x: Value,
    axes: Sequence[int],
    starts: Value | Array,
    ends: Value | Array,
    steps: Sequence[int],
) -> Value:
    """x[start:end:step] on some axes, in Python's way of counting."""
    sizes = list(x.shape or ())
    spans: list[slice | None] = [None] * len(axes)
    if isinstance(starts, np.ndarray) and isinstance(ends, np.ndarray):
        spans = [_span(*three) for three in zip(starts.tolist(), ends.tolist(), steps, strict=True)]
    kept = [i for i, span in enumerate(spans) if span is None or not _takes_all(span, sizes[axes[i]])]
    if not kept:
        return x
    if x.constant is not None and None not in spans:
        index = dict(zip(axes, spans, strict=True))
        return to.weight(
            x.constant[tuple(index.get(axis, slice(None)) for axis in range(len(sizes)))], x.name
        )
    for axis, span in zip(axes, spans, strict=True):
        sizes[axis] = None if span is None else _size(span, sizes[axis])
    known = x.known()
    elements = None
    if known is not None and len(sizes) == 1 and spans[0] is not None:
        elements = known[spans[0]]
    if isinstance(starts, np.ndarray) and isinstance(ends, np.ndarray):
        starts, ends = starts[kept].astype(np.int64), ends[kept].astype(np.int64)
        axes, steps = [axes[i] for i in kept], [steps[i] for i in kept]
    inputs = [x, starts, ends, to.small([x.axis(axis) for axis in axes])]
    if set(steps) != {1}:
        inputs.append(to.small(steps))
    return to.node("Slice", inputs, x.like(shape=tuple(sizes)).with_elements(elements))


def _read(node: Node, count: int, rank: int) -> _Cut:
    """Go through the masks of a StridedSlice; an ellipsis stands for as many axes as are not spoken of."""
    ellipsis, new, shrink = (
        integer(node, f"{name}_mask") for name in ("ellipsis", "new_axis", "shrink_axis")
    )
    spoken = sum(1 for i in range(count) if not (ellipsis | new) >> i & 1)
    cut, axis, place = _Cut(), 0, 0
    for i in range(count):
        if ellipsis >> i & 1:
            axis += rank - spoken
            place += rank - spoken
        elif new >> i & 1:
            cut.added.append(place)
            place += 1
        elif axis >= rank:
            raise NoEmitter(node, f"it slices more axes than the {rank} of its data")
        else:
            cut.axes.append(axis)
            cut.entries.append(i)
            if shrink >> i & 1:
                cut.shrunk.append(axis)
            else:
                place += 1
            axis += 1
    return cut


def _bounds(to: Emission, node: Node, index: int, cut: _Cut, steps: Sequence[int]) -> Value | Array:
    """The begins or the ends; where their mask says so, as far as the data goes."""
    mask = integer(node, "begin_mask" if index == 1 else "end_mask")
    ahead = index == 2
    limits = [(_MOST if step > 0 else _LEAST) if ahead else (0 if step > 0 else _MOST) for step in steps]
    masked = [
        bool(mask >> i & 1) and axis not in cut.shrunk for axis, i in zip(cut.axes, cut.entries, strict=True)
    ]
    given = to.input(node, index)
    if given.constant is not None:
        numbers = [int(given.constant[i]) for i in cut.entries]
        chosen = [limit if m else n for limit, m, n in zip(limits, masked, numbers, strict=True)]
        return np.asarray(chosen, np.int64)
    found = wide(to, given)
    count = (given.shape or (None,))[0]
    if cut.entries != list(range(count or 0)):
        found = to.node("Gather", [found, to.small(cut.entries)], found.like(shape=(len(cut.entries),)))
    if any(masked):
        found = to.node("Where", [np.asarray(masked), to.small(limits), found], found.like())
    return found


def _ends(to: Emission, node: Node, cut: _Cut, steps: Sequence[int]) -> Value | Array:
    """The ends; an axis that goes is cut to the one place that its begin names."""
    begins, ends = _bounds(to, node, 1, cut, steps), _bounds(to, node, 2, cut, steps)
    goes = np.asarray([axis in cut.shrunk for axis in cut.axes])
    if not goes.any():
        return ends
    if isinstance(begins, np.ndarray):
        after = np.where(begins == -1, _MOST, begins + 1)
        if isinstance(ends, np.ndarray):
            return np.where(goes, after, ends)
        return to.node("Where", [goes, after, ends], ends.like())
    next_one = to.node("Add", [begins, to.small([1])], begins.like())
    is_last = to.node("Equal", [next_one, to.small([0])], begins.like(dtype=np.dtype(bool)))
    next_one = to.node("Where", [is_last, to.small([_MOST]), next_one], begins.like())
    return next_one if goes.all() else to.node("Where", [goes, next_one, ends], begins.like())


def _span(start: int, end: int, step: int) -> slice:
    """Python's slice; what lies before the first place has no number there."""
    return slice(start, None if end in (_MOST, _LEAST) else end, step)


def _takes_all(span: slice, size: int | None) -> bool:
    if span.step != 1 or span.start != 0:
        return False
    return span.stop is None or (size is not None and span.stop >= size)


def _size(span: slice, size: int | None) -> int | None:
    """How many places a slice takes of an axis."""
    if size is not None:
        return len(range(*span.indices(size)))
    if span.step > 0 and span.start < 0 and span.stop is None and span.start == -1:
        return 1
    return None
