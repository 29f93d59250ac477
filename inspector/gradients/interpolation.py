"""Resampling along one axis as numbers: which places are read, with which weights.

Reference:
    ONNX operator Resize, versions 11 to 19; R. Keys, "Cubic convolution interpolation for digital image
    processing", 1981, equation 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """How one axis is resampled.

    Attributes:
        size: Its size before.
        resized: Its size after.
        scale: The factor that coordinates are computed with; about `resized / size`.
        coordinates: Resize's attribute `coordinate_transformation_mode`.
        start: Where the region that is read begins, as a part of the axis.
        stop: Where it ends.
    """

    size: int
    resized: int
    scale: float
    coordinates: str = "half_pixel"
    start: float = 0.0
    stop: float = 1.0

    @property
    def is_same(self) -> bool:
        """Whether nothing is done along it."""
        cropped = self.coordinates == "tf_crop_and_resize" and (self.start, self.stop) != (0.0, 1.0)
        return self.size == self.resized and self.scale == 1 and not cropped


def places(axis: Axis, dtype: type[np.floating] = np.float64) -> NDArray[np.floating] | None:
    """Return the coordinate before resampling of each element after it; None for an unknown way.

    Args:
        axis: The axis.
        dtype: What to compute with: onnxruntime takes float32, which decides how halves are rounded.
    """
    at = np.arange(axis.resized, dtype=dtype)
    scale, half = dtype(axis.scale), dtype(0.5)
    last = dtype(axis.size - 1)
    ways: dict[str, Callable[[], NDArray[np.floating]]] = {
        "half_pixel": lambda: (at + half) / scale - half,
        "pytorch_half_pixel": lambda: (at + half) / scale - half if axis.resized > 1 else at * 0,
        "half_pixel_symmetric": lambda: _offset(axis) + (at + half) / scale - half,
        "align_corners": lambda: at * last / dtype(max(axis.resized - 1, 1)),
        "asymmetric": lambda: at / scale,
        "tf_half_pixel_for_nn": lambda: (at + half) / scale,
        "tf_crop_and_resize": lambda: _cropped(axis, at, last),
    }
    way = ways.get(axis.coordinates)
    return None if way is None else way().astype(dtype)


def _offset(axis: Axis) -> float:
    """How far the samples are moved so that they lie symmetrically."""
    return axis.size / 2 * (1 - axis.resized / (axis.scale * axis.size))


def _cropped(axis: Axis, at: NDArray[np.floating], last: np.floating) -> NDArray[np.floating]:
    if axis.resized == 1:
        return (at * 0 + 0.5 * (axis.start + axis.stop)) * last
    step = (axis.stop - axis.start) * last / (axis.resized - 1)
    return np.asarray(axis.start * last + at * step)


def outside(axis: Axis) -> NDArray[np.bool_]:
    """Which elements lie outside of the axis, and are filled with a fixed number; bool (resized,)."""
    if axis.coordinates != "tf_crop_and_resize":
        return np.zeros(axis.resized, bool)
    at = _cropped(axis, np.arange(axis.resized, dtype=np.float64), np.float64(axis.size - 1))
    return (at < 0) | (at > axis.size - 1)


ROUNDED: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
    "round_prefer_floor": lambda x: np.ceil(x - x.dtype.type(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + x.dtype.type(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}
"""Resize's attribute `nearest_mode`: from coordinates to whole places."""


def nearest(axis: Axis, coordinates: NDArray[np.floating], mode: str) -> NDArray[np.int64]:
    """Return the place that each element is copied from, int64 (resized,); -1 for none."""
    chosen = np.clip(ROUNDED[mode](coordinates), 0, axis.size - 1).astype(np.int64)
    return np.where(outside(axis), -1, chosen)


def linear(distance: Floats) -> Floats:
    """The weight of a neighbour at a distance, by linear interpolation."""
    return np.asarray(np.maximum(0.0, 1 - np.abs(distance)))


def cubic(distance: Floats, a: float) -> Floats:
    """The weight of a neighbour at a distance, by cubic convolution."""
    d = np.abs(distance)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


@dataclass(frozen=True)
class Taps:
    """Which elements each element after resampling is made of.

    Attributes:
        columns: Their places, int64 (resized, taps); several may be the same.
        weights: What each counts, float64 (resized, taps).
        size: The size of the axis before.
    """

    columns: NDArray[np.int64]
    weights: Floats
    size: int

    def matrix(self) -> Floats:
        """The matrix from the axis before to the axis after, float64 (resized, size)."""
        matrix = np.zeros((len(self.columns), self.size))
        np.add.at(matrix, (np.arange(len(self.columns))[:, None], self.columns), self.weights)
        return matrix


def taps(
    axis: Axis,
    coordinates: Floats,
    kernel: Callable[[Floats], Floats],
    reach: int,
    *,
    exclude_outside: bool = False,
    antialias: bool = False,
) -> Taps:
    """Return what each element after resampling is made of.

    Args:
        axis: The axis.
        coordinates: Where each element lies, float64 (resized,).
        kernel: The weight of a neighbour at a distance.
        reach: The distance from which on the weight is 0.
        exclude_outside: Whether neighbours outside weigh nothing; else the border stands for them.
        antialias: Whether the kernel is stretched when there are fewer elements after than before.
    """
    stretch = max(1.0, 1 / axis.scale) if antialias else 1.0
    radius = int(np.ceil(reach * stretch)) + 1
    neighbours = np.floor(coordinates)[:, None] + np.arange(-radius, radius + 1)
    each = kernel((neighbours - coordinates[:, None]) / stretch)
    if exclude_outside:
        each = each * ((neighbours >= 0) & (neighbours < axis.size))
    each = each / each.sum(1, keepdims=True)
    each[outside(axis)] = 0
    return Taps(np.clip(neighbours, 0, axis.size - 1).astype(np.int64), each, axis.size)
