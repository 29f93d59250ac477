from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import ImageError, OptionError, OutputExistsError
from inspector.model import Model, load
from inspector.preprocess import Preprocess


def net(path: Path, metadata: dict[str, str] | None = None, *, inputs: int = 1, classes: int = 3) -> Model:
    names = [f"x{index}" for index in range(inputs)]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x0"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["z"]),
            helper.make_node("Softmax", ["z"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 4, 4]) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", classes] if classes else ["N", 3, 5])],
        [numpy_helper.from_array(np.ones((48, 3), np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    path.write_bytes(model.SerializeToString())
    return load(path)


def test_labels_and_preprocessing_are_stored_in_another_file(tmp_path: Path) -> None:
    model = net(tmp_path / "m.onnx", {"author": "somebody"})
    before = model.path.read_bytes()
    out = model.annotate(
        labels=["cat", "dog", "owl"],
        preprocess={"channels": "bgr", "range": "0..255", "mean": [1, 2, 3]},
        out=tmp_path / "n.onnx",
    )
    found = load(out)
    assert found.labels is not None
    assert found.labels.names == ("cat", "dog", "owl")
    assert found.preprocess == Preprocess("bgr", "0..255", (1, 2, 3))
    assert found.file.metadata["author"] == "somebody"
    assert model.path.read_bytes() == before
    assert onnx.load(out).graph == onnx.load(model.path).graph


def test_without_an_output_the_model_itself_changes(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    assert net(path).annotate(labels=["a", "b", "c"]) == path
    assert json.loads(load(path).file.metadata["inspector.labels"]) == ["a", "b", "c"]
    assert load(path).preprocess is None


def test_some_fields_are_set_over_what_is_declared(tmp_path: Path) -> None:
    declared = {"inspector.preprocess": Preprocess("bgr", "0..255", (1, 2, 3)).to_json()}
    model = net(tmp_path / "m.onnx", declared)
    out = model.annotate(preprocess={"resize": "pad"}, out=tmp_path / "n.onnx")
    assert load(out).preprocess == Preprocess("bgr", "0..255", (1, 2, 3), resize="pad")


def test_a_whole_way_replaces_what_is_declared(tmp_path: Path) -> None:
    declared = {"inspector.preprocess": Preprocess("bgr", "0..255", (1, 2, 3)).to_json()}
    out = net(tmp_path / "m.onnx", declared).annotate(preprocess=Preprocess(), out=tmp_path / "n.onnx")
    assert load(out).preprocess == Preprocess()


def test_some_fields_are_set_over_the_default_when_nothing_or_rubbish_is_declared(tmp_path: Path) -> None:
    for metadata in ({}, {"inspector.preprocess": "rubbish"}):
        model = net(tmp_path / "m.onnx", metadata)
        out = model.annotate(preprocess={"channels": "bgr"}, out=tmp_path / "n.onnx", force=True)
        assert load(out).preprocess == Preprocess("bgr")


def test_an_existing_output_is_kept_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "n.onnx"
    out.write_bytes(b"mine")
    model = net(tmp_path / "m.onnx")
    with pytest.raises(OutputExistsError):
        model.annotate(labels=["a", "b", "c"], out=out)
    assert out.read_bytes() == b"mine"
    model.annotate(labels=["a", "b", "c"], out=out, force=True)
    assert load(out).labels is not None


def test_nothing_to_store_is_an_error(tmp_path: Path) -> None:
    model = net(tmp_path / "m.onnx")
    with pytest.raises(OptionError) as caught:
        model.annotate(preprocess={})
    assert caught.value.message == (
        f"{model.path}: there is nothing to store; expected labels or a way from pixels to the input"
    )


def test_labels_must_be_as_many_as_the_classes(tmp_path: Path) -> None:
    model = net(tmp_path / "m.onnx")
    with pytest.raises(OptionError) as caught:
        model.annotate(labels=["a", "b"])
    assert caught.value.message == f"{model.path}: has 3 classes, but 2 labels are given"


def test_a_model_that_is_no_classifier_may_have_labels(tmp_path: Path) -> None:
    model = net(tmp_path / "m.onnx", classes=0)
    assert load(model.annotate(labels=["a", "b"], out=tmp_path / "n.onnx")).labels is not None


def test_a_way_that_does_not_fit_the_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        net(tmp_path / "m.onnx").annotate(preprocess={"channels": "gray"})
    assert caught.value.message == (
        f"{tmp_path / 'm.onnx'}: the input 'x0' has the shape (N, 3, 4, 4), that is 3 channels; "
        "channels 'gray' gives 1 channel"
    )


def test_a_model_with_several_inputs_has_no_way_from_pixels(tmp_path: Path) -> None:
    model = net(tmp_path / "m.onnx", inputs=2)
    with pytest.raises(ImageError) as caught:
        model.annotate(preprocess={"channels": "rgb"})
    assert caught.value.message == (
        f"{model.path}: has 2 inputs: 'x0' (N, 3, 4, 4), 'x1' (N, 3, 4, 4); expected one for pictures"
    )


def test_a_model_without_input_has_no_way_from_pixels(tmp_path: Path) -> None:
    model = net(tmp_path / "m.onnx", inputs=0)
    with pytest.raises(ImageError) as caught:
        model.annotate(preprocess={"channels": "rgb"})
    assert caught.value.message == f"{model.path}: has no input; expected one for pictures"
