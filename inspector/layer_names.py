"""What people call a value by: a layer's name or its own, with a channel ("conv_2:5"), or "logits"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.errors import UnknownLayerError

if TYPE_CHECKING:
    from inspector.model import Model

LOGITS = "logits"
"""The value before the last softmax or sigmoid, unless something else has this name."""


def split_channel(name: str) -> tuple[str, int | None]:
    """Take the channel off a name; None where it has none.

    A value's own name may end like that, as TensorFlow's do: look for the whole name first.

    Example:
        >>> split_channel("conv_2:5"), split_channel("conv_2")
        (('conv_2', 5), ('conv_2', None))
    """
    head, colon, channel = name.rpartition(":")
    return (head, int(channel)) if colon and channel.isdecimal() else (name, None)


def is_value(model: Model, name: str) -> bool:
    """Whether a layer or a computed value has this name."""
    return name in model.graph.producers or any(layer.name == name for layer in model.layers)


def value_name(model: Model, layer: str) -> str:
    """The value that a layer gives; or the computed value of that name.

    Raises:
        UnknownLayerError: There is neither.
    """
    try:
        return model.layers.get(layer).output
    except UnknownLayerError:
        if layer in model.graph.producers:
            return layer
        raise
