"""What a network's gradient is by reckonings that owe nothing to the rules: autograd, and differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from graphs import ending_at, in_double
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from rebuilt import every_value

Array = NDArray[Any]
Arrays = Mapping[str, Array]

# What float32 may lose.
ERROR = 1e-5
_DIRECTIONS, _STEP = 12, 1e-5


@dataclass(frozen=True)
class Truth:
    """A way of reckoning in float64.

    Attributes:
        name: What it is called.
        values: Model, feeds and names of values → those values.
        gradients: Model, feeds, names of inputs and a seed → the gradient of the seed times the first output,
            summed, by each input; along random directions where it has another shape than the input.
    """

    name: str
    values: Callable[[ModelProto, Arrays, Sequence[str]], dict[str, Array]]
    gradients: Callable[[ModelProto, Arrays, Sequence[str], Array], dict[str, Array]]


def error(found: Array, wanted: Array) -> float:
    """The largest difference by the largest number; for derivatives along directions, along the same."""
    if wanted.shape != found.shape:
        found = np.array([(found * one).sum(dtype=np.float64) for one in _directions(found.shape)])
    scale = float(np.abs(wanted).max(initial=0))
    return float(np.abs(found - wanted).max(initial=0)) / (scale or 1.0)


def close(found: Array, wanted: Array) -> bool:
    """Whether two computations of a value are the same but for rounding."""
    largest = np.abs(wanted).max(initial=0)
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-3, atol=1e-4 * largest)


def tensors(feeds: Arrays) -> dict[str, Any]:
    """The arrays for PyTorch, in float64 where they are floats."""
    import torch

    return {name: torch.tensor(array) for name, array in doubled(feeds).items()}


def doubled(feeds: Arrays) -> dict[str, Array]:
    """The arrays, in float64 where they are floats."""
    return {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in feeds.items()
    }


def autograd(
    run: Callable[[Mapping[str, Any]], Any], feeds: Arrays, wrt: Sequence[str], seed: Array
) -> dict[str, Array]:
    """PyTorch's gradient of a function of tensors by name."""
    import torch

    given = tensors(feeds)
    for name in wrt:
        given[name].requires_grad_(True)
    total = (run(given) * torch.tensor(seed, dtype=torch.float64)).sum()
    found = torch.autograd.grad(total, [given[name] for name in wrt], allow_unused=True)
    return {
        name: np.zeros(feeds[name].shape) if gradient is None else gradient.numpy()
        for name, gradient in zip(wrt, found, strict=True)
    }


def _rebuilt_values(model: ModelProto, feeds: Arrays, names: Sequence[str]) -> dict[str, Array]:
    import torch

    with torch.no_grad():
        values = every_value(model, double=True)(tensors(feeds))
    return {name: values[name].numpy() for name in names}


def _rebuilt_gradients(model: ModelProto, feeds: Arrays, wrt: Sequence[str], seed: Array) -> dict[str, Array]:
    run, result = every_value(model, double=True), model.graph.output[0].name
    return autograd(lambda given: run(given)[result], feeds, wrt, seed)


def _reference_values(model: ModelProto, feeds: Arrays, names: Sequence[str]) -> dict[str, Array]:
    evaluator = ReferenceEvaluator(in_double(ending_at(model, *names)))
    found = evaluator.run(None, doubled(feeds))
    return dict(zip(names, map(np.asarray, found), strict=True))


def _differences(model: ModelProto, feeds: Arrays, wrt: Sequence[str], seed: Array) -> dict[str, Array]:
    """Central differences: by each number, or where those are many, along random directions."""
    point, evaluator = doubled(feeds), ReferenceEvaluator(in_double(model))

    def slope(name: str, direction: Array) -> float:
        ends = [
            evaluator.run([model.graph.output[0].name], point | {name: point[name] + side * direction})[0]
            for side in (_STEP, -_STEP)
        ]
        return float(((np.asarray(ends[0]) - np.asarray(ends[1])) * seed).sum() / (2 * _STEP))

    found: dict[str, Array] = {}
    for name in wrt:
        shape = feeds[name].shape
        if feeds[name].size <= 128:
            each = np.eye(feeds[name].size).reshape(-1, *shape)
            found[name] = np.array([slope(name, one) for one in each]).reshape(shape)
        else:
            found[name] = np.array([slope(name, one) for one in _directions(shape)])
    return found


def _directions(shape: Sequence[int]) -> list[Array]:
    random = np.random.default_rng(7)
    return [random.standard_normal(shape) for _ in range(_DIRECTIONS)]


REBUILT = Truth("PyTorch, rebuilt", _rebuilt_values, _rebuilt_gradients)
DIFFERENCES = Truth("differences", _reference_values, _differences)
