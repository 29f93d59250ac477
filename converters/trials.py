"""The inputs on which a source and its converted model are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# What stands for an axis whose size neither the graph nor the batch gives.
FREE_AXIS = 32

_DRAWS: Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]] = {
    "uniform in 0..1": lambda random, shape: random.uniform(0, 1, shape),
    "normal with deviation 1": lambda random, shape: random.normal(0, 1, shape),
    "uniform in 0..255": lambda random, shape: random.uniform(0, 255, shape),
    "whole numbers 0 to 4": lambda random, shape: random.integers(0, 5, shape).astype(np.float64),
}
_BATCHES = (1, 3, 2, 2)


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of a graph as declared.

    Attributes:
        name: Its name.
        dtype: Its element type.
        shape: One entry per axis, None where the size is free; None as a whole when the rank is unknown.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None


class Inputs(Protocol):
    """Something that a source and its model are both given: drawn numbers, or pictures."""

    @property
    def drawn(self) -> str:
        """What the numbers are, for a person."""

    def feeds(self, inputs: Sequence[TensorSpec]) -> dict[str, NDArray[Any]]:
        """An array for each input."""

    def nudged(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The same, changed in the last bit."""


@dataclass(frozen=True)
class Trial:
    """One comparison: how its inputs are drawn.

    Attributes:
        seed: Of numpy's default generator.
        batch: How many samples, where the batch is free.
        drawn: From which distribution floats are drawn; one of those that networks are trained on.
    """

    seed: int
    batch: int
    drawn: str

    def feeds(self, inputs: Sequence[TensorSpec]) -> dict[str, NDArray[Any]]:
        """Draw an array for each input.

        Integers of 8 bits are pixels, and get their full range. Others get 0 and 1, which are valid indices
        of any table with two rows.
        """
        random = np.random.default_rng(self.seed)
        return {spec.name: self._draw(random, spec) for spec in inputs}

    def nudged(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The same feeds with every float moved by one unit in the last place, up or down by chance."""
        return nudged(feeds, self.seed)

    def fitted(self, inputs: Sequence[TensorSpec]) -> Trial:
        """This trial with the batch that these inputs fix, if they do."""
        fixed = [spec.shape[0] for spec in inputs if spec.shape]
        return replace(self, batch=fixed[0]) if fixed and fixed[0] is not None else self

    def _draw(self, random: np.random.Generator, spec: TensorSpec) -> NDArray[Any]:
        axes = spec.shape if spec.shape is not None else (None,)
        sizes = [FREE_AXIS if size is None else size for size in axes]
        if axes and axes[0] is None:
            sizes[0] = self.batch
        shape = tuple(sizes)
        if spec.dtype.kind == "f":
            return _DRAWS[self.drawn](random, shape).astype(spec.dtype)
        if spec.dtype.kind in "iu" and spec.dtype.itemsize == 1:
            limits = np.iinfo(spec.dtype)
            return random.integers(limits.min, limits.max + 1, shape).astype(spec.dtype)
        return random.integers(0, 2, shape).astype(spec.dtype)


@dataclass(frozen=True)
class Pictures:
    """Pictures that were made into a model's input.

    Attributes:
        names: One for each picture.
        arrays: An array for each input, by the names of the source's inputs.
    """

    names: tuple[str, ...]
    arrays: Mapping[str, NDArray[Any]]

    @property
    def drawn(self) -> str:
        """What the numbers are, for a person."""
        return f"from the picture {self.names[0]}" if len(self.names) == 1 else "from pictures"

    def feeds(self, inputs: Sequence[TensorSpec]) -> dict[str, NDArray[Any]]:
        """The arrays."""
        return {spec.name: self.arrays[spec.name] for spec in inputs}

    def nudged(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The same feeds with every float moved by one unit in the last place, up or down by chance."""
        return nudged(feeds, 0)


def standard_trials(count: int = len(_BATCHES)) -> tuple[Trial, ...]:
    """Every distribution once, each with a seed and a batch size of its own.

    Args:
        count: How many; more than there are distributions repeat them, with new seeds.
    """
    names = list(_DRAWS)
    return tuple(
        Trial(seed, _BATCHES[seed % len(_BATCHES)], names[seed % len(names)]) for seed in range(count)
    )


def nudged(feeds: Mapping[str, NDArray[Any]], seed: int) -> dict[str, NDArray[Any]]:
    """Move every float by one unit in the last place, up or down by chance.

    Args:
        feeds: Arrays of any dtype; those that are not float stay as they are.
        seed: Of the chance.
    """
    random = np.random.default_rng(seed)
    return {name: _nudged(random, array) for name, array in feeds.items()}


def _nudged(random: np.random.Generator, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    up = random.random(array.shape) < 0.5
    moved: NDArray[Any] = np.nextafter(array, np.where(up, np.inf, -np.inf).astype(array.dtype))
    return moved
