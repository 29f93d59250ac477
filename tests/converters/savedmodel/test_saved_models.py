"""SavedModels of Keras and TensorFlow, converted, against what TensorFlow itself answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from converters.conversion import Conversion, convert
from converters.errors import InspectorError, UnsupportedError
from converters.formats import Request, all_formats, recognise
from converters.tensorflow.saved_model import read_saved_model

FEED_FORWARD = ("float-cnn", "batch-norm", "residual", "separable", "two-inputs", "two-outputs")


def check_answers(done: Conversion, source: Path) -> None:
    """Hold a converted SavedModel against the stored answers of TensorFlow."""
    stored = np.load(source.with_name(f"{source.name}.npz"))
    assert done.certificate.verdict == "equal"
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    feeds = {entry.name: stored[f"x_{entry.name}"] for entry in session.get_inputs()}
    outputs = sorted(name[2:] for name in stored.files if name.startswith("y_"))
    assert sorted(entry.name for entry in session.get_outputs()) == outputs
    for name, value in zip(outputs, session.run(outputs, feeds), strict=True):
        expected = stored[f"y_{name}"]
        assert value.shape == expected.shape
        assert np.abs(value - expected).max() <= 5e-6 * max(1.0, float(np.abs(expected).max()))


def layers_of(done: Conversion) -> list[str]:
    return [item.name for item in done.certificate.layers]


def refusal(path: Path, out: Path, **choices: object) -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        convert(path, out / "m.onnx", request=Request(**choices))
    assert not (out / "m.onnx").exists()
    return caught.value


@pytest.mark.parametrize("kind", FEED_FORWARD)
def test_without_tensorflow_each_kind_answers_as_tensorflow_does(
    saved_models, tmp_path, kind, without_tensorflow
):
    source = saved_models / "kinds" / kind
    assert recognise(source).name == "TensorFlow SavedModel"
    done = convert(source, tmp_path / "m.onnx")
    assert done.certificate.engine == "native"
    assert done.certificate.reference == "the frozen graph in float64 numpy"
    assert done.certificate.format == "TensorFlow 2 SavedModel"
    check_answers(done, source)


@pytest.mark.parametrize("name", ["keras-2", "saved-without-export", "module"])
def test_other_ways_to_save_answer_the_same(saved_models, tmp_path, name, without_tensorflow):
    source = saved_models / "others" / name
    check_answers(convert(source, tmp_path / "m.onnx"), source)


@pytest.mark.parametrize(
    "name", ["kinds/float-cnn", "kinds/recurrent", "others/keras-2-recurrent", "others/loop"]
)
def test_tensorflow_itself_is_the_judge_where_it_is_installed(saved_models, tmp_path, name):
    source = saved_models / name
    done = convert(source, tmp_path / "m.onnx")
    assert done.certificate.reference.startswith("the SavedModel in TensorFlow ")
    assert done.certificate.engine.startswith("native" if name == "kinds/float-cnn" else "tf2onnx ")
    check_answers(done, source)


def test_variables_that_only_the_objects_bind_are_given_to_tensorflow_too(saved_models, tmp_path):
    source = saved_models / "others" / "saved-without-export"
    done = convert(source, tmp_path / "m.onnx")
    assert done.certificate.reference.startswith("the SavedModel in TensorFlow ")
    check_answers(done, source)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("kinds/float-cnn", ["conv2d", "max_pooling2d", "conv2d_1", "flatten", "dense"]),
        ("others/keras-2", ["first", "norm", "inner/conv2d", "inner/re_lu", "flat", "top"]),
        ("others/module", ["Conv2D", "Mean", "TopKV2"]),
    ],
)
def test_layers_and_weights_have_the_names_that_their_author_gave_them(
    saved_models, tmp_path, name, layers, without_tensorflow
):
    import onnx

    done = convert(saved_models / name, tmp_path / "m.onnx")
    assert layers_of(done) == layers
    assert done.certificate.unseen == ()
    model = onnx.load(str(done.path))
    weights = {tensor.name for tensor in model.graph.initializer}
    kernel = {"kinds/float-cnn": "conv2d/kernel", "others/keras-2": "first/kernel", "others/module": "kernel"}
    assert kernel[name] in weights
    assert not any("PartitionedCall" in node.name for node in model.graph.node)


def test_without_tf2onnx_a_recurrent_network_is_refused_with_its_layers(
    saved_models, tmp_path, without_tensorflow
):
    source = saved_models / "others" / "keras-2-recurrent"
    error = refusal(source, tmp_path)
    assert error.message == (
        f"{source}: cannot be converted without tf2onnx: no emitter for TensorListReserve in memory; "
        "TensorListFromTensor in memory; StatelessWhile in memory; TensorListStack in memory"
    )
    assert error.hint == "pip install 'onnx-inspector[tf]'"


def test_a_table_is_refused_by_name_and_what_comes_after_it_converts(
    saved_models, tmp_path, without_tensorflow
):
    source = saved_models / "others" / "text"
    error = refusal(source, tmp_path)
    assert isinstance(error, UnsupportedError)
    assert error.message == (
        f"{source}: the layer 'None_Lookup' looks something up in a table (words.txt): its node "
        "'None_Lookup/LookupTableFindV2' of op LookupTableFindV2 has no counterpart among numbers; expected "
        "a network of numbers alone"
    )
    assert error.hint == "Leave it out: --inputs None_Lookup/LookupTableFindV2:0"
    tensor = error.hint.rpartition(" ")[2]
    done = convert(source, tmp_path / "m.onnx", request=Request(inputs=(tensor,)))
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    (rows,) = session.run(None, {tensor: np.array([2, 0])})
    np.testing.assert_array_equal(rows, np.eye(3, dtype="f4")[[2, 0]])


def test_a_function_of_python_is_refused(saved_models, tmp_path, without_tensorflow):
    source = saved_models / "others" / "python"
    error = refusal(source, tmp_path)
    assert error.message == (
        f"{source}: the outputs need the node 'PyFunc', whose op PyFunc touches files, Python or another "
        "process; expected a graph that computes its outputs from its inputs alone"
    )


def test_of_several_signatures_one_has_to_be_named(saved_models, tmp_path, without_tensorflow):
    source = saved_models / "others" / "tf1"
    error = refusal(source, tmp_path)
    assert (error.message, error.hint) == (
        f"{source}: has 2 signatures and none named 'serving_default': classify, embed",
        "--signature classify",
    )
    error = refusal(source, tmp_path, signature="clasify")
    assert (error.message, error.hint) == (
        f"{source}: has no signature 'clasify'; it has classify, embed",
        "--signature classify",
    )


def test_a_signature_of_tensorflow_1_leaves_training_out(saved_models, tmp_path):
    source = saved_models / "others" / "tf1"
    done = convert(source, tmp_path / "m.onnx", request=Request(signature="classify"))
    assert done.certificate.format == "TensorFlow 1 SavedModel"
    assert done.certificate.engine == "native"
    assert done.certificate.decisions[0] == "The signature 'classify' is converted: as asked."
    assert "keep_prob:0 is set to 1: its default." in done.certificate.decisions
    # The signature calls its input and its output alike; ONNX has one name for one value.
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    stored = np.load(source.with_name("tf1.npz"))
    (value,) = session.run(["image_output"], {"image": stored["x_image"]})
    assert np.abs(value - stored["y_image"]).max() <= 1e-6


def test_another_signature_can_be_asked_for(saved_models, tmp_path, without_tensorflow):
    done = convert(
        saved_models / "others" / "module", tmp_path / "m.onnx", request=Request(signature="second")
    )
    assert done.certificate.model["outputs"] == ["x_output"]
    assert layers_of(done) == ["Conv2D", "Relu"]


def test_outputs_are_named_by_key_or_by_tensor(saved_models, tmp_path, without_tensorflow):
    source = saved_models / "kinds" / "two-outputs"
    done = convert(source, tmp_path / "m.onnx", request=Request(outputs=("size",)))
    assert done.certificate.model["outputs"] == ["size"]
    done = convert(source, tmp_path / "n.onnx", request=Request(outputs=("conv2d/Relu:0",)))
    assert done.certificate.model["outputs"] == ["conv2d/Relu:0"]


def test_a_middle_tensor_can_be_the_input_and_tensorflow_still_judges(saved_models, tmp_path):
    source = saved_models / "kinds" / "float-cnn"
    request = Request(inputs=("max_pooling2d/MaxPool2d:0",))
    done = convert(source, tmp_path / "m.onnx", request=request)
    assert done.certificate.verdict == "equal"
    assert layers_of(done) == ["conv2d_1", "flatten", "dense"]


def test_an_input_that_nothing_reads_is_left_out_and_said(saved_models, tmp_path, without_tensorflow):
    done = convert(saved_models / "others" / "module", tmp_path / "m.onnx")
    assert done.certificate.model["inputs"] == ["x"]
    assert done.certificate.decisions == (
        "The signature 'serving_default' is converted: the default for serving; there are also second.",
        "The input spare is left out: the outputs do not depend on it.",
    )


def test_a_saved_model_is_recognised_by_content_and_by_nothing_else(saved_models, tmp_path):
    source = saved_models / "kinds" / "residual"
    renamed = tmp_path / "network.bin"
    renamed.write_bytes((source / "saved_model.pb").read_bytes())
    for path in (source, source / "saved_model.pb", renamed):
        assert [known.name for known in all_formats() if known.recognise(path)] == ["TensorFlow SavedModel"]
    variables = source / "variables" / "variables"
    assert recognise(variables).name != "TensorFlow SavedModel"


def test_reading_gives_the_tensors_of_the_file_itself(saved_models):
    saved = read_saved_model(saved_models / "kinds" / "residual")
    assert saved.inputs == {"keras_tensor": "keras_tensor:0"}
    place = saved.place("first/Relu:0")
    assert place.startswith("StatefulPartitionedCall") and place.endswith("/first_1/Relu:0")


def test_a_name_that_another_value_has_makes_way():
    from onnx import TensorProto, helper

    from converters.assemble import Assembled
    from converters.tensorflow.renaming import renamed

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])

    branch = helper.make_graph(
        [helper.make_node("Neg", ["image"], ["inner"])], "branch", [], [value("inner")]
    )
    nodes = [
        helper.make_node("Relu", ["x:0"], ["image"]),
        helper.make_node("If", ["flag"], ["y:0"], then_branch=branch, else_branch=branch),
    ]
    graph = helper.make_graph(nodes, "net", [value("x:0")], [value("y:0")])
    made = renamed(Assembled(helper.make_model(graph), {"w": np.zeros(2)}), {"x:0": "image", "y:0": "y"})
    graph = made.nodes.graph
    assert [entry.name for entry in (*graph.input, *graph.output)] == ["image", "y"]
    assert (list(graph.node[0].input), list(graph.node[0].output)) == (["image"], ["image/value"])
    assert [list(a.g.node[0].input) for a in graph.node[1].attribute] == [["image/value"]] * 2
    assert set(made.weights) == {"w"}
