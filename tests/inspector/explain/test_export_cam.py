"""A model and its heatmap in one file: its outputs are the model's, its heatmap is the one of `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import inspector
from inspector.errors import FileError, OptionError, OutputExistsError
from inspector.explain import Explainer, Runner, find
from inspector.explain.export import METHODS, export
from inspector.explain.subject import Subject
from inspector.predictor import Predictor

Array = NDArray[np.float32]
RANDOM = np.random.default_rng(5)


def run(path: Path, pictures: Array) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    (given,) = session.get_inputs()
    return dict(zip(names, session.run(names, {given.name: pictures}), strict=True))


def expected(explainer: Explainer, pictures: Array, method: str) -> Array:
    """What `explain` shows, one picture after the other."""
    found = []
    for picture in pictures:
        subject = Subject(explainer.runner, picture[None], (0,), explainer.layer)
        target = explainer.fixed_target
        top = int(subject.probabilities(picture[None])[0].argmax()) if target is None else target
        subject = Subject(explainer.runner, picture[None], (top,), explainer.layer)
        found.append(find(method).run(subject, {}).values[0])
    return np.stack(found)


def close(found: Array, wanted: Array) -> None:
    assert found.dtype == np.float32
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def explainer(path: Path, *methods: str, **options: Any) -> Explainer:
    given = {name: options.pop(name) for name in ("labels", "preprocess") if name in options}
    runner = Runner(Predictor(inspector.load(path), **given))
    return Explainer(runner, tuple(find(name) for name in methods), trust=False, **options)


def classifier(
    layout: str = "NCHW", ending: str = "Softmax", classes: int = 3, size: int = 8
) -> onnx.ModelProto:
    """Two strided convolutions and a dense layer, for pictures of one channel."""
    shape: list[int | str] = {
        "NCHW": ["N", 1, size, size],
        "NHWC": ["N", size, size, 1],
        "NHW": ["N", size, size],
        "HWC": [size, size, 1],
        "NF": ["N", size * size],
        "fixed": [1, 1, size, size],
    }[layout]
    weights = {
        "k1": RANDOM.standard_normal((4, 1, 3, 3)) / 2,
        "k2": RANDOM.standard_normal((5, 4, 3, 3)) / 3,
        "w": RANDOM.standard_normal((5 * (size // 2) ** 2, classes)),
    }
    first = {
        "NHWC": [helper.make_node("Transpose", ["x"], ["in"], perm=[0, 3, 1, 2])],
        "NHW": [helper.make_node("Unsqueeze", ["x", "one"], ["in"])],
        "HWC": [helper.make_node("Reshape", ["x", "sides"], ["in"])],
        "NF": [helper.make_node("Reshape", ["x", "sides"], ["in"])],
    }.get(layout, [helper.make_node("Identity", ["x"], ["in"])])
    nodes = [
        *first,
        helper.make_node("Conv", ["in", "k1"], ["c1"], name="conv_1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu_1"),
        helper.make_node("Conv", ["r1", "k2"], ["c2"], name="conv_2", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Flatten", ["c2"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "w"], ["l"], name="dense"),
        helper.make_node(ending, ["l"], ["y"], name="end"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], classes])],
        [numpy_helper.from_array(np.array(array, np.float32), name) for name, array in weights.items()]
        + [
            numpy_helper.from_array(np.array([1]), "one"),
            numpy_helper.from_array(np.array([-1 if layout == "NF" else 1, 1, size, size]), "sides"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(
        model,
        {"inspector.preprocess": json.dumps({"channels": "gray", "range": "0..1", "resize": "stretch"})},
    )
    return model


@pytest.fixture
def net(tmp_path: Path) -> Path:
    onnx.save(classifier(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.mark.parametrize("method", METHODS)
def test_the_file_gives_the_scores_and_the_heatmap_of_explain(twin: Any, method: str, tmp_path: Path) -> None:
    shown = Explainer(twin.subject.runner, (find(method),), layer=twin.subject.layer, trust=False)
    found = run(export(shown, tmp_path / "cam.onnx"), twin.subject.inputs)
    assert list(found) == ["y", "heatmap"]
    np.testing.assert_allclose(found["y"], twin.module(twin.x).detach().numpy(), rtol=1e-4, atol=1e-3)
    close(found["heatmap"], expected(shown, twin.subject.inputs, method))


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NHW", "NF"])
def test_the_layout_of_the_input_does_not_matter(layout: str, opset: int, tmp_path: Path) -> None:
    path, model = tmp_path / "net.onnx", classifier(layout)
    model.opset_import[0].version = opset
    onnx.save(model, path)
    pictures = RANDOM.random((3, 8, 8), dtype=np.float32)
    pictures = {
        "NCHW": pictures[:, None],
        "NHWC": pictures[..., None],
        "NHW": pictures,
        "NF": pictures.reshape(3, 64),
    }[layout]
    shown = explainer(path, "layercam", "gradient")
    found = run(export(shown, tmp_path / "cam.onnx"), pictures)
    for method in ("layercam", "gradient"):
        assert found[f"heatmap/{method}"].shape == (3, 8, 8)
        close(found[f"heatmap/{method}"], expected(shown, pictures, method))


def test_a_model_of_one_picture_without_a_batch_gives_one_heatmap(tmp_path: Path) -> None:
    path, model = tmp_path / "net.onnx", classifier("HWC")
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    pictures = RANDOM.random((1, 8, 8, 1), dtype=np.float32)
    shown = explainer(path, "hirescam", "gradient")
    found = run(export(shown, tmp_path / "cam.onnx"), pictures[0])
    for method in ("hirescam", "gradient"):
        assert found[f"heatmap/{method}"].shape == (1, 8, 8)
        close(found[f"heatmap/{method}"], expected(shown, pictures, method))


@pytest.mark.parametrize("target", [0, 2])
def test_one_class_may_be_explained_for_every_picture(net: Path, target: int, tmp_path: Path) -> None:
    pictures = RANDOM.random((4, 1, 8, 8), dtype=np.float32)
    shown = explainer(net, "hirescam", target=target)
    close(
        run(export(shown, tmp_path / "cam.onnx"), pictures)["heatmap"], expected(shown, pictures, "hirescam")
    )


@pytest.mark.parametrize("target", ["top", 0, 1])
def test_a_single_sigmoid_counts_for_two_classes(target: str | int, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(classifier(ending="Sigmoid", classes=1), path)
    pictures = RANDOM.standard_normal((6, 1, 8, 8)).astype(np.float32)
    shown = explainer(path, "gradient", "hirescam", target=target)
    found = run(export(shown, tmp_path / "cam.onnx"), pictures)
    assert {bool(each) for each in (found["y"] > 0.5).ravel()} == {True, False}
    for method in ("gradient", "hirescam"):
        close(found[f"heatmap/{method}"], expected(shown, pictures, method))


def test_maps_larger_than_the_picture_are_shrunk_as_explain_does(tmp_path: Path) -> None:
    path, model = tmp_path / "net.onnx", classifier(size=6)
    model.graph.node[0].CopyFrom(
        helper.make_node("Resize", ["x", "", "scales"], ["in"], name="up", mode="nearest")
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 3, 3], np.float32), "scales"))
    next(node for node in model.graph.node if node.name == "conv_2").attribute[-1].ints[:] = [6, 6]
    onnx.save(model, path)
    pictures = RANDOM.random((2, 1, 6, 6), dtype=np.float32)
    shown = explainer(path, "hirescam", layer="conv_1")
    close(
        run(export(shown, tmp_path / "cam.onnx"), pictures)["heatmap"], expected(shown, pictures, "hirescam")
    )


def test_the_file_is_a_model_that_predicts_as_before(net: Path, tmp_path: Path) -> None:
    written = export(explainer(net, "grad-cam", labels=["ant", "bee", "cat"]), tmp_path / "cam.onnx")
    onnx.checker.check_model(onnx.load(written), full_check=True)
    before, after = inspector.load(net), inspector.load(written)
    assert after.labels is not None
    assert after.labels.names == ("ant", "bee", "cat")
    assert after.preprocess == before.preprocess
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    a, b = before.predict(picture)[0], after.predict(picture)[0]
    assert b.labels[0] == ("ant", "bee", "cat")[int(a.indices[0])]
    np.testing.assert_allclose(a.probabilities, b.probabilities, rtol=1e-5)


def test_a_model_of_a_fixed_batch_says_so(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(classifier("fixed"), path)
    shown = explainer(path, "grad-cam")
    pictures = RANDOM.random((1, 1, 8, 8), dtype=np.float32)
    close(
        run(export(shown, tmp_path / "cam.onnx"), pictures)["heatmap"], expected(shown, pictures, "grad-cam")
    )


def test_a_method_that_is_no_graph_is_refused(net: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        export(explainer(net, "grad-cam", "occlusion"), tmp_path / "cam.onnx")
    assert caught.value.message == (
        f"{net}: the method 'occlusion' cannot be written as a graph; "
        "expected grad-cam, hirescam, layercam, gradient"
    )
    assert not (tmp_path / "cam.onnx").exists()


def test_a_model_for_pictures_of_any_size_is_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "net.onnx", classifier()
    for at in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[at].dim_param = "any"
    del model.graph.node[4:6]
    model.graph.node.insert(4, helper.make_node("GlobalAveragePool", ["c2"], ["l"], name="mean"))
    model.graph.node[5].CopyFrom(helper.make_node("Flatten", ["l"], ["y"], name="end"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5
    onnx.save(model, path)
    with pytest.raises(OptionError) as caught:
        export(explainer(path, "grad-cam"), tmp_path / "cam.onnx")
    assert caught.value.message == (
        f"{path}: takes pictures of any size; a file with a heatmap needs a fixed one"
    )


def test_a_file_is_not_replaced_unasked(net: Path, tmp_path: Path) -> None:
    (tmp_path / "cam.onnx").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        export(explainer(net, "grad-cam"), tmp_path / "cam.onnx")
    assert (tmp_path / "cam.onnx").read_bytes() == b"mine"
    with pytest.raises(FileError) as caught:
        export(explainer(net, "grad-cam"), net, force=True)
    assert caught.value.message == f"{net}: is the file that is read; expected another name for the output"
