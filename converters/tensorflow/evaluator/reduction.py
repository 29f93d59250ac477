"""Reductions over axes, and running sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, Rule, integers, rule


def _reduction(op: str, function: Callable[..., Array]) -> Rule:
    """The rule of an op whose second input holds the axes."""

    def reduce(operation: Operation, value: Array, axes: Array) -> Array:
        over = tuple(axis % value.ndim for axis in integers(axes)) if value.ndim else ()
        return np.asarray(function(value, axis=over, keepdims=operation.flag("keep_dims")))

    return Rule((op,), reduce)


def _sum(value: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(np.sum(value, axis=axis, keepdims=keepdims, dtype=value.dtype))


def _product(value: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(np.prod(value, axis=axis, keepdims=keepdims, dtype=value.dtype))


def _mean(value: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    if value.dtype.kind == "f":
        return np.asarray(np.mean(value, axis=axis, keepdims=keepdims))
    total = np.sum(value, axis=axis, keepdims=keepdims, dtype=np.int64)
    count = value.size // max(total.size, 1)
    truncated: Array = np.sign(total) * (np.abs(total) // count)
    return truncated.astype(value.dtype)


def _norm(value: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    squares: Array = np.sum(value**2, axis=axis, keepdims=keepdims)
    return np.sqrt(squares)


SUM = _reduction("Sum", _sum)
PROD = _reduction("Prod", _product)
MEAN = _reduction("Mean", _mean)
MAX = _reduction("Max", np.max)
MIN = _reduction("Min", np.min)
ALL = _reduction("All", np.all)
ANY = _reduction("Any", np.any)
EUCLIDEAN_NORM = _reduction("EuclideanNorm", _norm)


@rule("Cumsum")
def running_sum(operation: Operation, value: Array, axis: Array) -> Array:
    """Sums along an axis up to each place, from either end, with or without the place itself."""
    return _running(operation, value, int(axis), np.cumsum, 0)


@rule("Cumprod")
def running_product(operation: Operation, value: Array, axis: Array) -> Array:
    """Products along an axis up to each place."""
    return _running(operation, value, int(axis), np.cumprod, 1)


def _running(operation: Operation, value: Array, axis: int, total: Callable[..., Array], first: int) -> Array:
    backwards = operation.flag("reverse")
    if backwards:
        value = np.flip(value, axis)
    result = total(value, axis=axis, dtype=value.dtype)
    if operation.flag("exclusive"):
        shifted = np.full_like(result, first)
        ahead = np.moveaxis(shifted, axis, 0)
        ahead[1:] = np.moveaxis(result, axis, 0)[:-1]
        result = shifted
    return np.flip(result, axis) if backwards else result
