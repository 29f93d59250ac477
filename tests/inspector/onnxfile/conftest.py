from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper

from inspector.errors import InspectorError
from inspector.onnxfile import OnnxFile, open_onnx

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test runs in a folder of its own, so that messages hold the bare file name."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write() -> Write:
    """Write bytes, or a model, to a file of this folder."""

    def written(content: bytes | ModelProto, name: str = "m.onnx") -> Path:
        path = Path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return path

    return written


@pytest.fixture
def model() -> Callable[..., ModelProto]:
    """Make a model of some nodes, from a value `x` to a value `y`, both float (1, 4)."""

    def made(
        nodes: Sequence[NodeProto] | None = None,
        tensors: Sequence[TensorProto] = (),
        *,
        opsets: Mapping[str, int] = {"": 18},
        ir: int = 10,
    ) -> ModelProto:
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
        nodes = [helper.make_node("Relu", ["x"], ["y"], name="act")] if nodes is None else nodes
        graph = helper.make_graph(list(nodes), "net", values[:1], values[1:], list(tensors))
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        return helper.make_model(graph, opset_imports=imports, ir_version=ir)

    return made


@pytest.fixture
def opened(write: Write) -> Callable[[ModelProto], OnnxFile]:
    return lambda proto: open_onnx(write(proto))


@pytest.fixture
def refusal() -> Callable[[Callable[[], object]], str]:
    """What a call refuses its input with."""

    def message(call: Callable[[], object]) -> str:
        with pytest.raises(InspectorError) as caught:
            call()
        return caught.value.message

    return message


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
