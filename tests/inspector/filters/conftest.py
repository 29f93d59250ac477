from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.model import Model, load

SaveModel = Callable[..., Model]


@pytest.fixture
def save_model(tmp_path: Path) -> SaveModel:
    """Write a model of these nodes, "x" to "y", and open it."""

    def save(
        nodes: Sequence[onnx.NodeProto],
        tensors: dict[str, np.ndarray | onnx.TensorProto],
        *,
        shape: Sequence[int | str] = ("N", 1, 8, 8),
        name: str = "net.onnx",
        opset: int = 21,
        metadata: dict[str, str] | None = None,
        elem_type: int = TensorProto.FLOAT,
        output_type: int = TensorProto.FLOAT,
    ) -> Model:
        initializers = [
            value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(value, key)
            for key, value in tensors.items()
        ]
        graph = helper.make_graph(
            list(nodes),
            "net",
            [helper.make_tensor_value_info("x", elem_type, list(shape))],
            [helper.make_tensor_value_info("y", output_type, None)],
            initializers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)],
            ir_version=10,
        )
        helper.set_model_props(model, metadata or {})
        path = tmp_path / name
        onnx.save(model, path)
        return load(path)

    return save


@pytest.fixture
def conv_model(save_model: SaveModel) -> Callable[..., Model]:
    """Write a model of one convolution with these weights; the layer is called "conv"."""

    def save(weights: np.ndarray | onnx.TensorProto, *, op: str = "Conv", **options: object) -> Model:
        attributes = {key: options.pop(key) for key in ("group", "auto_pad") if key in options}
        node = helper.make_node(op, ["x", "conv.weight"], ["y"], **attributes)
        return save_model([node], {"conv.weight": weights}, **options)

    return save
