"""A network that tells classes of grey pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grey_network import DECLARED, SIDE, SOFTMAX, WEIGHTS, Net
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.model import Model, load


@pytest.fixture
def net(tmp_path: Path) -> Net:
    """A grey picture times weights, then whatever nodes lead from "z" to "y"."""

    def write(
        tail: Sequence[NodeProto] = SOFTMAX,
        *,
        weights: np.ndarray[Any, Any] = WEIGHTS,
        shape: Sequence[int | str | None] = ("N", SIDE, SIDE, 1),
        output: Sequence[int | str | None] | None = ("N", 3),
        metadata: dict[str, str] = DECLARED,
        constants: dict[str, Any] | None = None,
        outputs: dict[str, Sequence[int | str | None] | None] | None = None,
        name: str = "m.onnx",
    ) -> Model:
        nodes = [
            helper.make_node("Reshape", ["x", "flat"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["z"]),
            *tail,
        ]
        values = {"w": weights, "flat": np.array([-1, len(weights)]), **(constants or {})}
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(key, TensorProto.FLOAT, form)
                for key, form in (outputs or {"y": output}).items()
            ],
            [numpy_helper.from_array(np.asarray(value), key) for key, value in values.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata)
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return load(path)

    return write
