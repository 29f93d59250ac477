"""Pooling over windows of any axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, integers, rule
from converters.tensorflow.evaluator.windows import Axis, axes_of, padded, positions


@rule("MaxPool", "MaxPool3D")
def maximum(operation: Operation, value: Array) -> Array:
    """The largest of each window; padding never is."""
    return _maximum(operation, value, operation.integers("ksize"), operation.integers("strides"))


@rule("MaxPoolV2")
def maximum_of_given_size(operation: Operation, value: Array, sizes: Array, strides: Array) -> Array:
    """The same with the window's size and stride as inputs."""
    return _maximum(operation, value, integers(sizes), integers(strides))


@rule("AvgPool", "AvgPool3D")
def average(operation: Operation, value: Array) -> Array:
    """The mean of those places of each window that are not padding."""
    axes = axes_of(operation, value.shape, operation.integers("ksize"), operation.integers("strides"))
    ones = np.ones(value.shape)
    return _pooled(np.add, padded(value, axes), axes) / _pooled(np.add, padded(ones, axes), axes)


def _maximum(operation: Operation, value: Array, sizes: Sequence[int], strides: Sequence[int]) -> Array:
    axes = axes_of(operation, value.shape, sizes, strides)
    lowest = -np.inf if value.dtype.kind == "f" else np.iinfo(value.dtype).min
    return _pooled(np.maximum, padded(value, axes, lowest), axes)


def _pooled(function: Callable[[Array, Array], Array], source: Array, axes: Sequence[Axis]) -> Array:
    """What `function` makes of all places of each window."""
    result: Array | None = None
    for position in positions(axes):
        seen = source[tuple(axis.places(place) for axis, place in zip(axes, position, strict=True))]
        result = seen if result is None else function(result, seen)
    assert result is not None
    return result
