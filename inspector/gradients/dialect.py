"""One way of writing backward nodes, whatever the version of the operator set from 13 on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# The operator set from which axes are an input; before, they are an attribute.
_AXES_INPUT = {
    "ReduceSum": 13,
    "Squeeze": 13,
    "Unsqueeze": 13,
    **dict.fromkeys(
        (
            *(
                "ReduceL1",
                "ReduceL2",
                "ReduceLogSum",
                "ReduceLogSumExp",
                "ReduceMax",
                "ReduceMean",
                "ReduceMin",
            ),
            *("ReduceProd", "ReduceSumSquare"),
        ),
        18,
    ),
}


def written(
    op_type: str, inputs: tuple[Any, ...], attributes: dict[str, Any], opset: int
) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return a node's operator, inputs and attributes as an operator set wants them.

    Args:
        op_type: The operator.
        inputs: Its inputs, values or numbers.
        attributes: Its attributes, among them `axes` and `split` where newer versions have inputs.
        opset: Version of the operator set.
    """
    attributes = {name: _plain(value) for name, value in attributes.items() if value is not None}
    since = _AXES_INPUT.get(op_type)
    if since is not None and "axes" in attributes and opset >= since:
        inputs = (inputs[0], np.array(attributes.pop("axes"), np.int64))
    if op_type == "Split" and "split" in attributes:
        inputs = (inputs[0], np.array(attributes.pop("split"), np.int64))
    if op_type == "Split" and opset < 18:
        attributes.pop("num_outputs", None)
    if op_type == "Reshape" and opset < 14:
        attributes.pop("allowzero", None)
    return op_type, inputs, attributes


def _plain(value: Any) -> Any:
    """An attribute as onnx's helper takes it."""
    from onnx import numpy_helper

    if isinstance(value, np.ndarray):
        return numpy_helper.from_array(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [each.item() if isinstance(each, np.generic) else each for each in value]
    return value
