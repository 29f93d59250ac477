"""The values that derivative rules compute with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.errors import GradientError
from inspector.gradients.kinds import BATCHES, Shape, Sizes

if TYPE_CHECKING:
    from onnx import TensorProto

    from inspector.gradients.tape import Tape

Operand: TypeAlias = "Value | float | NDArray[Any] | Sequence[int] | None"


@dataclass(frozen=True)
class Value:
    """A value of the forward or the backward graph; arithmetic on it emits backward nodes.

    Attributes:
        name: Its name in the graph.
    """

    name: str
    tape: Tape = field(repr=False, compare=False)

    @property
    def shape(self) -> Shape | None:
        """Its shape, None for an axis that goes with the batch; None when only a run tells the shape."""
        kind = self.tape.known.kinds.get(self.name)
        return None if kind is None else kind.shape

    @property
    def sizes(self) -> tuple[Sizes, ...] | None:
        """Its shape at two batch sizes."""
        kind = self.tape.known.kinds.get(self.name)
        return None if kind is None else kind.sizes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its dtype; float32 when only a run tells it."""
        kind = self.tape.known.kinds.get(self.name)
        return np.dtype(np.float32) if kind is None else kind.dtype

    @property
    def is_constant(self) -> bool:
        """Whether it does not depend on what the network is given."""
        return self.name in self.tape.steady or self.name in self.tape.constants

    @property
    def rank(self) -> int:
        """How many axes it has.

        Raises:
            GradientError: Only a run tells.
        """
        return len(self.known_shape)

    @property
    def known_shape(self) -> Shape:
        """Its shape.

        Raises:
            GradientError: Only a run tells.
        """
        shape = self.shape
        if shape is None:
            raise GradientError(
                f"{self.tape.where}: the shape of the value {self.name!r} depends on the numbers that the "
                "network is given; expected one that its inputs' shapes decide",
                "Explain such a network without gradients, for example by occlusion.",
            )
        return shape

    def op(self, op_type: str, *others: Operand, **attributes: Any) -> Value:
        """Emit a node whose first input is this value."""
        return self.tape.emit(op_type, (self, *others), 1, "", attributes)[0]

    def __add__(self, other: Value | float) -> Value:
        """The sum."""
        return self.op("Add", other)

    def __sub__(self, other: Value | float) -> Value:
        """The difference."""
        return self.op("Sub", other)

    def __mul__(self, other: Value | float) -> Value:
        """The product."""
        return self.op("Mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        """The quotient."""
        return self.op("Div", other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float) -> Value:
        """A number less this."""
        return self.tape.emit("Sub", (other, self), 1, "", {})[0]

    def __rtruediv__(self, other: float) -> Value:
        """A number divided by this."""
        return self.tape.emit("Div", (other, self), 1, "", {})[0]

    def __neg__(self) -> Value:
        """The negative."""
        return self.op("Neg")

    def greater(self, other: Value | float) -> Value:
        """Where this is greater, as bool."""
        return self.op("Greater", other)

    def less(self, other: Value | float) -> Value:
        """Where this is less, as bool."""
        return self.op("Less", other)

    def equal(self, other: Value | float) -> Value:
        """Where this is equal, as bool."""
        return self.op("Equal", other)

    def where(self, yes: Value | float, no: Value | float) -> Value:
        """Of each element `yes` where this (bool) is true, else `no`."""
        return self.op("Where", yes, no)

    def cast(self, dtype: np.dtype[Any] | type[np.generic]) -> Value:
        """The same numbers in another dtype; this very value when it has it."""
        from onnx import helper

        wanted = np.dtype(dtype)
        if self.dtype == wanted:
            return self
        return self.op("Cast", to=int(helper.np_dtype_to_tensor_dtype(wanted)))

    def sum(self, axes: Sequence[int], keepdims: bool = True) -> Value:
        """The sum over some axes; no axes: this very value."""
        if not axes:
            return self
        return self.op("ReduceSum", axes=tuple(axes), keepdims=int(keepdims))

    def mean(self, axes: Sequence[int], keepdims: bool = True) -> Value:
        """The mean over some axes; no axes: this very value."""
        if not axes:
            return self
        return self.op("ReduceMean", axes=tuple(axes), keepdims=int(keepdims))

    def transpose(self, perm: Sequence[int]) -> Value:
        """Its axes in another order; of a weight, the transposed numbers are stored."""
        if tuple(perm) == tuple(range(len(perm))):
            return self
        return self.folding(f"transposed_{'_'.join(map(str, perm))}", lambda w: w.transpose(perm)) or self.op(
            "Transpose", perm=tuple(perm)
        )

    def folding(self, step: str, compute: Callable[[NDArray[Any]], NDArray[Any]]) -> Value | None:
        """Of a stored weight, the constant that a step makes of it, computed at most once; None of others.

        Args:
            step: What it does, a part of the constant's name.
            compute: Makes the new array.
        """
        done = self.tape.has_folded(self, step)
        if done is not None:
            return done
        array = self.tape.weight(self.name)
        return None if array is None else self.tape.folded(self, step, np.ascontiguousarray(compute(array)))

    def reshape(self, shape: Sequence[int | None]) -> Value:
        """The same numbers in a shape in which at most one size is None, left to be found."""
        wanted = tuple(shape)
        if self.shape == wanted and None not in wanted:
            return self
        return self.op("Reshape", np.array([-1 if size is None else size for size in wanted], np.int64))

    def reshape_like(self, other: Value) -> Value:
        """The same numbers in the shape of another value."""
        shape = other.shape
        if self.sizes is not None and self.sizes == other.sizes:
            return self
        if shape is not None and shape.count(None) <= 1 and 0 not in shape:
            return self.reshape(shape)
        return self.op("Reshape", other.shape_vector(), allowzero=int(shape is not None and 0 in shape))

    def declared_like(self, other: Value) -> Value:
        """This value, known to have the other's shape and dtype where onnx cannot infer them."""
        kind = self.tape.known.kinds.get(other.name)
        if kind is not None:
            self.tape.known.kinds.setdefault(self.name, kind)
        return self

    def zeros(self) -> Value:
        """Zeros of its shape, and of its dtype where that is a float type."""
        zero = np.zeros(1, self.dtype if self.dtype.kind != "i" and self.dtype.kind != "u" else np.float32)
        return self.shape_vector().op("ConstantOfShape", value=_tensor(zero))

    def shape_vector(self) -> Value:
        """Its shape as an int64 vector.

        Where the batch decides it, it is made of that: a value whose shape is asked for in the backward pass
        would be kept until then, and the values of the first layers are the largest.
        """
        sizes = self.sizes
        if sizes is not None and len(set(sizes)) == 1:
            return self.tape.constant_vector(sizes[0])
        axes = list(zip(*sizes, strict=True)) if sizes is not None else [()]
        batch = self.tape.batch()
        if batch is None or any(len(set(axis)) != 1 and axis != BATCHES for axis in axes):
            return self.op("Shape")
        parts: list[Value] = []
        for free, run in groupby(axes, lambda axis: axis == BATCHES):
            same = [axis[0] for axis in run]
            parts += [batch] * len(same) if free else [self.tape.constant_vector(same)]
        return parts[0].op("Concat", *parts[1:], axis=0) if len(parts) > 1 else parts[0]

    def unbroadcast(self, like: Value) -> Value:
        """Sum over the axes along which a value of the other's shape was broadcast to this one's."""
        return unbroadcast(self, like)


def unbroadcast(grad: Value, like: Value) -> Value:
    """Sum a gradient over the axes along which its value was broadcast.

    Args:
        grad: The gradient, of the broadcast shape.
        like: The value that was broadcast.
    """
    if grad.sizes is not None and grad.sizes == like.sizes:
        return grad
    given, wanted = grad.known_shape, like.known_shape
    extra = len(given) - len(wanted)
    axes = [at + extra for at, size in enumerate(wanted) if size == 1 and given[at + extra] != 1]
    summed = grad.sum(axes)
    return summed.sum(tuple(range(extra)), keepdims=False) if extra else summed


def zeros_like(value: Value) -> Value:
    """Zeros of a value's shape and dtype."""
    return value.zeros()


def _tensor(array: NDArray[Any]) -> TensorProto:
    from onnx import numpy_helper

    return numpy_helper.from_array(array)
