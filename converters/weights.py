"""The weights of a network that may not be able to run: enough to look at its kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPACE = "DHW"
_NAMED = 3


@dataclass(frozen=True)
class Variable:
    """A stored array whose bytes are read when somebody asks for them.

    Attributes:
        name: What the file calls it.
        dtype: Its element type as it is handed out.
        shape: Its shape in the file's own layout.
        read: Reads it.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]] = field(repr=False)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class StoredLayer:
    """The variables of one layer.

    Attributes:
        name: The layer, as the network's author or framework calls it: `conv_1`, `features.0`.
        kind: What it is, by the name of the ONNX operator where there is one ("Conv", "ConvTranspose",
            "Gemm", "BatchNormalization"), else as the framework calls it.
        variables: Everything that is stored of it, in the file's order.
        kernel: The convolution kernel among them; None when there is none.
        order: The kernel's axes in the file, a letter each: O output channels, I input channels (those that
            one filter sees), M outputs for each input channel of a depthwise kernel, and D, H, W.
            TensorFlow's convolution is "HWIO", PyTorch's "OIHW", PyTorch's transposed one "IOHW".
        groups: In how many groups the channels are.
        guess: What its kind rests on where that is a guess, as a predicate: "taken for a convolution".
    """

    name: str
    kind: str
    variables: tuple[Variable, ...]
    kernel: Variable | None = None
    order: str = ""
    groups: int = 1
    guess: str = ""

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return sum(variable.size for variable in self.variables)

    def kernels(self) -> NDArray[Any]:
        """Read the kernels: (out, in, height, width), with a depth before the height or without a height."""
        assert self.kernel is not None
        return out_first(self.kernel.read(), self.order, self.groups)


@dataclass(frozen=True)
class Weights:
    """What a file holds of a network's weights.

    Attributes:
        path: The file, as it was given.
        kind: What the file is.
        layers: Its layers, in the file's order.
        general: One sentence for each thing that was guessed of the file as a whole.
        needs: What helps to get the network that the weights belong to, as a sentence; empty where the file
            holds it too.
    """

    path: Path
    kind: str
    layers: tuple[StoredLayer, ...]
    general: tuple[str, ...] = ()
    needs: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that was guessed."""
        alike: dict[str, list[str]] = {}
        for layer in self.layers:
            if layer.guess:
                alike.setdefault(layer.guess, []).append(layer.name)
        return (*self.general, *(f"{_listed(names)}: {guess}" for guess, names in alike.items()))

    def notes_on(self, name: str) -> tuple[str, ...]:
        """Those sentences that concern one layer."""
        guesses = (layer.guess for layer in self.layers if layer.name == name)
        return (*self.general, *(f"{name}: {guess}" for guess in guesses if guess))


def out_first(kernel: NDArray[Any], order: str, groups: int = 1) -> NDArray[Any]:
    """Turn a kernel so that the output channel comes first, and the input channel second.

    Args:
        kernel: Its axes are those of `order`.
        order: A letter for each axis, as in `StoredLayer`.
        groups: Of a transposed kernel, (in, out / groups, …): in how many groups its input channels are.

    Returns:
        (out, in, …space), a view where the numbers need not move.

    Example:
        >>> out_first(np.zeros((3, 5, 2, 8)), "HWIO").shape
        (8, 2, 3, 5)
        >>> out_first(np.zeros((3, 5, 2, 4)), "HWIM").shape
        (8, 1, 3, 5)
    """
    space = [axis for axis in _SPACE if axis in order]
    if "M" in order:
        turned = kernel.transpose([order.index(axis) for axis in ("I", "M", *space)])
        return turned.reshape(-1, 1, *turned.shape[2:])
    if groups > 1 and order.startswith("IO"):
        taken, made, *sizes = kernel.shape
        parts = kernel.reshape(groups, taken // groups, made, *sizes).swapaxes(1, 2)
        return parts.reshape(groups * made, taken // groups, *sizes)
    return kernel.transpose([order.index(axis) for axis in ("O", "I", *space)])


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
