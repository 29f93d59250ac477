"""Convolutions: plain, grouped, depthwise, dilated, transposed; and pooling."""

from __future__ import annotations

from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.emit.windows import Window, window
from converters.tflite import schema
from converters.tflite.dilation import dilated
from converters.tflite.emit.activation import activated
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.emit.space import space_and_batch
from converters.tflite.emit.weights import bias, kernel
from converters.tflite.model import Operation
from converters.tflite.padding import zeros_before

# The file's axes of a kernel in ONNX's order: out, in, height, width.
_ORDERS = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2)}


@emitter("CONV_2D", inputs=(2, 3))
def convolution(to: Emission, operation: Operation) -> Value:
    """With kernels (out, height, width, in); fewer channels in them than in the data are groups."""
    return _convolved(to, operation, *_unpadded(to, operation))


@emitter("DEPTHWISE_CONV_2D", inputs=(2, 3))
def depthwise_convolution(to: Emission, operation: Operation) -> Value:
    """With kernels (1, height, width, out): as many groups as the data has channels."""
    return _convolved(to, operation, *_unpadded(to, operation))


@emitter("BATCH_TO_SPACE_ND", inputs=3)
def batch_to_space(to: Emission, operation: Operation) -> Value | tuple[Value, ...]:
    """Samples as space again; behind a convolution of what became samples, that one with dilations."""
    middle = to.source(operation, 0)
    first = None if middle is None else to.source(middle, 0)
    found = dilated(operation, middle, first, to.tensors)
    if found is None:
        return space_and_batch(to, operation)
    return _convolved(to, found.convolution, to.input(found.spread, 0), found.pads, found.steps)


@emitter("TRANSPOSE_CONV", inputs=(3, 4))
def transposed_convolution(to: Emission, operation: Operation) -> Value:
    """The gradient of a convolution: the sizes that come out are an input, and padding follows."""
    x = to.channels_first(to.input(operation, 2))
    weight = kernel(to, operation, 1, (3, 0, 1, 2), data=2)
    sizes = to.input(operation, 0).known()
    if x.shape is None or weight.shape is None or sizes is None or len(sizes) != 4 or None in sizes[1:3]:
        raise NoEmitter(operation, "the size of its output is not known")
    out = tuple(int(size or 0) for size in sizes[1:3])
    moves = _window(operation, out, _spatial(weight))
    assert moves.pads is not None
    # The window of the forward convolution takes as many places as this one has input.
    covered = [
        (places or 0) * step - step + size
        for places, step, size in zip(moves.out, moves.strides, moves.kernel, strict=True)
    ]
    extra = [
        size - (reached - moves.pads[i] - moves.pads[2 + i])
        for i, (size, reached) in enumerate(zip(out, covered, strict=True))
    ]
    fits = all(own in (None, places) for own, places in zip(x.shape[1:3], moves.out, strict=False))
    if not fits or min(extra) < 0 or x.rank != 4:
        raise NoEmitter(operation, f"no input of its size gives an output of {list(out)}")
    like = x.like(shape=(x.shape[0], *out, weight.shape[1]))
    added = bias(to, operation, 3, weights=1, data=2)
    attributes = {**moves.attributes(), "output_padding": extra if any(extra) else None}
    made = to.node("ConvTranspose", [x, weight, added], like, **attributes)
    return activated(to, operation, made)


@emitter("AVERAGE_POOL_2D")
def average_pool(to: Emission, operation: Operation) -> Value:
    """Averages leave out the padding, as ONNX does unless it is told otherwise."""
    return _pooled(to, operation, "AveragePool")


@emitter("MAX_POOL_2D", moves=True)
def max_pool(to: Emission, operation: Operation) -> Value:
    """The largest, of whole numbers too."""
    return _pooled(to, operation, "MaxPool")


def _convolved(
    to: Emission,
    operation: Operation,
    data: Value,
    pads: tuple[int, ...] | None,
    steps: tuple[int, int] | None = None,
) -> Value:
    """A Conv of some data with a convolution's weights, and with padding and dilations from elsewhere."""
    weight = kernel(to, operation, 1, _ORDERS[operation.op], data=0)
    x = to.channels_first(data)
    if x.shape is None or weight.shape is None or x.rank != 4 or weight.rank != 4:
        raise NoEmitter(operation, "the axes of its input are not known")
    channels, of_group, out = x.shape[-1], weight.shape[1], weight.shape[0]
    if not channels or not of_group or not out or channels % of_group or out % (channels // of_group):
        raise NoEmitter(operation, f"its {out} kernels of {of_group} channels do not fit {channels} of data")
    moves = _window(operation, x.shape[1:-1], _spatial(weight), pads, steps)
    like = x.like(shape=(x.shape[0], *moves.out, out))
    groups = channels // of_group
    added = bias(to, operation, 2, weights=1, data=0)
    attributes = {"group": groups if groups != 1 else None, **moves.attributes()}
    return activated(to, operation, to.node("Conv", [x, weight, added], like, **attributes))


def _pooled(to: Emission, operation: Operation, op_type: str) -> Value:
    x = to.channels_first(to.input(operation, 0))
    if x.shape is None or x.rank != 4:
        raise NoEmitter(operation, "the axes of its input are not known")
    size = operation.options["filter_h"], operation.options["filter_w"]
    moves = _window(operation, x.shape[1:-1], size)
    like = x.like(shape=(x.shape[0], *moves.out, x.shape[-1]))
    return activated(to, operation, to.node(op_type, [x], like, **moves.attributes()))


def _window(
    operation: Operation,
    spatial: tuple[int | None, ...],
    size: tuple[int, ...],
    before: tuple[int, ...] | None = None,
    steps: tuple[int, int] | None = None,
) -> Window:
    """How an operator's window moves: over the rows, then over the columns."""
    options = operation.options
    strides = options["stride_h"], options["stride_w"]
    dilations = steps or (options.get("dilation_h", 1), options.get("dilation_w", 1))
    if min(*strides, *dilations, *size) < 1:
        raise NoEmitter(operation, f"its window {list(size)} has steps {list(strides)} and {list(dilations)}")
    number = options["padding"]
    if not 0 <= number < len(schema.PADDINGS):
        raise NoEmitter(operation, f"its padding number {number} is not known")
    node = operation.as_tensorflow(
        "Conv2D", padding=schema.PADDINGS[number], strides=(1, *strides, 1), dilations=(1, *dilations, 1)
    )
    return window(node, spatial, size, before=before)


def _spatial(weight: Value) -> tuple[int, ...]:
    return tuple(int(size or 0) for size in (weight.shape or ())[2:])


def _unpadded(to: Emission, operation: Operation) -> tuple[Value, tuple[int, ...] | None]:
    """What a convolution reads; when it is padded with zeros, what was there before, and the padding."""
    pad = to.source(operation, 0)
    pads = zeros_before(pad, operation, to.tensors) if isinstance(pad, Operation) else None
    if pad is None or pads is None:
        return to.input(operation, 0), None
    return to.input(pad, 0), pads
