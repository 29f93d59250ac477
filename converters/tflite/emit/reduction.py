"""Reductions over axes, and where the extremes are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.checks import listed
from converters.tflite.emit.delegated import delegated
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.model import Operation

Made = Value | tuple[Value, ...]

_COMPUTED: Mapping[str, str] = MappingProxyType(
    {"MEAN": "Mean", "SUM": "Sum", "REDUCE_PROD": "Prod", "REDUCE_ANY": "Any", "REDUCE_ALL": "All"}
)
_PICKED: Mapping[str, str] = MappingProxyType({"REDUCE_MAX": "Max", "REDUCE_MIN": "Min"})
_PLACES: Mapping[str, str] = MappingProxyType({"ARG_MAX": "ArgMax", "ARG_MIN": "ArgMin"})


@emitter(*_COMPUTED, inputs=2)
def reduction(to: Emission, operation: Operation) -> Made:
    """Over some axes."""
    return delegated(to, operation, _COMPUTED[operation.op], keep_dims=operation.options["keep_dims"])


@emitter(*_PICKED, inputs=2, moves=True)
def extreme(to: Emission, operation: Operation) -> Made:
    """The largest or smallest over some axes, of whole numbers too."""
    return delegated(to, operation, _PICKED[operation.op], keep_dims=operation.options["keep_dims"])


@emitter(*_PLACES, inputs=2, moves=True)
def place(to: Emission, operation: Operation) -> Made:
    """Where the extreme stands on an axis, the first of equal ones."""
    listed(to, operation, 1, "axis")
    return delegated(to, operation, _PLACES[operation.op])


@emitter("TOPK_V2", inputs=2, moves=True)
def top_k(to: Emission, operation: Operation) -> Made:
    """The largest along the last axis with their places."""
    x, count = to.input(operation, 0), to.stored(operation, 1)
    if not x.rank or x.dtype.name not in ("float32", "int32", "int64") or count.rank != 0:
        raise NoEmitter(operation, f"it sorts {x.dtype}")
    return delegated(to, operation, "TopKV2")


@emitter("CUMSUM", inputs=2)
def cumsum(to: Emission, operation: Operation) -> Made:
    """The sum so far along an axis."""
    listed(to, operation, 1, "axis")
    flags = {name: operation.options[name] for name in ("exclusive", "reverse")}
    return delegated(to, operation, "Cumsum", **flags)
