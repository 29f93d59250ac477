"""SavedModels made or broken by hand: signatures, missing parts, bombs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from converters.conversion import convert
from converters.errors import FileError, InspectorError, SourceError
from converters.formats import Request
from converters.tensorflow.saved_model import read_saved_model
from converters.tensorflow.schema import new, parse


def refusal(path: Path, out: Path, **choices: object) -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        convert(path, out / "m.onnx", request=Request(**choices))
    assert not (out / "m.onnx").exists()
    return caught.value


def copied(saved_models: Path, folder: Path, name: str = "kinds/residual") -> Path:
    """A SavedModel's folder that a test may change."""
    import shutil

    return Path(shutil.copytree(saved_models / name, folder / "model"))


def rewritten(folder: Path, change) -> None:
    path = folder / "saved_model.pb"
    saved = parse("SavedModel", path.read_bytes(), "a test")
    change(saved.meta_graphs[0])
    path.write_bytes(saved.SerializeToString())


def test_missing_variables_are_named(saved_models, tmp_path, without_tensorflow):
    folder = copied(saved_models, tmp_path)
    index = folder / "variables" / "variables.index"
    index.unlink()
    error = refusal(folder, tmp_path)
    assert error.message == f"{index}: no such file; it holds the values of the SavedModel's variables"
    assert error.hint == "Copy the whole folder, with the folder variables in it."


def test_a_damaged_or_textual_file_is_named(saved_models, tmp_path, without_tensorflow):
    folder = copied(saved_models, tmp_path)
    path = folder / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:5000])
    assert refusal(folder, tmp_path).message == f"{path}: is damaged: not a readable SavedModel message"
    path.write_bytes(b"")
    error = refusal(folder, tmp_path)
    assert isinstance(error, FileError)
    assert error.message == f"{path}: is empty; expected a SavedModel"
    path.rename(folder / "saved_model.pbtxt")
    assert refusal(folder, tmp_path).message == (
        f"{folder / 'saved_model.pbtxt'}: is a SavedModel in protobuf's text form, which is not read; "
        "expected saved_model.pb"
    )


def test_a_function_that_calls_itself_is_refused(saved_models, tmp_path, without_tensorflow):
    folder = copied(saved_models, tmp_path)

    def change(meta):
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                if node.op == "StatefulPartitionedCall":
                    node.attr["f"].func.name = function.signature.name

    rewritten(folder, change)
    error = refusal(folder, tmp_path)
    assert isinstance(error, SourceError)
    assert error.message.startswith(
        f"{folder}: the graph is damaged: the function '__inference_signature_wrapper"
    )
    assert error.message.endswith("' calls itself")


def test_a_function_that_is_not_there_is_named(saved_models, tmp_path, without_tensorflow):
    folder = copied(saved_models, tmp_path)

    def change(meta):
        for node in meta.graph_def.node:
            if node.name == "StatefulPartitionedCall_1":
                node.attr["f"].func.name = "none"

    rewritten(folder, change)
    assert refusal(folder, tmp_path).message == (
        f"{folder}: the graph is damaged: the node 'StatefulPartitionedCall_1' calls the function 'none', "
        "which it does not have"
    )


def bomb() -> object:
    """A graph whose functions call each other twice, twenty-four levels deep."""
    saved = new("SavedModel")
    saved.saved_model_schema_version = 1
    meta = saved.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    meta.object_graph_def.SetInParent()
    for level in range(24):
        function = meta.graph_def.library.function.add()
        function.signature.name = f"f{level}"
        function.signature.input_arg.add(name="x", type=1)
        function.signature.output_arg.add(name="y", type=1)
        for name, read in (("a", "x"), ("b", "a:output:0")):
            op = "PartitionedCall" if level else "Identity"
            node = function.node_def.add(name=name, op=op, input=[read])
            if level:
                node.attr["f"].func.name = f"f{level - 1}"
        function.ret["y"] = "b:output:0"
    x = meta.graph_def.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = 1
    call = meta.graph_def.node.add(name="call", op="PartitionedCall", input=["x"])
    call.attr["f"].func.name = "f23"
    signature = meta.signature_def["serving_default"]
    signature.inputs["x"].name, signature.outputs["y"].name = "x:0", "call:0"
    return saved


def test_functions_that_expand_without_end_are_refused(tmp_path, monkeypatch, without_tensorflow):
    monkeypatch.setattr("converters.tensorflow.functions._MOST_NODES", 1000)
    (tmp_path / "saved_model.pb").write_bytes(bomb().SerializeToString())
    assert refusal(tmp_path, tmp_path).message == (
        f"{tmp_path}: its functions expand to more than 1,000 nodes; expected a network"
    )


def meta_of(**signatures: object):
    """A graph of two nodes with signatures: name → the tensor of the output."""
    saved = new("SavedModel")
    saved.saved_model_schema_version = 1
    meta = saved.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    x = meta.graph_def.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = 1
    meta.graph_def.node.add(name="y", op="Relu", input=["x"]).attr["T"].type = 1
    for name, tensor in signatures.items():
        signature = meta.signature_def[name]
        signature.inputs["in"].name, signature.outputs["out"].name = "x:0", tensor
    return saved


def written(folder: Path, saved: object) -> Path:
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    return folder


def test_the_only_signature_is_taken(tmp_path, without_tensorflow):
    done = convert(written(tmp_path, meta_of(only="y:0")), tmp_path / "m.onnx")
    assert done.certificate.decisions == (
        "The signature 'only' is converted: the only one.",
        "The source does not say the shape of in: a single number; --input-shape gives another.",
    )
    assert (done.certificate.model["inputs"], done.certificate.model["outputs"]) == (["in"], ["out"])


def test_the_shape_of_an_input_without_one_can_be_given(tmp_path, without_tensorflow):
    source = written(tmp_path, meta_of(only="y:0"))
    done = convert(source, tmp_path / "m.onnx", request=Request(input_shapes=("in=N,3",)))
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["N", 3]
    (value,) = session.run(None, {"in": np.float32([[-1, 2, 0], [3, -4, 5]])})
    np.testing.assert_array_equal(value, [[0, 2, 0], [3, 0, 5]])


@pytest.mark.parametrize(
    ("saved", "message", "hint"),
    [
        (
            meta_of(),
            "has no signature, and so no inputs and outputs",
            "Save it with one: tf.saved_model.save(model, folder, signatures=...).",
        ),
        (
            meta_of(only="z:0"),
            "the signature 'only' names the tensor z:0, which the graph does not have",
            "Save the model again, or name another with --signature.",
        ),
        (
            meta_of(only=""),
            "the tensor 'out' of the signature 'only' is sparse or ragged; expected a dense one",
            "Name dense tensors with --inputs and --outputs.",
        ),
    ],
)
def test_a_signature_that_cannot_be_asked_is_refused(tmp_path, saved, message, hint, without_tensorflow):
    error = refusal(written(tmp_path, saved), tmp_path)
    assert (error.message, error.hint) == (f"{tmp_path}: {message}", hint)


def test_of_several_graphs_the_one_for_serving_is_taken(tmp_path, without_tensorflow):
    saved = meta_of(only="y:0")
    other = saved.meta_graphs.add()
    other.CopyFrom(saved.meta_graphs[0])
    saved.meta_graphs[0].meta_info_def.tags.append("tpu")
    assert convert(written(tmp_path, saved), tmp_path / "m.onnx").certificate.verdict == "equal"
    for meta, tag in zip(saved.meta_graphs, ("train", "eval"), strict=True):
        del meta.meta_info_def.tags[:]
        meta.meta_info_def.tags.append(tag)
    (tmp_path / "m.onnx").unlink()
    assert refusal(written(tmp_path, saved), tmp_path).message == (
        f"{tmp_path}: holds 2 graphs, none with the tag 'serve'; their tags are: train; eval"
    )
    del saved.meta_graphs[1:]
    assert read_saved_model(written(tmp_path, saved)).tags == ("train",)


def test_text_as_an_input_is_refused_where_nothing_comes_after_it(tmp_path, without_tensorflow):
    saved = meta_of(only="y:0")
    for node in saved.meta_graphs[0].graph_def.node:
        node.attr["dtype" if node.name == "x" else "T"].type = 7
    error = refusal(written(tmp_path, saved), tmp_path)
    assert error.message == (
        f"{tmp_path}: the layer 'y' works on text: its node 'y' of op Relu has no counterpart among numbers; "
        "expected a network of numbers alone"
    )
    assert error.hint == "Name other tensors: --outputs NAME:0, or --inputs NAME:0."
