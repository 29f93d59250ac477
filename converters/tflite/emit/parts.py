"""Putting tensors together, taking them apart, and picking parts."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite import schema
from converters.tflite.emit.activation import activated
from converters.tflite.emit.checks import integers, listed, rank_of, vectors
from converters.tflite.emit.delegated import delegated
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import ANY_NUMBER, emitter
from converters.tflite.model import Operation

Made = Value | tuple[Value, ...]
_DEEPEST = 1 << 20


@emitter("CONCATENATION", inputs=(1, ANY_NUMBER), moves=True)
def concatenation(to: Emission, operation: Operation) -> Made:
    """One behind another along an axis."""
    ranks = {rank_of(operation, value) for value in to.inputs(operation)}
    if len(ranks) != 1 or ranks == {0}:
        raise NoEmitter(operation, "its inputs have different numbers of axes")
    axis = to.constant(np.asarray(operation.options["axis"]))
    made = delegated(to, operation, "ConcatV2", (*operation.inputs, axis))
    assert isinstance(made, Value)
    return activated(to, operation, made)


@emitter("PACK", inputs=(1, ANY_NUMBER), moves=True)
def pack(to: Emission, operation: Operation) -> Made:
    """One behind another along a new axis."""
    if len({rank_of(operation, value) for value in to.inputs(operation)}) != 1:
        raise NoEmitter(operation, "its inputs have different numbers of axes")
    return delegated(to, operation, "Pack", axis=operation.options["axis"])


@emitter("UNPACK", moves=True)
def unpack(to: Emission, operation: Operation) -> Made:
    """Every place of an axis by itself."""
    options = operation.options
    if options["count"] != len(operation.outputs):
        raise NoEmitter(operation, f"it has {len(operation.outputs)} outputs; expected {options['count']}")
    return delegated(to, operation, "Unpack", num=options["count"], axis=options["axis"])


@emitter("SPLIT", inputs=2, moves=True)
def split(to: Emission, operation: Operation) -> Made:
    """Into equal parts along an axis."""
    count = operation.options["num_splits"]
    axis = listed(to, operation, 0, "axis")[0]
    shape = to.input(operation, 1).shape or ()
    if count < 1 or not -len(shape) <= axis < len(shape) or (shape[axis] or 0) % count:
        raise NoEmitter(operation, f"its axis {axis} of {list(shape)} does not fall into {count} equal parts")
    return delegated(to, operation, "Split", num_split=count)


@emitter("SPLIT_V", inputs=3, moves=True)
def split_by_sizes(to: Emission, operation: Operation) -> Made:
    """Into parts of given sizes along an axis, one of which may be whatever is left."""
    sizes, axis = listed(to, operation, 1, "list of sizes"), listed(to, operation, 2, "axis")[0]
    shape = to.input(operation, 0).shape or ()
    if not -len(shape) <= axis < len(shape) or min(sizes) < -1 or sizes.count(-1) > 1:
        raise NoEmitter(operation, f"its axis {axis} of {list(shape)} does not fall into parts of {sizes}")
    return delegated(to, operation, "SplitV")


@emitter("SLICE", inputs=3, moves=True)
def slice_of_size(to: Emission, operation: Operation) -> Made:
    """A begin and a size on each axis; −1 takes all that is left."""
    vectors(to, operation, (1, 2), rank_of(operation, to.input(operation, 0)))
    return delegated(to, operation, "Slice")


@emitter("STRIDED_SLICE", inputs=4, moves=True)
def strided_slice(to: Emission, operation: Operation) -> Made:
    """x[begin:end:stride, ...] with everything that Python's slices can say, as bit masks."""
    if operation.options["offset"]:
        raise NoEmitter(operation, "its ends count from its begins")
    strides = listed(to, operation, 3, "stride")
    if 0 in strides:
        raise NoEmitter(operation, "its stride is zero")
    vectors(to, operation, (1, 2, 3), len(strides))
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks = {name: operation.options[name] for name in names}
    return delegated(to, operation, "StridedSlice", **masks)


@emitter("GATHER", inputs=2, moves=True)
def gather(to: Emission, operation: Operation) -> Made:
    """Places of an axis by their numbers."""
    options = operation.options
    axis = to.constant(np.asarray(options["axis"]))
    read = (*operation.inputs, axis)
    if not 0 <= options["batch_dims"] <= rank_of(operation, to.stored(operation, 1)):
        raise NoEmitter(operation, f"its first {options['batch_dims']} axes are walked through together")
    return delegated(to, operation, "GatherV2", read, batch_dims=options["batch_dims"])


@emitter("GATHER_ND", inputs=2, moves=True)
def gather_nd(to: Emission, operation: Operation) -> Made:
    """Elements, or whole parts, by a number for each of the first axes."""
    return delegated(to, operation, "GatherNd")


@emitter("REVERSE_V2", inputs=2, moves=True)
def reverse(to: Emission, operation: Operation) -> Made:
    """Axes from their end to their beginning."""
    return delegated(to, operation, "ReverseV2")


@emitter("ONE_HOT", inputs=4)
def one_hot(to: Emission, operation: Operation) -> Made:
    """A value at the place that a number names, another elsewhere."""
    depth = listed(to, operation, 1, "depth")
    if len(depth) != 1 or not 0 <= depth[0] <= _DEEPEST:
        raise NoEmitter(operation, f"its depth is {depth}")
    return delegated(to, operation, "OneHot", axis=operation.options["axis"])


@emitter("PAD", inputs=2, moves=True)
def pad(to: Emission, operation: Operation) -> Made:
    """With what stands for zero."""
    x, tensor = to.input(operation, 0), to.tensor(operation, 0)
    zero = np.zeros((), x.dtype)
    if x.dtype.kind in "iu" and tensor is not None and tensor.quantization is not None:
        zero = tensor.quantization.zero_point.astype(x.dtype).reshape(())
    return _padded(to, operation, zero)


@emitter("PADV2", inputs=3, moves=True)
def pad_with(to: Emission, operation: Operation) -> Made:
    """With a number that is given."""
    x, given = to.input(operation, 0), to.held(operation, 2)
    if given is None or given.data is None or given.data.size != 1:
        raise NoEmitter(operation, "what it is padded with is not one constant number")
    number = given.data if x.dtype == given.data.dtype else given.real()
    return _padded(to, operation, np.asarray(number, x.dtype).reshape(()))


def _padded(to: Emission, operation: Operation, number: Array) -> Made:
    if to.const(operation, 1) is not None:
        rank = rank_of(operation, to.input(operation, 0))
        integers(to, operation, 1, "padding", (rank, 2))
    read = (operation.inputs[0], operation.inputs[1], to.constant(number))
    return delegated(to, operation, "PadV2", read)


@emitter("MIRROR_PAD", inputs=2, moves=True)
def mirror_pad(to: Emission, operation: Operation) -> Made:
    """With a mirror image, whose border is left out or repeated."""
    x = to.input(operation, 0)
    padding = integers(to, operation, 1, "padding", (rank_of(operation, x), 2))
    for size, pair in zip(x.shape or (), padding.tolist(), strict=True):
        if min(pair) < 0 or (size is not None and max(pair) > size):
            raise NoEmitter(operation, f"its padding {pair} mirrors an axis of {size}")
    number = operation.options["mode"]
    if not 0 <= number < len(schema.MIRROR_MODES):
        raise NoEmitter(operation, f"its mode number {number} is not known")
    return delegated(to, operation, "MirrorPad", mode=schema.MIRROR_MODES[number])
