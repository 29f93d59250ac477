"""Convolutions: plain, grouped, depthwise, dilated, transposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.attributes import text
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.emit.windows import (
    Window,
    as_channels_first,
    as_declared,
    channels_lead,
    spatial_axes,
    window,
)
from converters.tensorflow.topology import Node

if TYPE_CHECKING:
    from onnx import NodeProto


@emitter("Conv2D", "Conv3D")
def convolution(to: Emission, node: Node) -> Value:
    """Fewer channels in the kernel than in the data are groups."""
    weight = _kernel(to, node, to.input(node, 1))
    return _convolved(to, node, weight, (weight.shape or ())[1] or 1)


@emitter("DepthwiseConv2dNative")
def depthwise_convolution(to: Emission, node: Node) -> Value:
    """A kernel (H, W, channels, multiplier) is one of as many groups as there are channels."""
    kernel = to.needed_const(node, 1, "kernel")
    height, width, channels, multiplier = kernel.shape
    moved = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return _convolved(to, node, to.weight(moved, to.input(node, 1).name), 1)


@emitter("Conv2DBackpropInput", "Conv3DBackpropInputV2")
def transposed_convolution(to: Emission, node: Node) -> Value:
    """The gradient of a convolution: the sizes that come out are an input, and padding follows."""
    x = as_channels_first(to, node, to.input(node, 2))
    weight = _kernel(to, node, to.input(node, 1))
    assert x.shape is not None and weight.shape is not None
    sizes = to.input(node, 0).known()
    axes = spatial_axes(node, len(x.shape))
    if sizes is not None and len(sizes) == len(axes):
        sizes = (None, *sizes, None)  # only the spatial ones were given
    out = () if sizes is None else tuple(sizes[axis] for axis in axes)
    if not out or None in out or not all(weight.shape):
        raise NoEmitter(node, "the size of its output is not known")
    kernel = tuple(int(size or 0) for size in weight.shape[2:])
    moves = window(node, out, kernel)
    assert moves.pads is not None
    # The window of the forward convolution takes as many places as this one has input.
    covered = (
        (places or 0) * step - step + (size - 1) * apart + 1
        for places, step, size, apart in zip(moves.out, moves.strides, kernel, moves.dilations, strict=True)
    )
    count = len(kernel)
    extra = [
        int(size or 0) - (reached - moves.pads[i] - moves.pads[count + i])
        for i, (size, reached) in enumerate(zip(out, covered, strict=True))
    ]
    like = x.like(shape=(x.shape[0], *out, weight.shape[1]))
    attributes = {**moves.attributes(), "output_padding": extra if any(extra) else None}
    return as_declared(node, to.node("ConvTranspose", [x, weight], like, **attributes))


@emitter("BiasAdd", "BiasAddV1")
def bias_add(to: Emission, node: Node) -> Value:
    """The bias of the convolution before it, or an addition over the channels."""
    x, bias = to.input(node, 0), to.input(node, 1)
    fused = None if bias.constant is None else with_bias(to, node, 0, bias.constant, bias.name)
    if fused is not None:
        return fused
    lead = channels_lead(node) and (x.rank or 0) > 2
    seen = as_channels_first(to, node, x) if lead else x
    (data, held), layout, _ = to.aligned(seen, bias)
    made = to.node("Add", [data, held], seen.like(layout=layout))
    return as_declared(node, made) if lead else made


@emitter("BatchToSpaceND")
def dilated_convolution(to: Emission, node: Node) -> Value:
    """A convolution between SpaceToBatchND and this is one with dilations; otherwise samples become space."""
    from converters.tensorflow.emit.space import batch_to_space

    return _dilated(to, node) or batch_to_space(to, node)


def fused(to: Emission, node: Node) -> Value | None:
    """Arithmetic on the channels of a convolution, by constants, on the convolution's own weights.

    A sum becomes the bias of a convolution that has none. The rest, batch normalization written out as it is
    in tflearn, changes weights, and is done when that is asked for.
    """
    if node.op not in ("Add", "AddV2", "Sub", "Mul") or len(node.inputs) != 2:
        return None
    index = 0 if to.const(node, 0) is None else 1
    held = to.input(node, 1 - index)
    x = to.input(node, index)
    if held.constant is None or x.shape is None or held.constant.shape[-1:] != x.shape[-1:]:
        return None
    numbers = held.constant.reshape(-1)
    if numbers.shape != x.shape[-1:] or held.constant.ndim > len(x.shape) or (node.op == "Sub" and index):
        return None
    if node.op == "Mul":
        return scaled(to, node, index, numbers)
    return with_bias(to, node, index, -numbers if node.op == "Sub" else numbers, held.name)


def with_bias(to: Emission, node: Node, index: int, bias: Array, name: str) -> Value | None:
    """Add one number per channel to an input of a node, as the bias of the convolution that makes it.

    Args:
        to: The graph.
        node: What adds the bias.
        index: Which of its inputs has the channels.
        bias: One number per channel, (C,).
        name: What the bias is called.

    Returns:
        The sum; None when no convolution without a bias makes the input, or something else reads it too.
    """
    maker = _own_convolution(to, node, index)
    if maker is None or bias.ndim != 1 or (len(maker.input) > 2 and not to.fold):
        return None
    x = to.input(node, index)
    if (x.physical or ())[1:2] != bias.shape or not (x.is_first or channels_lead(node)):
        return None
    if len(maker.input) > 2:
        before = to.initializer(maker.input[2])
        if before is None or before.shape != bias.shape:
            return None
        maker.input[2] = to.reference(to.weight(before + bias, name))
    else:
        maker.input.append(to.reference(to.weight(bias, name)))
    return to.adopt(x)


def scaled(to: Emission, node: Node, index: int, factor: Array) -> Value | None:
    """Multiply an input of a node by one number per channel, on the weights of the convolution that makes it.

    Args:
        to: The graph.
        node: What multiplies.
        index: Which of its inputs has the channels.
        factor: One number per channel, (C,).

    Returns:
        The product; None when weights are not to be changed, or as in `with_bias`.
    """
    maker = _own_convolution(to, node, index) if to.fold else None
    if maker is None or factor.ndim != 1 or not (to.input(node, index).is_first or channels_lead(node)):
        return None
    weight = to.initializer(maker.input[1])
    bias = to.initializer(maker.input[2]) if len(maker.input) > 2 else None
    # In a transposed convolution the channels that come out are the second axis of the kernel.
    axis = 1 if maker.op_type == "ConvTranspose" else 0
    if weight is None or weight.shape[axis] != factor.size or (len(maker.input) > 2 and bias is None):
        return None
    shape = [1] * weight.ndim
    shape[axis] = factor.size
    maker.input[1] = to.reference(to.weight(weight * factor.reshape(shape), maker.input[1]))
    if bias is not None:
        maker.input[2] = to.reference(to.weight(bias * factor, maker.input[2]))
    return to.adopt(to.input(node, index))


def _own_convolution(to: Emission, node: Node, index: int) -> NodeProto | None:
    """The convolution that makes an input of a node for this node alone."""
    x = to.input(node, index)
    maker = to.maker(x)
    if maker is None or maker.op_type not in ("Conv", "ConvTranspose") or not to.is_only_reader(node, index):
        return None
    return maker


def _kernel(to: Emission, node: Node, value: Value) -> Value:
    """A kernel (H, W, in, out) as ONNX has it: (out, in, H, W)."""
    if value.rank is None:
        raise NoEmitter(node, "the shape of its kernel is not known")
    rank = value.rank
    order = (rank - 1, rank - 2, *range(rank - 2))
    if value.constant is not None:
        return to.weight(value.constant.transpose(order), value.name)
    plain = to.plain(value)
    assert plain.shape is not None
    if None in plain.shape:
        raise NoEmitter(node, "the shape of its kernel is not known")
    return to.node("Transpose", [plain], plain.like(shape=tuple(plain.shape[a] for a in order)), perm=order)


def _convolved(to: Emission, node: Node, weight: Value, of_group: int) -> Value:
    """A Conv whose kernels take so many channels each; zeros that a Pad adds before it become its own."""
    padded, pads = _unpadded(to, node)
    x = as_channels_first(to, node, padded)
    assert x.shape is not None and weight.shape is not None
    out, _, *kernel = (int(size or 0) for size in weight.shape)
    channels = x.shape[-1]
    groups = 1 if channels is None else channels // of_group
    moves = window(node, x.shape[1:-1], tuple(kernel), before=pads)
    like = x.like(shape=(x.shape[0], *moves.out, out))
    group = groups if groups != 1 else None
    return as_declared(node, to.node("Conv", [x, weight], like, group=group, **moves.attributes()))


def _unpadded(to: Emission, node: Node) -> tuple[Value, tuple[int, ...] | None]:
    """What a convolution reads; when it is padded with zeros, what was there before, and the padding."""
    pad = to.source(node, 0)
    if pad is None or pad.op not in ("Pad", "PadV2") or text(node, "padding") == "SAME":
        return to.input(node, 0), None
    paddings, filled = to.const(pad, 1), to.const(pad, 2) if pad.op == "PadV2" else None
    if paddings is None or (pad.op == "PadV2" and (filled is None or filled.any())):
        return to.input(node, 0), None
    axes = spatial_axes(node, len(paddings))
    if any(paddings[axis].any() for axis in range(len(paddings)) if axis not in axes):
        return to.input(node, 0), None
    at = [*axes]
    return to.input(pad, 0), tuple(int(count) for count in (*paddings[at, 0], *paddings[at, 1]))


def _dilated(to: Emission, node: Node) -> Value | None:
    """What SpaceToBatchND, a convolution and this BatchToSpaceND are together, if they are that."""
    last = to.source(node, 0)
    conv = to.source(last, 0) if last is not None and last.op == "BiasAdd" else last
    if conv is None or conv.op not in ("Conv2D", "DepthwiseConv2dNative") or channels_lead(conv):
        return None
    spread_out, maker = to.source(conv, 0), to.maker(to.input(node, 0))
    if spread_out is None or spread_out.op != "SpaceToBatchND" or maker is None or maker.op_type != "Conv":
        return None
    block, added = to.const(spread_out, 1), to.const(spread_out, 2)
    again, crops = to.const(node, 1), to.const(node, 2)
    if block is None or added is None or again is None or crops is None:
        return None
    x, made = to.input(spread_out, 0), to.input(node, 0)
    inner = window(conv, (made.shape or ())[1:-1], _kernel_size(to, conv))
    if block.tolist() != again.tolist() or block.size != 2 or inner.pads is None or x.shape is None:
        return None
    own = np.reshape(inner.pads, (2, 2)).T * block[:, None]
    pads = tuple(int(count) for count in (added + own - crops).T.ravel())
    if min(pads) < 0 or set(inner.strides) != {1}:
        return None
    steps = tuple(int(n) * step for n, step in zip(block, inner.dilations, strict=True))
    out = tuple(
        None if size is None else size + pads[i] + pads[i + 2] - (inner.kernel[i] - 1) * steps[i]
        for i, size in enumerate(x.shape[1:-1])
    )
    moves = Window(inner.kernel, (1, 1), steps, pads, out)
    group = next((attribute.i for attribute in maker.attribute if attribute.name == "group"), None)
    read = [Value(name, x.dtype, None) for name in maker.input[1:]]
    like = made.like(shape=(x.shape[0], *out, (made.shape or ())[-1]))
    return to.node("Conv", [to.channels_first(x), *read], like, group=group, **moves.attributes())


def _kernel_size(to: Emission, conv: Node) -> tuple[int, ...]:
    """The spatial size of a convolution's kernel."""
    return tuple(size or 1 for size in (to.input(conv, 1).shape or ())[:2])
