"""A model with its gradient as a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import inspector
import inspector.export as exporting
from inspector.errors import (
    FileError,
    GradientError,
    ModelError,
    OptionError,
    OutputExistsError,
    UnsupportedError,
)
from inspector.export import export, save, shapes

WEIGHTS = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """softmax(tanh(x) w), with labels."""
    nodes = [
        helper.make_node("Tanh", ["x"], ["t"], name="tanh"),
        helper.make_node("MatMul", ["t", "w"], ["l"], name="dense"),
        helper.make_node("Softmax", ["l"], ["y"], name="softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"inspector.labels": json.dumps(["ant", "bee", "cat"])})
    onnx.save(model, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_the_file_holds_the_gradient_and_what_the_model_says_of_itself(net: Path, tmp_path: Path) -> None:
    out = export(inspector.load(net), tmp_path / "out.onnx", gradient="logits", outputs=["softmax"])
    onnx.checker.check_model(onnx.load(out), full_check=True)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    x, seed = np.random.default_rng(1).standard_normal((2, 2, 4)).astype(np.float32)
    names = [each.name for each in session.get_outputs()]
    found = dict(zip(names, session.run(names, {"x": x, "seed": seed[:, :3]}), strict=True))
    assert names == ["l", "y", "gradient/x"]
    wanted = (seed[:, :3].astype(np.float64) @ WEIGHTS.T) * (1 - np.tanh(x.astype(np.float64)) ** 2)
    np.testing.assert_allclose(found["gradient/x"], wanted, rtol=1e-5, atol=1e-6)
    again = inspector.load(out)
    assert again.labels is not None
    assert again.labels.names == ("ant", "bee", "cat")
    assert {"tanh", "dense"} <= {layer.name for layer in again.layers}


def test_several_values_may_be_differentiated_with_respect_to(net: Path, tmp_path: Path) -> None:
    out = export(inspector.load(net), tmp_path / "out.onnx", gradient="l", wrt=["x", "tanh"])
    assert [each.name for each in onnx.load(out).graph.output] == ["l", "gradient/x", "gradient/t"]


def test_what_has_no_gradient_leaves_no_file(net: Path, tmp_path: Path) -> None:
    with pytest.raises(GradientError) as caught:
        export(inspector.load(net), tmp_path / "out.onnx", gradient="tanh", wrt="dense")
    assert caught.value.message == (
        f"{net}: no gradient flows from 't' to 'l'; expected a way of differentiable operators between them"
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.onnx"]


def test_neither_the_model_nor_another_file_is_replaced_unasked(net: Path, tmp_path: Path) -> None:
    before = net.read_bytes()
    with pytest.raises(OutputExistsError):
        export(inspector.load(net), net, gradient="logits")
    with pytest.raises(FileError) as caught:
        export(inspector.load(net), net, gradient="logits", force=True)
    assert caught.value.message == f"{net}: is the file that is read; expected another name for the output"
    assert net.read_bytes() == before
    other = tmp_path / "other.onnx"
    other.write_bytes(b"mine")
    assert export(inspector.load(net), other, gradient="logits", force=True) == other
    assert onnx.load(other).graph.name == "gradient"


def test_a_graph_that_the_checker_refuses_is_not_written(tmp_path: Path) -> None:
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [], [])
    with pytest.raises(ModelError) as caught:
        save(helper.make_model(graph), tmp_path / "out.onnx", "net.onnx")
    assert caught.value.message.startswith("net.onnx: onnx.checker refuses the graph made of it: ")
    assert not (tmp_path / "out.onnx").exists()


def test_a_graph_too_large_for_a_file_is_refused(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_LARGEST", 100)
    size = onnx.load(net).ByteSize()
    with pytest.raises(UnsupportedError) as caught:
        save(onnx.load(net), tmp_path / "out.onnx", "net.onnx")
    assert caught.value.message == (
        f"net.onnx: the graph would take {size:,} bytes; expected at most 100, all that an ONNX file can hold"
    )


def test_a_full_disk_is_an_error_of_one_sentence(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileError) as caught:
        export(inspector.load(net), tmp_path / "out.onnx", gradient="logits")
    assert caught.value.message == f"{tmp_path / 'out.onnx'}: cannot be written: No space left on device"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.onnx"]


def test_shapes_are_read_as_they_are_written() -> None:
    assert shapes([]) is None
    assert shapes(["1, 3,?,W"]) == (1, 3, None, None)
    assert shapes(["a=1,2", "b=N"]) == {"a": (1, 2), "b": (None,)}


@pytest.mark.parametrize("text", ["1,,2", "1,-2", "0,3", "x=1;2", ""])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        shapes([text])
    assert caught.value.message == (
        f"{text.rpartition('=')[2]!r} is no shape; expected sizes of one or more, separated by commas"
    )


def test_a_shape_without_a_name_stands_alone() -> None:
    with pytest.raises(OptionError) as caught:
        shapes(["1,2", "b=1,2"])
    assert caught.value.message == (
        "a shape without a name is for the first input and stands alone; given 2 shapes: 1,2, b=1,2"
    )
