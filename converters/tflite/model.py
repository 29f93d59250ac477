"""A TensorFlow Lite file as one graph of tensors and operators.

Reference: tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.tensorflow.topology import Node


@dataclass(frozen=True, eq=False)
class Quantization:
    """How whole numbers stand for real ones: real = scale · (stored − zero point).

    Attributes:
        scale: float32, one for the whole tensor or for each place of `axis`.
        zero_point: int64, as many.
        axis: Of the tensor; means nothing where there is one scale.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int

    @property
    def is_per_tensor(self) -> bool:
        """Whether one scale holds for all of the tensor."""
        return self.scale.size == 1

    def equals(self, other: Quantization) -> bool:
        """Whether the same whole numbers stand for the same real ones."""
        return np.array_equal(self.scale, other.scale) and np.array_equal(self.zero_point, other.zero_point)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph.

    Attributes:
        index: Its number in the file.
        name: Its name, made unique.
        kind: Its element type, as `schema.TYPES` calls it.
        shape: Its shape; the batch is mostly 1.
        signature: Its shape with None for a size that the source leaves open.
        quantization: What its whole numbers stand for, if anything.
        data: Its numbers where the file stores them, as a view of the file; None otherwise.
        is_variable: Whether it keeps its numbers from one run to the next.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    signature: tuple[int | None, ...]
    quantization: Quantization | None = None
    data: NDArray[Any] | None = field(default=None, repr=False)
    is_variable: bool = False

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Its element type as numpy's; None where numpy has none, but that of four bits is int8."""
        if self.kind == "INT4":
            return np.dtype(np.int8)
        return np.dtype(self.kind) if self.kind.islower() else None

    def real(self) -> NDArray[np.float32]:
        """The real numbers that a stored tensor stands for, float32 in its shape."""
        assert self.data is not None
        if self.quantization is None or self.data.dtype.kind not in "iu":
            return self.data.astype(np.float32, copy=False)
        scale, zero = self.quantization.scale, self.quantization.zero_point
        if not self.quantization.is_per_tensor:
            along = [1] * self.data.ndim
            along[self.quantization.axis] = -1
            scale, zero = scale.reshape(along), zero.reshape(along)
        return (self.data.astype(np.int64) - zero).astype(np.float32) * scale


@dataclass(frozen=True)
class Operation(Node):
    """An operator of the graph, seen as a node as TensorFlow has them.

    Attributes:
        outputs: The names of the tensors that it makes.
        options: What its options say.
        attributes: Options under the names and in the form that TensorFlow has for them.
    """

    outputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def attr(self, name: str) -> Any:
        """The TensorFlow attribute of this name; None when there is none."""
        return self.attributes.get(name)

    def as_tensorflow(self, op: str, inputs: Sequence[str] | None = None, **attributes: Any) -> Operation:
        """This operator as a node of TensorFlow's.

        Args:
            op: What TensorFlow calls it.
            inputs: The tensors that it reads, where that is not this operator's list.
            attributes: Its attributes: integers, floats, booleans, texts or sequences of integers.
        """
        held = {name: _attribute(value) for name, value in attributes.items()}
        read = self.inputs if inputs is None else tuple(inputs)
        return Operation(self.name, op, read, (), None, self.outputs, self.options, held)


@dataclass(frozen=True, eq=False)
class LiteModel:
    """The graph that a file is run for.

    Attributes:
        path: The file.
        tensors: By name, in the order of the file.
        operations: In the order in which they run.
        inputs: Names of the tensors that are fed.
        outputs: Names of the tensors that come out.
        signature: What the file calls this graph; empty where it does not.
        subgraph: Its number in the file.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    operations: tuple[Operation, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    signature: str
    subgraph: int

    @cached_property
    def producers(self) -> Mapping[str, Operation]:
        """Tensor → what makes it."""
        return {name: operation for operation in self.operations for name in operation.outputs}


def _attribute(value: Any) -> SimpleNamespace:
    """A value in the form of an AttrValue message."""
    if isinstance(value, str):
        return SimpleNamespace(s=value.encode())
    if isinstance(value, tuple | list):
        return SimpleNamespace(list=SimpleNamespace(i=list(value)))
    return SimpleNamespace(i=value, f=value, b=value)
