"""Tensors that a pickle describes: where their numbers are, in what shape, and nothing read of them yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.number_formats import NumberFormat, number_format
from converters.pickles.allowed import DICTIONARIES, DTYPES, TYPES
from converters.pickles.machine import Global, Machine, Made, Maker

ReadBytes = Callable[["Storage", int, int], bytes]
"""A storage, the first byte that is wanted of it, and how many → these bytes."""

_LARGEST = 1 << 60
_MOST_AXES = 32
# A tensor may repeat the numbers of its storage (a stride of zero), up to this many.
_MOST_REPEATED = 1 << 24


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file.

    Attributes:
        key: What the file calls it.
        numbers: What they are; bytes when only the tensors know.
        count: How many.
        start: Where a part of a larger run begins, and the part is meant.
    """

    key: str
    numbers: NumberFormat
    count: int
    start: int = 0


@dataclass(frozen=True)
class Steps:
    """How whole numbers stand for real ones: (number - zero point) times scale.

    Attributes:
        scale: One, or one for each place along the axis.
        zero_point: Likewise.
        axis: Which; None for one scale.
    """

    scale: StoredTensor | float
    zero_point: StoredTensor | int
    axis: int | None = None


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a pickle.

    Attributes:
        storage: Where its numbers are.
        numbers: What they are.
        offset: The place of its first number in the storage.
        shape: Its shape.
        strides: How far apart neighbours along each axis are, in numbers.
        steps: What its whole numbers stand for; None when for themselves.
    """

    storage: Storage
    numbers: NumberFormat
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    steps: Steps | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in which its numbers are handed out."""
        return np.dtype(np.float32) if self.steps else self.numbers.dtype

    def numpy(self, read: ReadBytes) -> NDArray[Any]:
        """Read the tensor, and of its storage what lies between its first and its last number alone."""
        size = self.numbers.stored.itemsize
        start = (self.storage.start * self.storage.numbers.stored.itemsize) + self.offset * size
        data = np.frombuffer(read(self.storage, start, self._extent * size), self.numbers.stored)
        laid = np.lib.stride_tricks.as_strided(
            data, self.shape, [stride * size for stride in self.strides], writeable=False
        )
        values = self.numbers.decode(np.ascontiguousarray(laid).reshape(self.shape))
        return values if self.steps is None else self._real(values, self.steps, read)

    def _real(self, values: NDArray[Any], steps: Steps, read: ReadBytes) -> NDArray[Any]:
        scale, zero = (
            part.numpy(read) if isinstance(part, StoredTensor) else np.asarray(part)
            for part in (steps.scale, steps.zero_point)
        )
        if steps.axis is not None:
            around = [-1 if axis == steps.axis else 1 for axis in range(values.ndim)]
            scale, zero = scale.reshape(around), zero.reshape(around)
        # PyTorch multiplies in float32, whatever the scale is stored as.
        return (values.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32)

    @property
    def _extent(self) -> int:
        """How many numbers of the storage lie between its first and its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True)
class Rebuilders:
    """Makes tensors of what a pickle would call PyTorch's functions with.

    Attributes:
        machine: What the pickle is read with.
        met: The storages that were met so far: key → its numbers and how many, parts taken as the whole.
    """

    machine: Machine
    met: dict[str, tuple[NumberFormat, int]] = field(default_factory=dict)

    def makers(self) -> Mapping[str, Maker]:
        """Global → what a call of it gives."""
        util = "torch._utils._rebuild_"
        return {
            **dict.fromkeys(DICTIONARIES, self.dictionary),
            f"{util}tensor": self.tensor,
            f"{util}tensor_v2": self.tensor,
            f"{util}tensor_v3": self.typed_tensor,
            f"{util}parameter": self.parameter,
            f"{util}parameter_with_state": self.parameter,
            f"{util}qtensor": self.quantized,
            "torch._tensor._rebuild_from_type_v2": self.of_class,
        }

    def dictionary(self, arguments: Sequence[Any]) -> dict[Any, Any]:
        """A dictionary, which may be given its pairs at once."""
        pairs = arguments[-1] if arguments and isinstance(arguments[-1], (list, dict)) else []
        if isinstance(pairs, dict):
            return dict(pairs)
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            raise self.machine.damaged("a dictionary is made of what are no pairs")
        return {key: value for key, value in pairs if isinstance(key, str)}

    def tensor(self, arguments: Sequence[Any]) -> StoredTensor:
        """A tensor of the numbers that its storage has: storage, offset, shape, strides."""
        storage, offset, shape, strides = self._first(arguments, 4)
        return self._tensor(storage, offset, shape, strides)

    def typed_tensor(self, arguments: Sequence[Any]) -> StoredTensor:
        """A tensor that knows what the bytes of its storage are: the type is the seventh argument."""
        storage, offset, shape, strides, _, _, dtype = self._first(arguments, 7)
        name = dtype.name.removeprefix("torch.") if isinstance(dtype, Global) else ""
        numbers = number_format(DTYPES.get(name, ""))
        if numbers is None:
            raise self.machine.damaged(f"a tensor's type is {name or 'missing'!r}")
        return self._tensor(storage, offset, shape, strides, numbers)

    def quantized(self, arguments: Sequence[Any]) -> StoredTensor:
        """A tensor of whole numbers, with the scale and zero point to take them by."""
        storage, offset, shape, strides, how = self._first(arguments, 5)
        tensor = self._tensor(storage, offset, shape, strides)
        scheme, *figures = how if isinstance(how, tuple) and how else (None,)
        name = scheme.name if isinstance(scheme, Global) else ""
        kinds = tuple(map(type, figures))
        if name == "torch.per_tensor_affine" and kinds == (float, int):
            return replace(tensor, steps=Steps(*figures))
        if name == "torch.per_channel_affine" and kinds == (StoredTensor, StoredTensor, int):
            scale, zero, axis = figures
            if 0 <= axis < len(tensor.shape) and scale.shape == zero.shape == (tensor.shape[axis],):
                return replace(tensor, steps=Steps(scale, zero, axis))
        raise self.machine.damaged("a quantized tensor has no scale that fits it")

    def parameter(self, arguments: Sequence[Any]) -> object:
        """The tensor itself: that it is learned makes no difference."""
        return self._first(arguments, 1)[0]

    def of_class(self, arguments: Sequence[Any]) -> object:
        """A tensor of a class of its own, rebuilt as any other: function, class, arguments, state."""
        function, _, inner, *_ = self._first(arguments, 3)
        make = self.makers().get(function.name) if isinstance(function, Global) else None
        if make is None or not isinstance(inner, tuple):
            return Made("torch._tensor._rebuild_from_type_v2", tuple(arguments))
        return make(inner)

    def storage(self, identity: object) -> object:
        """What a persistent id means: ("storage", class, key, device, count, and which part of it)."""
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
            raise self.machine.damaged("its pickle refers to what is no storage")
        kind, key, count = identity[1], identity[2], identity[4]
        name = kind.name.rpartition(".")[2] if isinstance(kind, Global) else ""
        numbers = number_format("uint8" if name == "UntypedStorage" else TYPES.get(name, ""))
        if numbers is None or not isinstance(key, str) or not _is_size(count):
            raise self.machine.damaged("the description of a storage cannot be right")
        if self.met.setdefault(key, (numbers, count)) != (numbers, count):
            raise self.machine.damaged(f"storage {key[:40]!r} is described in two ways")
        part = identity[5] if len(identity) > 5 else None
        if part is None:
            return Storage(key, numbers, count)
        if not isinstance(part, tuple) or len(part) != 3 or not all(map(_is_size, part[1:])):
            raise self.machine.damaged("the description of a part of a storage cannot be right")
        _, start, length = part
        if start + length > count:
            raise self.machine.damaged(f"a part of storage {key!r} lies beyond its end")
        return Storage(key, numbers, length, start)

    def _first(self, arguments: Sequence[Any], count: int) -> Sequence[Any]:
        if len(arguments) < count:
            raise self.machine.damaged("a tensor's description is too short")
        return arguments[:count]

    def _tensor(
        self, storage: object, offset: object, shape: Any, strides: Any, numbers: NumberFormat | None = None
    ) -> StoredTensor:
        fits = (
            isinstance(storage, Storage)
            and _is_size(offset)
            and all(isinstance(sizes, tuple) and all(map(_is_size, sizes)) for sizes in (shape, strides))
            and len(shape) == len(strides) <= _MOST_AXES
        )
        if not fits or not isinstance(storage, Storage) or not isinstance(offset, int):
            raise self.machine.damaged("a tensor's description cannot be right")
        numbers = numbers or storage.numbers
        made = StoredTensor(storage, numbers, offset, shape, strides)
        there = storage.count * storage.numbers.stored.itemsize // numbers.stored.itemsize
        size = math.prod(shape)
        if size and (offset + made._extent > there or (size > there and size > _MOST_REPEATED)):
            raise self.machine.damaged(
                f"a tensor of shape {list(shape)} does not fit into the {there:,} numbers of storage "
                f"{storage.key[:40]!r}"
            )
        return made


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST
