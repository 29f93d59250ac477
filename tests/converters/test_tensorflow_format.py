"""TensorFlow 1 and tflearn as sources, with TensorFlow as the judge."""

import importlib.util
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from converters.conversion import convert
from converters.errors import MissingExtraError, NotEqualError, SourceError
from converters.formats import Request, recognise
from converters.tensorflow import format as tensorflow_format


def answers(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def test_a_checkpoint_saved_right_after_fit_is_converted_in_inference_mode_with_a_warning(zoo, tmp_path):
    done = convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx")
    assert done.certificate.warnings == (
        "The source was saved in training mode; it is converted in inference mode.",
    )
    assert [item.name for item in done.certificate.layers] == [
        "conv_1", "max_pool_1", "conv_2", "max_pool_2", "fully_connected_1", "dropout_1", "fully_connected_2"
    ]  # fmt: skip
    assert done.certificate.format == "tflearn checkpoint"
    assert {record.name for record in done.certificate.files} == {
        "notebook.meta", "notebook.index", "notebook.data-00000-of-00001"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["notebook.meta", "notebook.index", "notebook", ""])
def test_prefix_meta_and_folder_name_the_same_checkpoint(zoo, name):
    path = zoo / "notebook" / name
    assert recognise(path).name == tensorflow_format.TENSORFLOW.name


def test_baked_preprocessing_takes_the_data_as_they_were_before_it(zoo, tmp_path):
    stored = np.load(zoo / "featurewise" / "featurewise.npz")
    done = convert(
        zoo / "featurewise" / "featurewise", tmp_path / "m.onnx", request=Request(bake_preprocessing=True)
    )
    assert done.certificate.verdict == "equal"
    (value,) = answers(done.path, {"input/X:0": stored["x0"]})
    assert np.abs(value - stored["y0"]).max() <= 2e-6


def test_other_outputs_can_be_asked_for(zoo, tmp_path):
    request = Request(outputs=("conv_2/Relu:0",))
    done = convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx", request=request)
    assert done.certificate.model["outputs"] == ["conv_2/Relu:0"]
    assert [item.name for item in done.certificate.layers] == ["conv_1", "max_pool_1", "conv_2"]


def test_an_opset_can_be_asked_for(zoo, tmp_path):
    done = convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx", request=Request(opset=18))
    assert done.certificate.model["opset"] == 18
    assert done.certificate.verdict == "equal"


def test_tf2onnx_that_was_asked_for_and_is_not_there_is_the_install_command(zoo, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in ("tensorflow", "tf2onnx") else real(name)
    )
    with pytest.raises(MissingExtraError) as caught:
        convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx", request=Request(engine="tf2onnx"))
    assert caught.value.message == (
        f"{zoo / 'notebook' / 'notebook'}: converting a tflearn checkpoint with tf2onnx needs tensorflow and "
        "tf2onnx, not installed here"
    )
    assert caught.value.hint == "pip install 'onnx-inspector[tf]'"


def test_a_broken_source_is_told_before_a_missing_framework(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "net.meta").write_bytes(b"\x0a\x02")
    (tmp_path / "net.index").write_bytes(b"")
    with pytest.raises(SourceError) as caught:
        convert(tmp_path / "net", tmp_path / "m.onnx")
    assert str(tmp_path / "net.meta") in caught.value.message


def mutated(change):
    """The format with a fault between the emission and the file."""
    plain = tensorflow_format.TENSORFLOW.open

    @contextmanager
    def opened(path, request):
        with plain(path, request) as source:
            made = source.write()
            yield replace(source, write=lambda: replace(made, model=change(made.model)))

    return opened


def nudged_weight(model):
    weights = dict(model.weights)
    weights["conv_2/W"] = weights["conv_2/W"].copy()
    weights["conv_2/W"][0, 0, 0, 0] += 0.05
    return replace(model, weights=weights)


def mirrored_kernel(model):
    weights = dict(model.weights)
    weights["conv_2/W"] = weights["conv_2/W"][:, :, ::-1]
    return replace(model, weights=weights)


def transposed_kernel(model):
    weights = dict(model.weights)
    weights["conv_2/W"] = np.ascontiguousarray(weights["conv_2/W"].swapaxes(2, 3))
    return replace(model, weights=weights)


def shifted_padding(model):
    (node,) = (n for n in model.nodes.graph.node if n.op_type == "Conv" and n.name.startswith("conv_2"))
    kept = [attribute for attribute in node.attribute if attribute.name not in ("auto_pad", "pads")]
    del node.attribute[:]
    node.attribute.extend(kept)
    pads = node.attribute.add(name="pads", type=7)
    pads.ints.extend([5, 5, 4, 4])
    return model


@pytest.mark.parametrize("fault", [nudged_weight, mirrored_kernel, transposed_kernel, shifted_padding])
def test_a_fault_in_a_layer_is_caught_and_named_and_nothing_is_written(zoo, tmp_path, monkeypatch, fault):
    wrong = replace(tensorflow_format.TENSORFLOW, open=mutated(fault))
    monkeypatch.setattr("converters.conversion.recognise", lambda path: wrong)
    with pytest.raises(NotEqualError) as caught:
        convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx")
    assert "the converted model differs from the source, first at conv_2: by " in caught.value.message
    assert not list(Path(tmp_path).iterdir())


def test_inputs_that_the_source_refuses_are_named_with_tensorflows_reason(zoo, tmp_path):
    done = convert(zoo / "lstm" / "lstm", tmp_path / "m.onnx")
    assert done.certificate.verdict == "equal"
    left_out = [decision for decision in done.certificate.decisions if "are left out" in decision]
    assert len(left_out) == 2
    assert "is not in [0, 20)" in left_out[0]


def test_a_frozen_graph_that_still_drops_units_is_compared_without_its_dropout(tmp_path):
    import subprocess
    import sys

    script = (
        "import sys, numpy as np, tensorflow.compat.v1 as tf\n"
        "tf.disable_eager_execution()\n"
        "x = tf.placeholder(tf.float32, [None, 6], name='x')\n"
        "w = tf.constant(np.random.RandomState(0).randn(6, 80).astype('f4'))\n"
        "h = tf.nn.dropout(tf.nn.relu(x @ w), rate=0.4, name='drop')\n"
        "v = tf.constant(np.random.RandomState(1).randn(80, 3).astype('f4'))\n"
        "y = tf.nn.softmax(h @ v, name='y')\n"
        "open(sys.argv[1], 'wb').write(y.graph.as_graph_def().SerializeToString())\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "d.pb"], check=True, capture_output=True)
    done = convert(tmp_path / "d.pb", tmp_path / "m.onnx")
    assert done.certificate.verdict == "equal"
    assert any("ropout" in decision for decision in done.certificate.decisions)
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    hidden = np.maximum(x @ np.random.RandomState(0).randn(6, 80).astype("f4"), 0)
    logits = hidden @ np.random.RandomState(1).randn(80, 3).astype("f4")
    powers = np.exp(logits - logits.max(1, keepdims=True))
    expected = powers / powers.sum(1, keepdims=True)
    assert np.allclose(answers(done.path, {"x:0": x})[0], expected, atol=1e-5)
