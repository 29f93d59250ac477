"""Pooling: maxima hand their gradient to the place they came from, averages share it out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from inspector.gradients.along_axis import widened
from inspector.gradients.formulations import spread_maxima
from inspector.gradients.infinite import let_through
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value
from inspector.gradients.windows import Windows, windows_of


@vjp("MaxPool")
def max_pool(node: Node, grad: Value) -> Value:
    """To the first maximum of each window, in the order in which onnxruntime and PyTorch look."""
    return spread_maxima(node, grad, _windows(node))


@vjp("AveragePool")
def average_pool(node: Node, grad: Value) -> Value:
    """In equal shares to the taps that were counted."""
    windows = _windows(node)
    if node.attr("count_include_pad", 0):
        counts = windows.taps_inside(padding_counts=_behind(node, windows))
    else:
        counts = windows.taps_inside()
    # A window that lies in the padding alone hands nothing on.
    counts = np.maximum(counts, 1)
    wide = widened(grad)
    if np.ptp(counts) == 0:
        return _spread_equally(wide, windows, node.input, 1 / counts.flat[0]).cast(grad.dtype)
    share = wide * node.array((1 / counts).astype(wide.dtype))
    return _spread_equally(share, windows, node.input, 1.0).cast(grad.dtype)


@vjp("GlobalAveragePool")
def global_average_pool(node: Node, grad: Value) -> Value:
    """In equal shares to all places."""
    x = node.input
    # float16 holds no number of places above 65504.
    share = widened(grad) / _places(node, x)
    return _expanded(share.cast(grad.dtype), x)


@vjp("GlobalMaxPool")
def global_max_pool(node: Node, grad: Value) -> Value:
    """To the first maximum of each channel."""
    x = node.input
    flat = x.reshape((*_leading(x), _places(node, x)))
    at = flat.op("ArgMax", axis=2, keepdims=1)
    places = node.array(np.arange(_places(node, x), dtype=np.int64))
    mask = at.equal(places).cast(grad.dtype)
    return let_through(grad.reshape((*_leading(x), 1)), mask).reshape_like(x)


@vjp("LpPool")
def lp_pool(node: Node, grad: Value) -> Value:
    """sign(x) |x|^(p-1) y^(1-p), summed over the windows that a number is in."""
    windows = _windows(node)
    power = node.attr("p", 2)
    shared = _per_root(grad, node.output, power)
    return _spread_equally(shared, windows, node.input, 1.0) * _slope(node.input, power)


@vjp("GlobalLpPool")
def global_lp_pool(node: Node, grad: Value) -> Value:
    """As LpPool, with one window."""
    power = node.attr("p", 2)
    return _per_root(grad, node.output, power) * _slope(node.input, power)


@vjp("MaxUnpool")
def max_unpool(node: Node, grad: Value) -> Value:
    """Each number back from the place that it was put to."""
    if node.has_input(2):
        raise node.refuse("has no gradient with an output_shape; expected none")
    places = node.given(1)
    flat = grad.op("Reshape", (-1,)).op("Gather", places, axis=0)
    return flat.reshape_like(node.input)


def _windows(node: Node) -> Windows:
    """The windows of a pooling."""
    kernel: tuple[int, ...] = node.attr("kernel_shape", ())
    windows = windows_of(node, node.input, node.output, kernel)
    same = _same_padding(node, windows)
    if same is None or set(windows.dilations) == {1}:
        return windows
    begins, _ = same
    reach = (sum(each) for each in zip(windows.begins, windows.ends, strict=True))
    ends = tuple(both - begin for both, begin in zip(reach, begins, strict=True))
    return replace(windows, begins=begins, ends=ends)


def _same_padding(node: Node, windows: Windows) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The padding before and behind of SAME_UPPER and SAME_LOWER, else None.

    onnxruntime works it out as if the windows of a pooling were not dilated.
    """
    auto = node.attr("auto_pad", "NOTSET")
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        return None
    axes = zip(windows.inside, windows.strides, windows.kernel, strict=True)
    whole = [max((-(-size // stride) - 1) * stride + taps - size, 0) for size, stride, taps in axes]
    smaller, larger = tuple(each // 2 for each in whole), tuple((each + 1) // 2 for each in whole)
    return (smaller, larger) if auto == "SAME_UPPER" else (larger, smaller)


def _behind(node: Node, windows: Windows) -> tuple[int, ...]:
    """The padding behind the input that counts; ceil_mode may reach beyond it."""
    rank = len(windows.kernel)
    same = _same_padding(node, windows)
    if same is not None:
        return same[1]
    declared: tuple[int, ...] = node.attr("pads", ()) if node.attr("auto_pad", "NOTSET") == "NOTSET" else ()
    return declared[rank:] or (0,) * rank


def _spread_equally(grad: Value, windows: Windows, x: Value, weight: float) -> Value:
    """Add the gradient of each window, times a weight, to every number in it."""
    ones = np.full((1, 1, *windows.kernel), weight, grad.dtype)
    apart = grad.op("Reshape", (-1, 1, *windows.count))
    spread = apart.op("ConvTranspose", ones, **windows.transposed())
    return spread.op("Reshape", (-1, *(size or 0 for size in x.known_shape[1:])))


def _per_root(grad: Value, root: Value, power: int) -> Value:
    """Grad · root^(1-p); nothing where the root is 0, since all of the window is."""
    if power == 1:
        return grad
    empty = root.equal(0)
    safe = empty.where(node_one(root), root)
    scaled = grad / (safe if power == 2 else safe.op("Pow", float(power - 1)))
    return empty.where(0.0, scaled)


def node_one(value: Value) -> Value:
    """A constant 1 of a value's dtype."""
    return value.tape.constant(np.ones((), value.dtype))


def _slope(x: Value, power: int) -> Value:
    """sign(x) |x|^(p-1)."""
    if power == 1:
        return x.op("Sign")
    if power == 2:
        return x
    size = x.op("Abs")
    return x * (size if power == 3 else size.op("Pow", float(power - 2)))


def _leading(x: Value) -> tuple[int | None, ...]:
    return x.known_shape[:2]


def _places(node: Node, x: Value) -> int:
    sizes = [size for size in x.known_shape[2:] if size is not None]
    if len(sizes) + 2 != x.rank:
        raise node.refuse(f"has no gradient for a value of the shape {x.known_shape}")
    return math.prod(sizes)


def _expanded(grad: Value, x: Value) -> Value:
    """The gradient of one place for every place."""
    shape = x.known_shape
    if None not in shape[1:]:
        return grad.op("Expand", (1, *(size or 0 for size in shape[1:])))
    return grad.op("Expand", x.shape_vector())
