"""Convolutions.

The gradient of the input is a convolution again: `formulations` says which is the fastest.
"""

from __future__ import annotations

from inspector.gradients.formulations import spread
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value
from inspector.gradients.windows import Windows, windows_of


@vjp("Conv", since=1)
def conv(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Dumoulin and Visin, A guide to convolution arithmetic, chapter 4, for the input."""
    x, w = node.input, node.given(1)
    windows = windows_of(node, x, node.output, _kernel(node, w))
    group = node.attr("group", 1)
    return (
        spread(grad, w, windows, group) if node.wants(0) else None,
        _kernels(x, grad, windows, group).reshape_like(w) if node.wants(1) else None,
        _bias(grad) if node.wants(2) else None,
    )


@vjp("ConvTranspose", since=1)
def conv_transpose(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """The mirror image of Conv: what the input's gradient is there is the forward pass here."""
    x, w = node.input, node.given(1)
    windows = _transposed_windows(node, grad, _kernel(node, w))
    group = node.attr("group", 1)
    inside = _padded(grad, windows)
    return (
        inside.op("Conv", w, strides=windows.strides, dilations=windows.dilations, group=group)
        if node.wants(0)
        else None,
        _kernels(inside, x, _unpadded(windows), group).reshape_like(w) if node.wants(1) else None,
        _bias(grad) if node.wants(2) else None,
    )


def _kernel(node: Node, w: Value) -> tuple[int, ...]:
    sizes = tuple(size for size in w.known_shape[2:] if size is not None)
    if len(sizes) + 2 != w.rank:
        raise node.refuse("has no gradient with kernels whose size goes with the batch")
    return sizes


def _bias(grad: Value) -> Value:
    return grad.sum((0, *range(2, grad.rank)), keepdims=False)


def _kernels(x: Value, grad: Value, windows: Windows, group: int) -> Value:
    """The gradient of the kernels: x correlated with it, the batch in the place of the channels.

    Strides become dilations and the other way round. A group takes its place in front of the batch, since
    each has its own channels on both sides.
    """
    rank = len(windows.kernel)
    space = tuple(range(rank))
    if any(end < 0 for end in windows.ends):
        # Numbers that no window reaches would become surplus taps.
        x = _cropped(x, windows)
    channels = x.known_shape[1] or 0
    outside = grad.known_shape[1] or 0
    if group == 1:
        swapped = x.transpose((1, 0, *(at + 2 for at in space)))
    else:
        split = x.reshape((None, group, channels // group, *(x.known_shape[at + 2] for at in space)))
        moved = split.transpose((2, 1, 0, *(at + 3 for at in space)))
        swapped = moved.op("Reshape", _joined(x, channels // group))
    correlated = swapped.op(
        "Conv",
        grad.transpose((1, 0, *(at + 2 for at in space))),
        strides=windows.dilations,
        dilations=windows.strides,
        pads=(*windows.begins, *(max(end, 0) for end in windows.ends)),
        group=group,
    )
    turned = correlated.transpose((1, 0, *(at + 2 for at in space)))
    return turned.reshape((outside, channels // group, *windows.kernel))


def _joined(x: Value, channels: int) -> Value:
    """The shape (channels in a group, groups × batch, …) of a value's numbers."""
    return x.tape.constant_vector((channels, -1, *(size or 0 for size in x.known_shape[2:])))


def _cropped(x: Value, windows: Windows) -> Value:
    """The part of a value up to the end of the last window."""
    rank = len(windows.kernel)
    stops = tuple(size + min(end, 0) for size, end in zip(windows.inside, windows.ends, strict=True))
    return x.op("Slice", (0,) * rank, stops, tuple(range(2, rank + 2)))


def _transposed_windows(node: Node, grad: Value, kernel: tuple[int, ...]) -> Windows:
    """The windows that the input's numbers are spread over, in the output."""
    rank = len(kernel)
    windows = windows_of(node, node.output, node.input, kernel)
    auto = node.attr("auto_pad", "NOTSET")
    declared: tuple[int, ...] = node.attr("output_shape", ())
    if not declared and auto in ("NOTSET", "VALID"):
        return windows
    padding: tuple[int, ...] = node.attr("output_padding", (0,) * rank) or (0,) * rank
    # Where the output is declared larger than what the windows reach, all zeros are added at its end.
    surplus = [
        max(begin + end + more, 0)
        for begin, end, more in zip(windows.begins, windows.ends, padding, strict=True)
    ]
    begins = tuple(each - each // 2 if auto != "SAME_UPPER" else each // 2 for each in surplus)
    ends = tuple(
        first + last - begin for first, last, begin in zip(windows.begins, windows.ends, begins, strict=True)
    )
    return Windows(kernel, windows.strides, windows.dilations, begins, ends, windows.inside, windows.count)


def _padded(value: Value, windows: Windows) -> Value:
    """The value as far as the windows reach: zeros added, or numbers that none reaches cut away."""
    pads = (0, 0, *windows.begins, 0, 0, *windows.ends)
    return value.op("Pad", pads) if any(pads) else value


def _unpadded(windows: Windows) -> Windows:
    """The same windows over a value that was padded for them."""
    none = (0,) * len(windows.kernel)
    reach = tuple(
        size + begin + end
        for size, begin, end in zip(windows.inside, windows.begins, windows.ends, strict=True)
    )
    return Windows(windows.kernel, windows.strides, windows.dilations, none, none, reach, windows.count)
