"""Resizing pictures."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.attributes import flag
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.space import gathered
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node


@emitter("ResizeBilinear")
def resize_bilinear(to: Emission, node: Node) -> Value:
    """The result is float32 whatever goes in."""
    x = to.channels_first(to.input(node, 0))
    if x.dtype != np.float32:
        x = to.node("Cast", [x], x.like(dtype="float32"), to=1)
    return _resized(to, node, x, mode="linear", coordinate_transformation_mode=_corners(node))


@emitter("ResizeNearestNeighbor")
def resize_nearest_neighbor(to: Emission, node: Node) -> Value:
    """By whole factors it is ONNX's; by others the two round apart, and indices say which pixel is meant."""
    x, sizes = to.channels_first(to.input(node, 0)), to.input(node, 1).known()
    if x.shape is None:
        raise NoEmitter(node, "the rank of its input is not known")
    before = x.shape[1:3]
    known = sizes is not None and None not in (*sizes, *before)
    whole = known and all((new or 0) % (old or 1) == 0 for new, old in zip(sizes or (), before, strict=True))
    corners = _corners(node)
    if known and (not whole or corners == "align_corners"):
        for axis, (new, old) in enumerate(zip(sizes or (), before, strict=True), start=1):
            if new != old:
                x = gathered(to, x, axis, _nearest(int(old or 0), int(new or 0), corners))
        return x
    rounding = "round_prefer_ceil" if corners == "align_corners" else "floor"
    if corners == "half_pixel":
        # TensorFlow takes the pixel that holds the point, ONNX measures from the pixels' centres.
        rounding = "round_prefer_ceil"
    return _resized(
        to, node, x, mode="nearest", coordinate_transformation_mode=corners, nearest_mode=rounding
    )


def _resized(to: Emission, node: Node, x: Value, **attributes: str) -> Value:
    """A Resize over the spatial axes, by factors where the sizes are known and to sizes otherwise."""
    if x.shape is None:
        raise NoEmitter(node, "the rank of its input is not known")
    sizes = to.input(node, 1).known()
    new: tuple[int | None, ...] = (None, None) if sizes is None else sizes
    like = x.like(shape=(x.shape[0], *new, x.shape[-1]))
    before = x.shape[1:3]
    if None not in (*new, *before):
        if new == before:
            return x
        factors = [_factor(int(b or 1), int(a or 1)) for b, a in zip(before, new, strict=True)]
        scales = np.array([1, 1, *factors], np.float32)
        return to.node("Resize", [x, None, to.small(scales)], like, **attributes)
    given = to.input(node, 1)
    wanted = to.node("Cast", [given], given.like(dtype="int64"), to=7)
    shape = to.node("Shape", [x], Value("", np.dtype("int64"), (4,)))
    leading = to.node("Slice", [shape, to.small([0]), to.small([2])], shape.like(shape=(2,)))
    target = to.node("Concat", [leading, wanted], shape, axis=0)
    return to.node("Resize", [x, None, None, target], like, **attributes)


def _corners(node: Node) -> str:
    """Where the pixels lie, in ONNX's words."""
    if flag(node, "align_corners"):
        return "align_corners"
    return "half_pixel" if flag(node, "half_pixel_centers") else "asymmetric"


def _factor(before: int, after: int) -> np.float32:
    """A float32 by which `before` becomes `after` once the product is cut off, in float32 or float64."""
    factor = np.float32(after / before)
    while float(factor) * before < after:
        factor = np.nextafter(factor, np.float32(np.inf))
    return factor


def _nearest(before: int, after: int, corners: str) -> Array:
    """The pixels that TensorFlow takes, in the float32 in which it works them out.

    Reference: tensorflow/core/kernels/image/resize_nearest_neighbor_op.cc
    """
    aligned = corners == "align_corners" and after > 1
    step = (
        np.float32(before - 1) / np.float32(after - 1) if aligned else np.float32(before) / np.float32(after)
    )
    places = np.arange(after, dtype=np.float32)
    if corners == "half_pixel":
        places += np.float32(0.5)
    exact = places * step
    # Halves go away from zero, not to even.
    whole = np.floor(exact + np.float32(0.5)) if corners == "align_corners" else np.floor(exact)
    places_taken: Array = np.clip(whole, 0, before - 1).astype(np.int64)
    return places_taken
