"""Resize: a linear map along each axis, whose transpose is written down when the graph is built."""

from __future__ import annotations

from functools import partial

import numpy as np

from inspector.gradients.along_axis import unselected, untapped
from inspector.gradients.expressions import constant_at, size_at
from inspector.gradients.interpolation import ROUNDED, Axis, cubic, linear, nearest, places, taps
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value


@vjp("Resize", since=11)
def resize(node: Node, grad: Value) -> Value:
    """To each element what was read of it, along one axis after the other."""
    for at, axis in _axes(node).items():
        if not axis.is_same:
            grad = _along(node, grad, at, axis)
    return grad


def _along(node: Node, grad: Value, at: int, axis: Axis) -> Value:
    mode, rounding = node.attr("mode", "nearest"), node.attr("nearest_mode", "round_prefer_floor")
    coordinates = places(axis, np.float32 if mode == "nearest" else np.float64)
    if coordinates is None:
        raise node.refuse(f"has no gradient with coordinate_transformation_mode={axis.coordinates!r}")
    if mode == "nearest" and rounding in ROUNDED:
        return unselected(grad, nearest(axis, coordinates, rounding), at, axis.size)
    if mode not in ("linear", "cubic"):
        raise node.refuse(f"has no gradient with mode={mode!r} and nearest_mode={rounding!r}")
    kernel = linear if mode == "linear" else partial(cubic, a=node.attr("cubic_coeff_a", -0.75))
    read = taps(
        axis,
        coordinates.astype(np.float64),
        kernel,
        1 if mode == "linear" else 2,
        exclude_outside=bool(node.attr("exclude_outside", 0)),
        antialias=bool(node.attr("antialias", 0)),
    )
    return untapped(grad, read, at)


def _axes(node: Node) -> dict[int, Axis]:
    """How each axis is resampled; axes that go with the batch are left alone."""
    x, y = node.input, node.output
    named = [axis % x.rank for axis in node.attr("axes", tuple(range(x.rank)))]
    how = node.attr("coordinate_transformation_mode", "half_pixel")
    scales = _scales(node, named)
    regions = constant_at(node, 1, "regions").tolist() if how == "tf_crop_and_resize" else []
    found = {}
    for index, axis in enumerate(named):
        if x.known_shape[axis] is None and y.known_shape[axis] is None and scales[index] in (None, 1):
            continue
        size, resized = size_at(node, x, axis), size_at(node, y, axis)
        scale = scales[index] or resized / size
        region = (regions[index], regions[index + len(named)]) if regions else (0.0, 1.0)
        found[axis] = Axis(size, resized, scale, how, *region)
    return found


def _scales(node: Node, named: list[int]) -> list[float | None]:
    """The factor of each axis, None where the sizes before and after tell it."""
    if node.has_input(2) and node.inputs[2] is not None and node.inputs[2].known_shape != (0,):
        return [float(each) for each in constant_at(node, 2, "scales")]
    policy = node.attr("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return [None] * len(named)
    sizes = constant_at(node, 3, "sizes")
    factors = [int(size) / size_at(node, node.input, axis) for size, axis in zip(sizes, named, strict=True)]
    return [(min if policy == "not_larger" else max)(factors)] * len(named)
