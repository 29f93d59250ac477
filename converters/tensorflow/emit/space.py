"""Padding, and moving numbers between space, channels and samples."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.attributes import integer, text
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter, emitter
from converters.tensorflow.emit.value import Shape, Value
from converters.tensorflow.emit.windows import as_channels_first, as_declared
from converters.tensorflow.topology import Node


@emitter("Pad", "PadV2")
def pad(to: Emission, node: Node) -> Value:
    """With zeros, or a number that is given."""
    x = to.input(node, 0)
    filled = to.input(node, 2) if node.op == "PadV2" else None
    paddings = to.const(node, 1)
    if paddings is not None:
        return _padded(to, x, paddings, filled)
    data, given = to.plain(x), to.plain(to.input(node, 1))
    if data.shape is None:
        raise NoEmitter(node, "the rank of its input is not known")
    # (axis, before or behind) in TensorFlow; all before and then all behind in ONNX.
    order = to.node("Transpose", [given], given, perm=(1, 0))
    flat = to.node("Reshape", [order, to.small([-1])], given.like(shape=(2 * len(data.shape),)))
    pads = flat if flat.dtype == np.int64 else to.node("Cast", [flat], flat.like(dtype="int64"), to=7)
    return to.node("Pad", [data, pads, filled], data.like(shape=(None,) * len(data.shape)))


@emitter("MirrorPad")
def mirror_pad(to: Emission, node: Node) -> Value:
    """REFLECT leaves out the border; SYMMETRIC repeats it, for which ONNX has only a choice of indices."""
    x, paddings = to.input(node, 0), to.needed_const(node, 1, "padding")
    if text(node, "mode") == "REFLECT":
        return _padded(to, x, paddings, None, mode="reflect")
    if paddings.max(initial=0) <= 1:
        return _padded(to, x, paddings, None, mode="edge")
    for axis in np.flatnonzero(paddings.any(1)).tolist():
        size = (x.shape or ())[axis]
        if size is None:
            raise NoEmitter(node, "it mirrors an axis whose size is not known")
        places = np.pad(np.arange(size, dtype=np.int64), tuple(paddings[axis]), mode="symmetric")
        x = gathered(to, x, axis, places)
    return x


@emitter("SpaceToDepth", "DepthToSpace")
def space_and_depth(to: Emission, node: Node) -> Value:
    """The order of the channels is the same in both: row, column, channel."""
    if text(node, "data_format", "NHWC") not in ("NHWC", "NCHW"):
        raise NoEmitter(node, "its channels come in vectors of four")
    x, block = as_channels_first(to, node, to.input(node, 0)), integer(node, "block_size", 2)
    batch, *spatial, channels = x.shape or ()
    if node.op == "SpaceToDepth":
        spatial = [None if size is None else size // block for size in spatial]
        channels = None if channels is None else channels * block * block
    else:
        spatial = [None if size is None else size * block for size in spatial]
        channels = None if channels is None else channels // (block * block)
    return as_declared(
        node, to.node(node.op, [x], x.like(shape=(batch, *spatial, channels)), blocksize=block)
    )


@emitter("SpaceToBatchND", "SpaceToBatch")
def space_to_batch(to: Emission, node: Node) -> Value:
    """Each phase of a grid becomes a sample, phases before samples."""
    x = to.plain(to.input(node, 0))
    block, paddings = _block(to, node, 1 if node.op == "SpaceToBatchND" else 2)
    count = len(block)
    everywhere = np.zeros((len(x.shape or ()), 2), np.int64)
    everywhere[1 : 1 + count] = paddings
    x = _padded(to, x, everywhere, None)
    batch, *rest = x.shape or ()
    spatial, others = _known(node, rest[:count]), _known(node, rest[count:])
    inner = [part for size, n in zip(spatial, block, strict=True) for part in (size // n, n)]
    tall = to.node("Reshape", [x, to.small([-1, *inner, *others])], x.like(shape=(batch, *inner, *others)))
    rank = 1 + 2 * count + len(others)
    order = (*range(2, 2 + 2 * count, 2), 0, *range(1, 1 + 2 * count, 2), *range(1 + 2 * count, rank))
    turned = to.node("Transpose", [tall], x.like(shape=(None,) * rank), perm=order)
    out = (*(size // n for size, n in zip(spatial, block, strict=True)), *others)
    samples = None if batch is None else batch * int(np.prod(block))
    return to.node("Reshape", [turned, to.small([-1, *out])], x.like(shape=(samples, *out)))


@emitter("BatchToSpace")
def batch_to_space_2d(to: Emission, node: Node) -> Value:
    """The same over rows and columns."""
    return batch_to_space(to, node)


def batch_to_space(to: Emission, node: Node) -> Value:
    """Samples become the phases of a grid again; crops are cut off afterwards."""
    x = to.plain(to.input(node, 0))
    block, crops = _block(to, node, 1 if node.op == "BatchToSpaceND" else 2)
    count, phases = len(block), int(np.prod(block))
    batch, *rest = x.shape or ()
    spatial, others = _known(node, rest[:count]), _known(node, rest[count:])
    samples = None if batch is None else batch // phases
    tall = (*block, samples, *spatial, *others)
    sizes = [*block, -1, *spatial, *others]
    x = to.node("Reshape", [x, to.small(sizes)], x.like(shape=tall))
    pairs = [axis for i in range(count) for axis in (count + 1 + i, i)]
    order = (count, *pairs, *range(2 * count + 1, len(tall)))
    x = to.node("Transpose", [x], x.like(shape=(None,) * len(tall)), perm=order)
    whole = [size * n for size, n in zip(spatial, block, strict=True)]
    shape = (samples, *whole, *others)
    x = to.node("Reshape", [x, to.small([-1, *whole, *others])], x.like(shape=shape))
    if not crops.any():
        return x
    ends = [size - int(crop) for size, crop in zip(whole, crops[:, 1], strict=True)]
    left = [end - int(start) for end, start in zip(ends, crops[:, 0], strict=True)]
    read = [x, to.small(crops[:, 0].astype(np.int64)), to.small(ends), to.small(range(1, 1 + count))]
    return to.node("Slice", read, x.like(shape=(samples, *left, *others)))


def gathered(to: Emission, x: Value, axis: int, places: Array) -> Value:
    """Some places of an axis of TensorFlow's, in any order."""
    assert x.shape is not None
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    return to.node("Gather", [x, to.small(places)], x.like(shape=shape), axis=x.axis(axis))


def _padded(to: Emission, x: Value, paddings: Array, filled: Value | None, mode: str | None = None) -> Value:
    """A Pad with known numbers, in whatever order the axes lie."""
    if not paddings.any():
        return x
    ordered = np.zeros_like(paddings, np.int64)
    for axis, pair in enumerate(paddings):
        ordered[x.axis(axis)] = pair
    shape: Shape = None
    if x.shape is not None:
        both = paddings.sum(1).tolist()
        shape = tuple(None if n is None else n + more for n, more in zip(x.shape, both, strict=True))
    return to.node("Pad", [x, to.small(ordered.T.ravel()), filled], x.like(shape=shape), mode=mode)


def _block(to: Emission, node: Node, place: int) -> tuple[list[int], Array]:
    """The block's sizes, and the paddings or crops, (axes, 2)."""
    if place == 2:  # the older ops have one size for two axes as an attribute
        return [integer(node, "block_size")] * 2, to.needed_const(node, 1, "padding")
    block = to.needed_const(node, 1, "block shape")
    return [int(size) for size in block], to.needed_const(node, 2, "padding")


def _known(node: Node, sizes: list[int | None]) -> list[int]:
    """Sizes that must be known."""
    if None in sizes:
        raise NoEmitter(node, "the size of its input is not known")
    return [size for size in sizes if size is not None]
