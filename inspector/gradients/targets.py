"""What a gradient is of, and with respect to what: names of values and layers, channels, the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.errors import GradientError, UnknownLayerError
from inspector.layer_names import LOGITS, split_channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspector.gradients.forward import Forward

_SQUASHING = ("Softmax", "LogSoftmax", "Sigmoid")
# Operators that hand on every number as it is, or rounded.
_SHAPING = ("Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Dropout")
_PASSING = (*_SHAPING, "Cast", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Target:
    """A value, or one channel of it.

    Attributes:
        value: The value's name.
        channel: The channel; None for the whole value.
        axis: Which axis holds the channels; 0 without one.
    """

    value: str
    channel: int | None = None
    axis: int = 0


def target_of(forward: Forward, layers: Mapping[str, str], outputs: tuple[str, ...], of: str) -> Target:
    """Find what a gradient is asked of.

    Args:
        forward: The forward graph.
        layers: The output of each layer, by the layer's name.
        outputs: The graph's outputs.
        of: A value's name, a layer's name, either followed by ":channel", or "logits".

    Raises:
        UnknownLayerError: There is no such value or layer.
        GradientError: There is no such channel, or no output.
    """
    if of in forward.known.kinds or of in forward.producers or of in layers:
        return Target(value_of(forward, layers, of))
    if of == LOGITS:
        return Target(_logits(forward, outputs))
    name, channel = split_channel(of)
    if channel is not None:
        return _channel(forward, target_of(forward, layers, outputs, name).value, channel)
    return Target(value_of(forward, layers, of))


def value_of(forward: Forward, layers: Mapping[str, str], name: str) -> str:
    """Return the value that a value's or a layer's name stands for.

    Raises:
        UnknownLayerError: There is neither.
    """
    if name in forward.producers or any(info.name == name for info in forward.inputs):
        return name
    if name in layers:
        return layers[name]
    if name in forward.weights:
        return name
    inputs = (info.name for info in forward.inputs)
    raise UnknownLayerError(name, dict.fromkeys((*layers, *forward.producers, *inputs)), forward.where)


def _channel(forward: Forward, value: str, channel: int) -> Target:
    kind = forward.known.kinds.get(value)
    if kind is None or len(kind.shape) < 2:
        raise GradientError(
            f"{forward.where}: the value {value!r} has no channels; expected one of at least two axes",
            f"Ask for the whole value: --gradient {value} (in Python of={value!r})",
        )
    axis = _channel_axis(forward, value)
    count = kind.shape[axis]
    if count is None or channel >= count:
        raise GradientError(
            f"{forward.where}: the value {value!r} has no channel {channel}; "
            f"expected 0 to {(count or 0) - 1}",
            f"Ask for one that is there: --gradient {value}:0 (in Python of='{value}:0')",
        )
    return Target(value, channel, axis)


def _channel_axis(forward: Forward, value: str) -> int:
    """The last axis of a value that was transposed to have it there, as TensorFlow's; else the second."""
    seen = value
    while (node := forward.producers.get(seen)) is not None and not node.domain:
        if node.op_type == "Transpose":
            perm = next((tuple(each.ints) for each in node.attribute if each.name == "perm"), ())
            if len(perm) > 2 and perm[0] == 0 and perm[-1] == 1:
                return len(perm) - 1
            return 1
        kind = forward.known.kinds.get(node.input[0]) if node.input else None
        here = forward.known.kinds.get(seen)
        if kind is None or here is None or kind.shape != here.shape:
            break
        seen = node.input[0]
    return 1


def _logits(forward: Forward, outputs: tuple[str, ...]) -> str:
    """The value before the softmax or sigmoid that the first output ends with; else that output itself."""
    if not outputs:
        raise GradientError(f"{forward.where}: has no output; expected one", "")
    seen = outputs[0]
    while (node := forward.producers.get(seen)) is not None and not node.domain:
        if node.op_type in _SQUASHING:
            return str(node.input[0])
        if node.op_type not in _PASSING:
            break
        seen = node.input[0]
    return outputs[0]
