"""What a gradient is asked of and with respect to, in names of values, and the seed that it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspector.errors import GradientError
from inspector.gradients.forward import Forward
from inspector.gradients.opening import Opened
from inspector.gradients.tape import Tape
from inspector.gradients.targets import Target, target_of, value_of
from inspector.gradients.value import Value

if TYPE_CHECKING:
    from onnx import ValueInfoProto

SEED = "seed"
ELSEWHERE = (
    "inspector layers names what there is; --gradient and --wrt (in Python of and wrt) take them and values."
)


@dataclass(frozen=True)
class Question:
    """What was asked for, in the user's words."""

    of: str
    wrt: str | Sequence[str] | None
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What was asked for, in names of values."""

    target: Target
    wrt: tuple[str, ...]
    outputs: tuple[str, ...]


def resolved(forward: Forward, source: Opened, ask: Question) -> Request:
    """Find the values that a question is about.

    Raises:
        UnknownLayerError: There is no such value or layer.
        GradientError: There is no such channel, no input of floats, or nothing in `wrt`.
    """
    layers = source.layers
    target = target_of(forward, layers, source.outputs, ask.of)
    if ask.wrt is None:
        names: Sequence[str] = [_first_float(forward)]
    else:
        names = [ask.wrt] if isinstance(ask.wrt, str) else ask.wrt
    if not names:
        raise GradientError(
            f"{forward.where}: wrt names nothing; expected a value or layer to differentiate with respect to",
            "Leave wrt out for the first input of floats, or name one: wrt='VALUE'",
        )
    sources = [value_of(forward, layers, name) for name in names]
    extra = [value_of(forward, layers, name) for name in ask.outputs]
    return Request(target, tuple(dict.fromkeys(sources)), tuple(extra))


def _first_float(forward: Forward) -> str:
    known = forward.known.kinds
    for info in forward.inputs:
        if info.name in known and known[info.name].is_float:
            return info.name
    raise GradientError(
        f"{forward.where}: has no input of floats; expected one to differentiate with respect to",
        "Name a value of floats, for example the output of an embedding: --wrt VALUE (in Python wrt='VALUE')",
    )


def seed_of(forward: Forward, tape: Tape, target: Target) -> tuple[ValueInfoProto, Value]:
    """The seed as a graph input, and the gradient of the whole target value that it stands for.

    Raises:
        GradientError: The target holds no floats.
    """
    from onnx import helper

    value = tape.value(target.value)
    known_shape = value.known_shape
    kind = tape.known.kinds[target.value]
    if not kind.is_float:
        raise GradientError(
            f"{forward.where}: the value {target.value!r} holds {kind.dtype}; expected floats, which alone "
            "have a gradient",
            ELSEWHERE,
        )
    sizes = kind.sizes
    if target.channel is not None:
        sizes = tuple((*each[: target.axis], *each[target.axis + 1 :]) for each in sizes)
    name = tape.unique(SEED)
    tape.known.kinds[name] = type(kind)(kind.dtype, sizes)
    dimensions = tape.known.kinds[name].declared(forward.batch_name)
    element = helper.np_dtype_to_tensor_dtype(kind.dtype)
    info = helper.make_tensor_value_info(name, element, dimensions)
    seed = tape.value(name)
    if target.channel is None:
        return info, seed
    count = known_shape[target.axis] or 0
    picks = np.zeros((count, *[1] * (value.rank - target.axis - 1)), kind.dtype)
    picks[target.channel] = 1
    return info, seed.op("Unsqueeze", axes=(target.axis,)) * tape.constant(picks)
