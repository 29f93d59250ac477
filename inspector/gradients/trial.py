"""The shapes that one node makes, found by running it where onnx cannot infer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import RunError
from inspector.runtime import failures, open_serialized

if TYPE_CHECKING:
    from onnx import NodeProto

# One operator on arrays of ones needs little; a network's values are larger than this only by mistake.
_MEMORY = 2**31
_IR_VERSION = 8


def results_of(
    node: NodeProto, opsets: Mapping[str, int], feeds: Sequence[Mapping[str, NDArray[Any]]]
) -> list[dict[str, NDArray[Any]]] | None:
    """Run one node on several sets of inputs.

    Args:
        node: The node.
        opsets: Version of each operator set.
        feeds: Its inputs by name, those that its inner graphs take from outside among them.

    Returns:
        Its outputs by name, those that are tensors; None when onnxruntime cannot run it.
    """
    from onnx import helper

    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim)
        for name, array in feeds[0].items()
    ]
    names = [name for name in node.output if name]
    outputs = [helper.make_empty_tensor_value_info(name) for name in names]
    model = helper.make_model(
        helper.make_graph([node], "trial", infos, outputs),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
        ir_version=_IR_VERSION,
    )
    try:
        session = open_serialized(model.SerializeToString(), node.op_type, 1, _MEMORY)
        found = [session.run(names, dict(each)) for each in feeds]
    except RunError:
        return None
    except failures():
        return None
    return [
        {name: array for name, array in zip(names, arrays, strict=True) if isinstance(array, np.ndarray)}
        for arrays in found
    ]
