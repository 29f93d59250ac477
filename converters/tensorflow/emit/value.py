"""A tensor of the ONNX graph, as TensorFlow's graph sees it and as it lies in memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from converters.tensorflow.dtypes import Array, DType

Shape: TypeAlias = "tuple[int | None, ...] | None"
Layout = Literal["plain", "channels first"]
CHANNELS_FIRST: Layout = "channels first"
_MOST_ELEMENTS = 1024


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor.

    Attributes:
        name: Its name in the ONNX graph.
        dtype: Its element type.
        shape: Its shape with the axes in TensorFlow's order, None for a size that is not known; None as
            a whole when the rank is unknown.
        layout: "plain" when the ONNX tensor has its axes in that order too; "channels first" when the last
            axis is the second one there (N H W C lies as N C H W).
        constant: Its numbers where they are known; always plain. The tensor becomes an initializer when
            a node reads it.
        elements: What is known of an integer tensor that is no constant, flattened: the batch of a shape is
            None, say, and the other sizes are numbers.
    """

    name: str
    dtype: DType
    shape: Shape
    layout: Layout = "plain"
    constant: Array | None = None
    elements: tuple[int | None, ...] | None = None

    @property
    def rank(self) -> int | None:
        """How many axes it has."""
        return None if self.shape is None else len(self.shape)

    @property
    def size(self) -> int | None:
        """How many elements it has."""
        if self.shape is None or None in self.shape:
            return None
        return math.prod(size for size in self.shape if size is not None)

    @property
    def is_first(self) -> bool:
        """Whether the channels are the second axis of the ONNX tensor."""
        return self.layout == CHANNELS_FIRST

    @property
    def physical(self) -> Shape:
        """The shape of the ONNX tensor."""
        return channels_second(self.shape) if self.is_first and self.shape is not None else self.shape

    def axis(self, axis: int) -> int:
        """Where an axis of TensorFlow's, which may be negative, is in the ONNX tensor."""
        if self.shape is None:
            return axis
        rank = len(self.shape)
        axis %= rank
        if not self.is_first or axis == 0:
            return axis
        return 1 if axis == rank - 1 else axis + 1

    def like(
        self,
        *,
        shape: Shape | Literal["same"] = "same",
        dtype: DType | str | None = None,
        layout: Layout | None = None,
    ) -> Value:
        """A description for what a node makes: this one's type, shape and layout, but for those given."""
        return Value(
            "",
            self.dtype if dtype is None else np.dtype(dtype),
            self.shape if shape == "same" else shape,
            self.layout if layout is None else layout,
        )

    def known(self) -> tuple[int | None, ...] | None:
        """What is known of the elements of an integer tensor, flattened; None when nothing is."""
        if self.constant is not None and self.constant.dtype.kind in "iu":
            return (
                tuple(int(item) for item in self.constant.ravel())
                if self.constant.size <= _MOST_ELEMENTS
                else None
            )
        return self.elements

    def with_elements(self, elements: Sequence[int | None] | None) -> Value:
        """This tensor with what is known of its elements, flattened."""
        return dataclasses.replace(self, elements=None if elements is None else tuple(elements))


def channels_second(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """A shape with its last size in the second place.

    Example:
        >>> channels_second((None, 8, 9, 3))
        (None, 3, 8, 9)
    """
    return (shape[0], shape[-1], *shape[1:-1])
