"""The same network without what it has learned: every weight drawn anew, as large as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

    from inspector.explain.subject import Subject

# Where no operator says that it is a weight, one of fewer numbers is a constant of the graph.
_FEWEST = 32
# What these read beside their first input is a weight, however small.
_WEIGHTED = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"),
    *("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
)

# Operator → which of its inputs is the quantised weight, and which what stands for zero in it.
_ZERO_POINTS = {
    "DequantizeLinear": (0, 2),
    "QLinearConv": (3, 5),
    "QLinearMatMul": (3, 5),
    "ConvInteger": (1, 3),
    "MatMulInteger": (1, 3),
}


def randomised(subject: Subject) -> Subject:
    """The subject with a network of random weights; made once for a model and kept.

    Args:
        subject: What is explained.

    Reference:
        Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim: Sanity checks for saliency maps, NeurIPS 2018.
    """
    return replace(subject, runner=subject.runner.randomised)


def with_random_weights(model: ModelProto, seed: int = 0) -> ModelProto:
    """Draw each weight of a model anew from a normal distribution around zero.

    The deviation is the weight's own, so that signals keep their size. Shuffled weights would keep their mean
    too, which can silence every unit.

    Args:
        model: The model with all its weights.
        seed: Of what is drawn.

    Returns:
        Another message.
    """
    from onnx import ModelProto, TensorProto, numpy_helper

    changed = ModelProto()
    changed.CopyFrom(model)
    random = np.random.default_rng(seed)
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT8, TensorProto.UINT8)
    zeros = _zeros(model)
    weights = {name for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input[1:]}
    named = [(tensor.name, tensor) for tensor in changed.graph.initializer]
    for node in changed.graph.node:
        if node.op_type == "Constant":
            named += [(node.output[0], attribute.t) for attribute in node.attribute]
    for name, tensor in named:
        matters = name in weights or np.prod(tensor.dims) >= _FEWEST
        if tensor.data_type in floats and len(tensor.dims) > 1 and matters:
            array = numpy_helper.to_array(tensor)
            drawn = random.normal(0, np.std(array, dtype=np.float64), array.shape)
            if array.dtype.kind in "iu":
                limits = np.iinfo(array.dtype)
                drawn = np.rint(drawn + zeros.get(tensor.name, 0)).clip(limits.min, limits.max)
            tensor.CopyFrom(numpy_helper.from_array(drawn.astype(array.dtype), tensor.name))
    return changed


def _zeros(model: ModelProto) -> dict[str, int]:
    """The number that stands for zero in each quantised weight, where that is stored."""
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, int] = {}
    for node in model.graph.node:
        weight, point = _ZERO_POINTS.get(node.op_type, (0, len(node.input)))
        if point < len(node.input) and node.input[weight] in stored and node.input[point] in stored:
            values = numpy_helper.to_array(stored[node.input[point]]).astype(np.int64)
            # One for each channel mostly says the same.
            found[node.input[weight]] = round(float(np.mean(values)))
    return found
