from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

import inspector
from inspector.model import Model, load
from inspector.preprocess import Preprocess


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model that says whether a picture of 2x2 is bright (class 1) or dark (class 0)."""
    weight = np.array([-1, 1], np.float32).reshape(2, 1, 1, 1)
    nodes = [
        helper.make_node("Conv", ["x", "edge.weight", "edge.bias"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [
            numpy_helper.from_array(weight, "edge.weight"),
            numpy_helper.from_array(np.array([1, 0], np.float32), "edge.bias"),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    way = Preprocess(channels="gray", range="0..1", mean=(), std=(), resize="stretch")
    helper.set_model_props(
        proto,
        {"inspector.labels": json.dumps(["dark", "bright"]), "inspector.preprocess": way.to_json()},
    )
    save(proto, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_load_is_the_way_in(path: Path) -> None:
    model = inspector.load(path)
    assert isinstance(model, Model)
    assert (model.path, model.graph, model.file.size) == (path, model.file.graph, path.stat().st_size)
    assert repr(model) == f"Model({str(path)!r}, 3 nodes)"


def test_what_the_model_declares_is_read_once(path: Path) -> None:
    model = load(path)
    assert model.labels is not None
    assert model.labels.names == ("dark", "bright")
    assert model.preprocess is not None
    assert (model.preprocess.channels, model.preprocess.range) == ("gray", "0..1")
    assert model.layers is model.layers
    assert [layer.name for layer in model.layers] == ["edge", "p", "y"]


def test_filters_are_those_of_the_layer(path: Path) -> None:
    model = load(path)
    assert model.filters("edge").kernels.reshape(-1).tolist() == [-1, 1]
    assert model.filters(model.layers.get("edge"), select=[1]).kernels.reshape(-1).tolist() == [1]


def test_predictions_carry_the_labels(path: Path) -> None:
    white = np.full((2, 2), 255, np.uint8)
    (prediction,) = load(path).predict(white, top=1)
    assert prediction.labels == ("bright",)


def test_annotations_are_stored_in_a_new_file(path: Path) -> None:
    model = load(path)
    out = model.annotate(labels=["night", "day"], out=path.with_name("new.onnx"))
    labels = load(out).labels
    assert labels is not None
    assert labels.names == ("night", "day")


def test_the_html_form_names_the_file_escaped_and_lists_the_layers(path: Path) -> None:
    hostile = path.rename(path.with_name("a&b.onnx"))
    html = load(hostile)._repr_html_()
    assert html.startswith("<p><b>a&amp;b.onnx</b></p><table>")
    assert "<td>edge</td><td>Conv</td><td>N x 2 x 2 x 2</td><td>4</td><td>8</td>" in html


def test_a_session_is_opened_once_for_the_same_options(path: Path) -> None:
    model = load(path)
    assert model.session(threads=1) is model.session(threads=1)
    assert model.session(threads=1) is not model.session(threads=2)
    assert model.session(threads=1, time_limit=5.0).time_limit == 5.0


def test_all_filters_writes_a_file_for_every_layer_with_kernels(path: Path, tmp_path: Path) -> None:
    saved = load(path).all_filters(tmp_path / "kernels", suffix=".npy")
    assert dict(saved) == {"edge": tmp_path / "kernels" / "edge.npy"}
    assert np.load(saved["edge"]).shape == (2, 1, 1, 1)
