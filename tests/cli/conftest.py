"""The command line as a user meets it, and a model to try it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner

from inspector.cli.app import build


@dataclass(frozen=True)
class Said:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def inspector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Run `inspector ARGS…` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

    def run(*arguments: object, stdin: bytes | None = None) -> Said:
        done = CliRunner().invoke(build(), [str(argument) for argument in arguments], input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A small classifier of grey 8×8 pictures, NHWC, with layer names."""
    random = np.random.default_rng(0)
    kernels = random.normal(0, 0.3, (4, 1, 3, 3)).astype(np.float32)
    dense = random.normal(0, 0.3, (256, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], name="conv_1/in", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "W"], ["c"], name="conv_1/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="conv_1/Relu"),
        helper.make_node("Reshape", ["r", "flat"], ["f"], name="scores/Reshape"),
        helper.make_node("MatMul", ["f", "D"], ["l"], name="scores/MatMul"),
        helper.make_node("Softmax", ["l"], ["y"], name="scores/Softmax", axis=1),
    ]
    for node in nodes:
        if "/" in node.name:
            entry = node.metadata_props.add()
            entry.key, entry.value = "inspector.layer", node.name.split("/")[0]
    weights = [
        numpy_helper.from_array(kernels, "W"),
        numpy_helper.from_array(dense, "D"),
        numpy_helper.from_array(np.array([-1, 256]), "flat"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8, 8, 1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three pictures, one of them broken."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (1, 2):
        Image.new("L", (8, 8), 60 * number).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes((folder / "1.png").read_bytes()[:40])
    return folder
