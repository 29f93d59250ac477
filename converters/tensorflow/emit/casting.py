"""Element types, and what passes its input on."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import DType
from converters.tensorflow.emit.attributes import kind
from converters.tensorflow.emit.axes import unsqueezed
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import emitter
from converters.tensorflow.emit.value import Value
from converters.tensorflow.topology import Node

# What gives int64 in ONNX, and what hands on the type of its first input.
_COUNTS = frozenset({"Shape", "Size"})
_MOVES = frozenset(
    {"Slice", "Gather", "Concat", "Squeeze", "Unsqueeze", "Reshape", "Add", "Sub", "Mul", "Div", "ReduceProd"}
)


@emitter("Cast")
def cast(to: Emission, node: Node) -> Value:
    """To another element type; towards zero from floating-point numbers to integers, as in TensorFlow."""
    return converted(to, to.input(node, 0), kind(node, "DstT"))


@emitter("Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics", "DebugGradientIdentity")
def identity(to: Emission, node: Node) -> Value:
    """Its input."""
    return passed(to, node, 0)


@emitter("IdentityN")
def identity_n(to: Emission, node: Node) -> tuple[Value, ...]:
    """Its inputs."""
    return tuple(passed(to, node, index) for index in range(len(node.inputs)))


@emitter("PlaceholderWithDefault")
def placeholder_with_default(to: Emission, node: Node) -> Value:
    """The default: one that is fed is an input of the graph, and never comes here."""
    return passed(to, node, 0)


@emitter("EnsureShape")
def ensure_shape(to: Emission, node: Node) -> Value:
    """Its input, of which more is known now."""
    declared = node.attr("shape")
    x = passed(to, node, 0)
    if declared is None or declared.shape.unknown_rank or x.constant is not None or x.is_first:
        return x
    sizes = tuple(None if dim.size < 0 else int(dim.size) for dim in declared.shape.dim)
    shape = (
        sizes
        if x.shape is None
        else tuple(a if b is None else b for a, b in zip(sizes, x.shape, strict=True))
    )
    return Value(x.name, x.dtype, shape, elements=x.elements)


@emitter("NoOp", "Assert")
def nothing(to: Emission, node: Node) -> tuple[Value, ...]:
    """What has no output leaves no trace."""
    return ()


def passed(to: Emission, node: Node, index: int, value: Value | None = None) -> Value:
    """An input of a node as its output, or `value`, which is the same ONNX tensor seen otherwise.

    What reads the output may add a bias to the convolution that makes it, believing itself the only reader
    and the channels last. Where that is not so, a node of its own stands between.
    """
    x = to.input(node, index)
    seen = x if value is None else value
    maker = to.maker(x)
    if maker is None or maker.op_type not in ("Conv", "ConvTranspose") or x.constant is not None:
        return seen
    if seen.layout == x.layout and to.readers(node.inputs[index]) == 1:
        return seen
    return to.node("Identity", [seen], seen)


def converted(to: Emission, value: Value, dtype: DType) -> Value:
    """A value in another element type."""
    if value.dtype == dtype:
        return value
    if value.constant is not None:
        with np.errstate(all="ignore"):
            return to.weight(value.constant.astype(dtype), value.name)
    from onnx import helper

    like = value.like(dtype=dtype)
    if dtype.kind in "iu" and value.dtype.kind in "iu":
        like = like.with_elements(value.elements)
    return to.node("Cast", [value], like, to=int(helper.np_dtype_to_tensor_dtype(dtype)))


def wide(to: Emission, value: Value) -> Value:
    """Integers as the int64 that ONNX wants for sizes and indices."""
    source = lifted(to, value)
    return converted(to, value if source is None else source, np.dtype(np.int64))


def lifted(to: Emission, value: Value) -> Value | None:
    """The int64 from which a value was cast, itself when it is int64, None when there is no such thing.

    ONNX counts sizes in int64, TensorFlow mostly in int32: the arithmetic of shapes goes on with what was
    there before the cast, which nothing then reads.
    """
    if value.dtype == np.int64:
        return value
    if value.dtype != np.int32:
        return None
    if value.constant is not None:
        return to.weight(value.constant.astype(np.int64), value.name)
    maker = to.maker(value)
    if maker is None or maker.op_type != "Cast":
        return None
    source = Value(maker.input[0], np.dtype(np.int64), value.shape, value.layout, elements=value.elements)
    return source if _counts(to, source) else None


def lifted_all(to: Emission, *values: Value) -> tuple[Value, ...]:
    """All values as int64 where each of them can be lifted at no cost; otherwise as they are."""
    if all(value.dtype == np.int32 for value in values) and any(value.constant is None for value in values):
        found = [lifted(to, value) for value in values]
        sources = tuple(value for value in found if value is not None)
        if len(sources) == len(values):
            return sources
    return values


def listed(to: Emission, value: Value) -> Value:
    """A single number as a list of one; where it was one of a list of sizes before, as that."""
    maker = to.maker(value)
    if value.constant is None and maker is not None and maker.op_type == "Squeeze" and _counts(to, value):
        return Value(maker.input[0], value.dtype, (1,), elements=value.elements)
    return unsqueezed(to, value, {0})


def _counts(to: Emission, value: Value) -> bool:
    """Whether a value comes of shapes alone, so that it is int64."""
    maker = to.maker(value)
    if maker is None:
        return False
    if maker.op_type in _COUNTS:
        return True
    return maker.op_type in _MOVES and _counts(to, Value(maker.input[0], value.dtype, None))
