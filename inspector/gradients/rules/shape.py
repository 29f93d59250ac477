"""Ops that move elements without choosing among them: reshaping, joining, repeating, rearranging."""

from __future__ import annotations

import numpy as np

from inspector.gradients.along_axis import padded
from inspector.gradients.expressions import axis_of, integers_at, size_at, sliced
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value


@vjp("Reshape")
def reshape(node: Node, grad: Value) -> Value:
    """Back to the input's shape."""
    return grad.reshape_like(node.input)


@vjp("Flatten")
def flatten(node: Node, grad: Value) -> Value:
    """Back to the input's shape."""
    return grad.reshape_like(node.input)


@vjp("Squeeze")
def squeeze(node: Node, grad: Value) -> Value:
    """Back to the input's shape."""
    return grad.reshape_like(node.input)


@vjp("Unsqueeze")
def unsqueeze(node: Node, grad: Value) -> Value:
    """Back to the input's shape."""
    return grad.reshape_like(node.input)


@vjp("Transpose")
def transpose(node: Node, grad: Value) -> Value:
    """The axes in their old order."""
    rank = grad.rank
    perm = node.attr("perm", tuple(reversed(range(rank))))
    return grad.transpose([perm.index(at) for at in range(rank)])


@vjp("Concat", since=4)
def concat(node: Node, grad: Value) -> tuple[Value, ...]:
    """To each input its own part."""
    inputs = [node.given(at) for at in range(len(node.inputs))]
    axis = axis_of(node, 0, node.output.rank)
    known = [each.known_shape[axis] for each in inputs]
    sizes = [size for size in known if size is not None]
    if len(sizes) < len(inputs):
        return _split_at_run_time(node, grad, inputs, axis)
    stops = np.cumsum(sizes, dtype=np.int64)
    return tuple(
        sliced(grad, axis, int(stop) - size, int(stop)) for stop, size in zip(stops, sizes, strict=True)
    )


def _split_at_run_time(node: Node, grad: Value, inputs: list[Value], axis: int) -> tuple[Value, ...]:
    """The parts, of sizes that go with the batch."""
    at = np.array([axis], np.int64)
    sizes = [each.op("Shape").op("Gather", at) for each in inputs]
    if len(inputs) == 1:
        return (grad,)
    return node.op("Split", grad, sizes[0].op("Concat", *sizes[1:], axis=0), axis=axis, n_outputs=len(inputs))


@vjp("Split", since=2)
def split(node: Node, grad: Value) -> Value:
    """The parts, joined."""
    del grad
    parts = [node.grad(at) for at in range(len(node.outputs))]
    return parts[0].op("Concat", *parts[1:], axis=axis_of(node, 0, node.input.rank))


@vjp("Expand", since=8)
def expand(node: Node, grad: Value) -> Value:
    """The sum of the copies."""
    return grad.unbroadcast(node.input)


@vjp("Tile", since=6)
def tile(node: Node, grad: Value) -> Value:
    """The sum of the copies."""
    x = node.input
    repeats = node.constant(1)
    if repeats is None:
        counts, sizes = (each.op("Unsqueeze", axes=(1,)) for each in (node.given(1), x.shape_vector()))
        pairs = counts.op("Concat", sizes, axis=1).op("Reshape", np.array([-1], np.int64))
        return grad.op("Reshape", pairs).sum(tuple(range(0, 2 * x.rank, 2)), keepdims=False)
    shape: list[int | None] = []
    axes = []
    for size, count in zip(x.known_shape, repeats.tolist(), strict=True):
        if count != 1:
            axes.append(len(shape))
            shape.append(count)
        shape.append(size)
    return grad.reshape(shape).sum(axes, keepdims=False) if axes else grad


@vjp("DepthToSpace")
def depth_to_space(node: Node, grad: Value) -> Value:
    """The blocks back into the channels."""
    block = node.attr("blocksize", 1)
    if node.attr("mode", "DCR") == "DCR":
        return grad.op("SpaceToDepth", blocksize=block)
    channels, height, width = (size_at(node, node.input, axis) for axis in (1, 2, 3))
    batch = node.input.known_shape[0]
    apart = grad.reshape((batch, channels // block**2, height, block, width, block))
    return apart.transpose((0, 1, 3, 5, 2, 4)).reshape_like(node.input)


@vjp("SpaceToDepth")
def space_to_depth(node: Node, grad: Value) -> Value:
    """The channels back into the blocks."""
    return grad.op("DepthToSpace", blocksize=node.attr("blocksize", 1), mode=node.attr("mode", "DCR"))


@vjp("Trilu", since=14)
def trilu(node: Node, grad: Value) -> Value:
    """The same triangle."""
    return grad.op("Trilu", node.inputs[1] if node.has_input(1) else None, upper=node.attr("upper", 1))


@vjp("ReverseSequence", since=10)
def reverse_sequence(node: Node, grad: Value) -> Value:
    """The same reversal, which undoes itself."""
    axes = {"batch_axis": node.attr("batch_axis", 1), "time_axis": node.attr("time_axis", 0)}
    return grad.op("ReverseSequence", node.given(1), **axes)


@vjp("Col2Im", since=18)
def col2im(node: Node, grad: Value) -> Value:
    """The blocks cut out of the picture again, each number as often as blocks share it."""
    image, block = integers_at(node, 1, "an image shape"), integers_at(node, 2, "a block shape")
    rank = len(block)
    ones = (1,) * rank
    strides, dilations = node.attr("strides", ones), node.attr("dilations", ones)
    pads = node.attr("pads", (0,) * 2 * rank)
    around = list(zip(pads[:rank], pads[rank:], strict=True))
    blocks = padded(grad, [(0, 0), (0, 0), *around])
    for axis in reversed(range(rank)):
        before, behind = around[axis]
        reach = image[axis] + before + behind - dilations[axis] * (block[axis] - 1)
        starts = np.arange(0, reach, strides[axis])
        places = np.arange(block[axis])[:, None] * dilations[axis] + starts
        blocks = blocks.op("Gather", places, axis=axis + 2)
    # An axis for the taps and one for the blocks, of each spatial axis: all taps first.
    order = (0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2))
    return blocks.transpose(order).reshape_like(node.input)
