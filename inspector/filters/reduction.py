"""One picture per filter in place of one per input channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK_ELEMENTS = 2**22
_BALANCED = 1e-6


def mean(kernels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the mean over the input channels: (out, in, …) to (out, 1, …), in the type of the kernels."""
    with np.errstate(invalid="ignore"):  # infinities of both signs give NaN, which is drawn as such
        averaged: NDArray[np.floating] = kernels.mean(axis=1, keepdims=True, dtype=np.float64)
    return averaged.astype(kernels.dtype)


def principal(kernels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the first principal component over the input channels: (out, in, …) to (out, 1, …).

    It is the spatial pattern v of which the slices of a filter are multiples, as nearly as can be: σ·u·vᵀ
    is the best approximation of rank one to the matrix that has a slice per row. Nothing is subtracted
    first, since a weight of zero is what does nothing; so the pattern that all slices share is kept, and a
    filter with one input channel comes out as it is. The result is v · σ / √in: the pattern at its
    root-mean-square strength in a slice. Its sign is the one with which most of it enters the slices (the
    sum of u is positive); where both enter alike, the one that makes its largest weight positive.

    A filter with a NaN or infinite weight comes out as NaN.

    Args:
        kernels: float (out, in, …), with at least one element.

    Returns:
        The components, in the type of the kernels.

    Reference:
        C. Eckart and G. Young, "The approximation of one matrix by another of lower rank", Psychometrika 1,
        1936.
    """
    count, channels = kernels.shape[:2]
    flat = kernels.reshape(count, channels, -1)
    result = np.empty((count, flat.shape[2]), kernels.dtype)
    step = max(1, _BLOCK_ELEMENTS // flat[0].size)
    for start in range(0, count, step):
        result[start : start + step] = _principal(flat[start : start + step].astype(np.float64))
    return result.reshape(count, 1, *kernels.shape[2:])


def _principal(slices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the components of a few filters, float64 (N, in, d) to (N, d)."""
    count, channels, _ = slices.shape
    largest = np.abs(slices).max(axis=(1, 2), keepdims=True)
    good = np.isfinite(largest) & (largest > 0)
    unit = np.where(good, slices, 0) / np.where(good, largest, 1)
    left, strength, right = np.linalg.svd(unit, full_matrices=False)
    weights, pattern = left[:, :, 0], right[:, 0] * strength[:, :1]
    total, reach = weights.sum(axis=1), np.abs(weights).sum(axis=1)
    peak = pattern[np.arange(count), np.abs(pattern).argmax(axis=1)]
    sign = np.where(np.abs(total) > _BALANCED * reach, np.sign(total), np.where(peak < 0, -1.0, 1.0))
    size = np.where(np.isfinite(largest), largest, np.nan)[:, :, 0]
    component: NDArray[np.float64] = pattern * sign[:, None] * size / np.sqrt(channels)
    return component
