"""Shapes: how the same numbers are laid out, and what a tensor's sizes are."""

from __future__ import annotations

import math

import numpy as np

from converters.tensorflow.emit.casting import converted
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.checks import integers, listed, rank_of, vectors
from converters.tflite.emit.delegated import delegated
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.model import Operation

Made = Value | tuple[Value, ...]
_LONGEST = 1 << 24


@emitter("RESHAPE", inputs=(1, 2), moves=True)
def reshape(to: Emission, operation: Operation) -> Made:
    """To sizes that are an input, or an option in older files."""
    sizes = to.tensor(operation, 1)
    given = operation.options["new_shape"]
    name = operation.inputs[1] if sizes is not None else to.constant(np.asarray(given, np.int64))
    known = to.stored(operation, 1).known() if sizes is not None else given
    x = to.stored(operation, 0)
    if known is not None and None not in known and (x.size is not None):
        asked = [int(size or 0) for size in known]
        rest = math.prod(size for size in asked if size != -1)
        whole = rest == x.size if -1 not in asked else bool(rest) and x.size % rest == 0
        if asked.count(-1) > 1 or min(asked, default=0) < -1 or not whole:
            raise NoEmitter(operation, f"its {x.size:,} numbers do not fill the shape {asked}")
    if sizes is not None and to.stored(operation, 1).rank != 1:
        raise NoEmitter(operation, "its new shape is not a list")
    return delegated(to, operation, "Reshape", (operation.inputs[0], name))


@emitter("SQUEEZE", moves=True)
def squeeze(to: Emission, operation: Operation) -> Made:
    """Without axes of size 1: those that are named, or all."""
    shape, axes = to.input(operation, 0).shape, operation.options["squeeze_dims"]
    if shape is not None:
        wide = [axis for axis in axes if not -len(shape) <= axis < len(shape) or shape[axis] not in (1, None)]
        if wide:
            raise NoEmitter(operation, f"its axes {wide} of {list(shape)} are not of size 1")
    return delegated(to, operation, "Squeeze", squeeze_dims=axes)


@emitter("EXPAND_DIMS", inputs=2, moves=True)
def expand_dims(to: Emission, operation: Operation) -> Made:
    """With a new axis of size 1."""
    listed(to, operation, 1, "axis")
    return delegated(to, operation, "ExpandDims")


@emitter("TRANSPOSE", inputs=2, moves=True)
def transpose(to: Emission, operation: Operation) -> Made:
    """Another order of axes."""
    rank = rank_of(operation, to.input(operation, 0))
    order = integers(to, operation, 1, "permutation", (rank,))
    if sorted(order.tolist()) != list(range(rank)):
        raise NoEmitter(operation, f"its permutation is {order.tolist()}")
    return delegated(to, operation, "Transpose")


@emitter("SHAPE", moves=True)
def sizes(to: Emission, operation: Operation) -> Made:
    """The sizes: a constant where all are known."""
    return delegated(to, operation, "Shape")


@emitter("RANK", moves=True)
def rank(to: Emission, operation: Operation) -> Made:
    """The number of axes."""
    return delegated(to, operation, "Rank")


@emitter("TILE", inputs=2, moves=True)
def tile(to: Emission, operation: Operation) -> Made:
    """The data again and again along its axes."""
    vectors(to, operation, (1,), rank_of(operation, to.input(operation, 0)))
    return delegated(to, operation, "Tile")


@emitter("BROADCAST_TO", inputs=2, moves=True)
def broadcast_to(to: Emission, operation: Operation) -> Made:
    """The data repeated along axes of size 1."""
    if to.stored(operation, 1).rank != 1:
        raise NoEmitter(operation, "its new shape is not a list")
    return delegated(to, operation, "BroadcastTo")


@emitter("FILL", inputs=2, moves=True)
def fill(to: Emission, operation: Operation) -> Made:
    """A tensor of one number."""
    if to.stored(operation, 0).rank != 1 or to.stored(operation, 1).size != 1:
        raise NoEmitter(operation, "it is not filled with one number in a shape")
    return delegated(to, operation, "Fill")


@emitter("RANGE", inputs=3)
def arithmetic_sequence(to: Emission, operation: Operation) -> Made:
    """From a start to before a limit in steps."""
    if any(to.stored(operation, place).rank for place in range(3)):
        raise NoEmitter(operation, "its ends are not single numbers")
    ends = [to.const(operation, place) for place in range(3)]
    known = [end.item() for end in ends if end is not None]
    if len(known) == 3 and (not known[2] or not abs((known[1] - known[0]) / known[2]) <= _LONGEST):
        raise NoEmitter(operation, f"it goes from {known[0]} to {known[1]} in steps of {known[2]}")
    return delegated(to, operation, "Range")


@emitter("CAST")
def cast(to: Emission, operation: Operation) -> Value:
    """To another element type; towards zero from floating-point numbers to integers."""
    dtype = to.made(operation).dtype
    if dtype is None:
        raise NoEmitter(operation, f"it makes {to.made(operation).kind}")
    return converted(to, to.input(operation, 0), dtype)
