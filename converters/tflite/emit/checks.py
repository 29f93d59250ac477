"""What TensorFlow Lite's own converter guarantees of constant inputs, and a stranger's file may break."""

from __future__ import annotations

from collections.abc import Iterable

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.emission import Emission
from converters.tflite.model import Operation


def rank_of(operation: Operation, value: Value) -> int:
    """How many axes a value has.

    Raises:
        NoEmitter: It is not known.
    """
    if value.rank is None:
        raise NoEmitter(operation, "the axes of its input are not known")
    return value.rank


def integers(to: Emission, operation: Operation, index: int, what: str, shape: tuple[int, ...]) -> Array:
    """A constant input of whole numbers in a shape.

    Raises:
        NoEmitter: It is no constant, or has another shape or type.
    """
    found = to.needed_const(operation, index, what)
    if found.shape != shape or found.dtype.kind not in "iu":
        raise NoEmitter(operation, f"its {what} is {found.dtype} {list(found.shape)}; expected {list(shape)}")
    return found


def vectors(to: Emission, operation: Operation, indices: Iterable[int], length: int) -> None:
    """Hold that inputs, where they are constants, list a number for each axis.

    Raises:
        NoEmitter: One does not.
    """
    for index in indices:
        value = to.stored(operation, index)
        if value.dtype.kind not in "iu" or (
            value.shape is not None and value.shape not in ((length,), (None,))
        ):
            shape = [] if value.shape is None else list(value.shape)
            raise NoEmitter(operation, f"its input {index} has the shape {shape}; expected [{length}]")


def listed(to: Emission, operation: Operation, index: int, what: str) -> list[int]:
    """A constant input of whole numbers, whatever its shape.

    Raises:
        NoEmitter: It is no constant, empty, or of another type.
    """
    found = to.needed_const(operation, index, what)
    if found.dtype.kind not in "iu" or not found.size:
        raise NoEmitter(operation, f"its {what} is {found.dtype} {list(found.shape)}")
    return [int(number) for number in found.ravel()]
