from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper, save

from inspector.layers import Layers, layers_of
from inspector.onnxfile import open_onnx

FLOAT = TensorProto.FLOAT
Made = Callable[..., Layers]
Dims = Sequence[int | str | None]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """The layers of a model from `x` to `y` with weights of the given shapes."""

    def layers(
        nodes: Sequence[NodeProto],
        weights: dict[str, Sequence[int]],
        shape: Dims = ("N", 3, 8, 8),
        *,
        values: Sequence[ValueInfoProto] = (),
        constants: dict[str, list[int]] | None = None,
        dtype: int = FLOAT,
    ) -> Layers:
        tensors = [
            numpy_helper.from_array(np.zeros(size, np.float32), name) for name, size in weights.items()
        ]
        tensors += [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (constants or {}).items()]
        x = helper.make_tensor_value_info("x", dtype, list(shape))
        y = helper.make_tensor_value_info("y", FLOAT, None)
        graph = helper.make_graph(list(nodes), "net", [x], [y], tensors, value_info=list(values))
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        save(proto, tmp_path / "m.onnx")
        return layers_of(open_onnx(tmp_path / "m.onnx"))

    return layers
