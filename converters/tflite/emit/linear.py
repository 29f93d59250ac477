"""Fully connected layers."""

from __future__ import annotations

from converters.tensorflow.emit.axes import order
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Shape, Value
from converters.tflite.emit.activation import activated
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.emit.weights import bias, kernel
from converters.tflite.model import Operation


@emitter("FULLY_CONNECTED", inputs=(2, 3))
def fully_connected(to: Emission, operation: Operation) -> Value:
    """Weights (out, in); all axes but the last are samples, and become one unless they are to be kept."""
    if operation.options["weights_format"]:
        raise NoEmitter(operation, "its weights are shuffled")
    x = to.stored(operation, 0)
    keeps = bool(operation.options["keep_num_dims"]) and x.rank is not None and x.rank > 2
    weight = kernel(to, operation, 1, (1, 0) if keeps else (0, 1), data=0)
    shape = x.shape
    if shape is None or weight.shape is None or weight.rank != 2:
        raise NoEmitter(operation, "the axes of its input are not known")
    out, of = weight.shape if not keeps else (weight.shape[1], weight.shape[0])
    if keeps:
        x = to.plain(x)
    elif x.rank != 2 or shape[1] != of:
        count = None if x.size is None or not of else x.size // of
        x = _reshaped(to, x, (count, of))
    tensor = to.tensor(operation, 0)
    if tensor is not None and tensor.quantization is not None:
        x = to.real(operation, x, tensor.quantization)
    added = bias(to, operation, 2, weights=1, data=0)
    if not keeps:
        like = x.like(shape=(*(x.shape or ())[:1], out))
        return activated(to, operation, to.node("Gemm", [x, weight, added], like, transB=1))
    like = x.like(shape=(*(x.shape or ())[:-1], out))
    made = to.node("MatMul", [x, weight], like)
    return activated(to, operation, made if added is None else to.node("Add", [made, added], like))


def _reshaped(to: Emission, x: Value, shape: Shape) -> Value:
    """The same numbers in another shape."""
    now = [axis for axis in order(len(x.shape or ()), x.layout) if (x.shape or ())[axis] != 1]
    if now != sorted(now):
        x = to.plain(x)
    sizes = [-1 if size is None else size for size in shape or ()]
    return to.node("Reshape", [x, to.small(sizes)], Value("", x.dtype, shape))
