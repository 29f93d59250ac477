"""Nodes and weights in one message, for what reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto


def with_weights_as_inputs(model: ModelProto, weights: Mapping[str, NDArray[Any]]) -> ModelProto:
    """A copy of the nodes in which each weight that is beside them is declared as an input."""
    import onnx
    from onnx import helper

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    declared = {value.name for value in bare.graph.input}
    for name, array in weights.items():
        if name not in declared:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            bare.graph.input.append(helper.make_tensor_value_info(name, kind, array.shape))
    return bare


def with_weights(model: ModelProto, weights: Mapping[str, NDArray[Any]]) -> ModelProto:
    """A copy of the nodes with the weights in it."""
    import onnx
    from onnx import numpy_helper

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    whole.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return whole
