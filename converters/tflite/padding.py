"""Zeros that an operator of their own adds before a convolution, which can add them itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converters.tflite import schema
from converters.tflite.model import LiteModel, Operation, Tensor

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def zeros_before(
    pad: Operation, convolution: Operation, tensors: Mapping[str, Tensor]
) -> tuple[int, ...] | None:
    """The padding that a convolution takes over.

    Args:
        pad: What makes the convolution's input.
        convolution: What reads it.
        tensors: Those of the graph.

    Returns:
        Rows and columns before, then behind; None where the two cannot be one.
    """
    if pad.op != "PAD" or convolution.op not in _CONVOLUTIONS or len(pad.inputs) != 2 or not all(pad.inputs):
        return None
    if convolution.options["padding"] != schema.PADDINGS.index("VALID"):
        return None
    before, sizes = (tensors[name] for name in pad.inputs)
    paddings, padded = sizes.data, tensors[pad.outputs[0]]
    if paddings is None or paddings.shape != (4, 2) or paddings.dtype.kind != "i" or paddings[[0, 3]].any():
        return None
    own, others = before.quantization, padded.quantization
    if (own is None) != (others is None) or (
        own is not None and others is not None and not own.equals(others)
    ):
        return None
    if np.min(paddings) < 0:
        return None
    return tuple(int(count) for count in (*paddings[1:3, 0], *paddings[1:3, 1]))


def taken_over(model: LiteModel) -> dict[str, str]:
    """Operators that become part of what reads them: padding → the first of the convolutions behind it."""
    found: dict[str, str] = {}
    for pad in model.operations:
        if pad.op != "PAD" or len(pad.outputs) != 1 or pad.outputs[0] in model.outputs:
            continue
        readers = [operation for operation in model.operations if pad.outputs[0] in operation.inputs]
        if readers and all(
            reader.inputs[0] == pad.outputs[0] and zeros_before(pad, reader, model.tensors)
            for reader in readers
        ):
            found[pad.name] = readers[0].name
    return found
