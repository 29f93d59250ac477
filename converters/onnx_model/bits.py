"""Bits of weights that have no meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from converters.assemble import Assembled
from converters.onnx_model.words import counted, some

if TYPE_CHECKING:
    from onnx import TensorProto


def clear_unused_bits(model: Assembled) -> tuple[Assembled, str]:
    """A truth value is 0 or 1, whatever its byte holds; runtimes make different things of other bytes.

    Returns:
        The model, of which small weights are changed in place; and a sentence.
    """
    weights, wrong = dict(model.weights), []
    for name, array in model.weights.items():
        if array.dtype == np.bool_ and array.size and int(array.view(np.uint8).max()) > 1:
            weights[name] = array.view(np.uint8) != 0
            wrong.append(name)
    wrong += [tensor.name for tensor in model.nodes.graph.initializer if _clear_tensor(tensor)]
    if not wrong:
        return model, ""
    sentence = f"Bits without a meaning are cleared in {counted(wrong, 'weight')}: {some(wrong)}."
    return Assembled(model.nodes, weights), sentence


def _clear_tensor(tensor: TensorProto) -> bool:
    """Clear bits without a meaning in a small weight; whether there were any."""
    raw = bytearray(tensor.raw_data)
    if tensor.data_type == tensor.BOOL and any(byte > 1 for byte in raw):
        tensor.raw_data = bytes(byte != 0 for byte in raw)
        return True
    if (
        tensor.data_type in (tensor.INT4, tensor.UINT4)
        and raw
        and int(np.prod(tensor.dims)) % 2
        and raw[-1] > 15
    ):
        raw[-1] &= 15
        tensor.raw_data = bytes(raw)
        return True
    return False
