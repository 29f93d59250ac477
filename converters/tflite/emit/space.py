"""Resizing pictures, and moving numbers between space, channels and samples."""

from __future__ import annotations

from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.checks import integers, rank_of
from converters.tflite.emit.delegated import delegated
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.model import Operation

Made = Value | tuple[Value, ...]
_LARGEST_SIDE = 1 << 16


@emitter("RESIZE_BILINEAR", inputs=2)
def resize_bilinear(to: Emission, operation: Operation) -> Made:
    """Between the four nearest pixels."""
    return _resized(to, operation, "ResizeBilinear")


@emitter("RESIZE_NEAREST_NEIGHBOR", inputs=2, moves=True)
def resize_nearest_neighbor(to: Emission, operation: Operation) -> Made:
    """The nearest pixel."""
    return _resized(to, operation, "ResizeNearestNeighbor")


@emitter("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def space_and_depth(to: Emission, operation: Operation) -> Made:
    """Blocks of space as channels, and back."""
    x, block = to.input(operation, 0), operation.options["block_size"]
    if x.rank != 4 or x.shape is None or block < 1:
        raise NoEmitter(operation, f"its blocks of {block} do not fit its input")
    whole = [x.shape[-1]] if operation.op == "DEPTH_TO_SPACE" else [*x.shape[1:3]]
    divisor = block * block if operation.op == "DEPTH_TO_SPACE" else block
    if any(size is not None and size % divisor for size in whole):
        raise NoEmitter(operation, f"its blocks of {block} do not fit its input")
    op = "SpaceToDepth" if operation.op == "SPACE_TO_DEPTH" else "DepthToSpace"
    return delegated(to, operation, op, block_size=block)


@emitter("SPACE_TO_BATCH_ND", inputs=3)
def space_and_batch(to: Emission, operation: Operation) -> Made:
    """Phases of a grid as samples, and back."""
    rank = rank_of(operation, to.input(operation, 0))
    count = len(to.needed_const(operation, 1, "block shape").ravel())
    block = integers(to, operation, 1, "block shape", (count,))
    cut = integers(to, operation, 2, "padding", (count, 2))
    if not 0 < count < rank or block.min() < 1 or cut.min() < 0:
        raise NoEmitter(operation, f"its blocks {block.tolist()} do not fit its {rank} axes")
    op = "SpaceToBatchND" if operation.op == "SPACE_TO_BATCH_ND" else "BatchToSpaceND"
    return delegated(to, operation, op)


def _resized(to: Emission, operation: Operation, op: str) -> Made:
    x, sizes = to.input(operation, 0), to.stored(operation, 1)
    known = sizes.known()
    if x.rank != 4 or sizes.shape != (2,):
        raise NoEmitter(operation, "its input is no picture, or its new size is none")
    if known is not None and any(size is not None and not 0 < size <= _LARGEST_SIDE for size in known):
        raise NoEmitter(operation, f"its new size is {list(known)}")
    if x.shape is not None and 0 in x.shape:
        raise NoEmitter(operation, "its input is empty")
    flags = {name: operation.options[name] for name in ("align_corners", "half_pixel_centers")}
    return delegated(to, operation, op, **flags)
