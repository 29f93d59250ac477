"""Every network of both generations, converted, against what Keras's own `predict` answered."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from converters.assemble import LAYER_KEY
from converters.conversion import convert
from converters.errors import SourceError, UnsupportedError
from converters.formats import Request

NETWORKS = (
    *("float-cnn", "batch-norm", "residual", "separable", "recurrent", "recurrent-free-steps"),
    *("recurrent-masked", "two-inputs", "two-outputs", "one-dimension"),
)
SUFFIXES = {"keras": ".keras", "tf_keras": ".h5"}
# The other kind of file of each generation is read by other code of Keras, and converted by the same of ours.
OTHERS = (("keras", "residual.h5"), ("keras", "recurrent.h5"), ("tf_keras", "separable.keras"))
CASES = [*((package, slug + suffix) for package, suffix in SUFFIXES.items() for slug in NETWORKS), *OTHERS]


def answers(path, stored):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {str(name): stored[f"x{place}"] for place, name in enumerate(stored["inputs"])}
    return session.run([str(name) for name in stored["outputs"]], feeds)


@pytest.mark.parametrize(("package", "name"), CASES)
def test_a_converted_network_answers_as_predict_does(keras_zoo, tmp_path, package, name):
    folder, out = keras_zoo(package), tmp_path / "m.onnx"
    done = convert(folder / name, out)
    assert done.certificate.verdict == "equal"
    stored = np.load(folder / f"{name.partition('.')[0]}.npz")
    for place, got in enumerate(answers(out, stored)):
        expected = stored[f"y{place}"]
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert len(done.certificate.layers) >= 4
    assert done.certificate.reference.startswith(f"the model itself in {package} ")


def layers_of(path):
    nodes = onnx.load(path).graph.node
    found = {entry.value: None for node in nodes for entry in node.metadata_props if entry.key == LAYER_KEY}
    return list(found)


def test_layers_and_weights_have_the_names_that_keras_gives_them(keras_zoo, tmp_path):
    convert(keras_zoo("keras") / "residual.keras", tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    layers = layers_of(tmp_path / "m.onnx")
    # A network within the network, which is called twice.
    assert layers[:2] == ["block/conv", "block/sum"]
    assert {"block/conv@2", "block/sum@2", "pool", "mean", "scores"} <= set(layers)
    weights = {tensor.name for tensor in model.graph.initializer}
    assert {"block/conv/kernel", "block/conv/bias", "scores/kernel", "scores/bias"} <= weights
    assert [value.name for value in model.graph.input] == ["picture"]
    assert [value.name for value in model.graph.output] == ["scores"]


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_recurrent_layers_become_operators_of_onnx(keras_zoo, tmp_path, package):
    convert(keras_zoo(package) / "recurrent.keras", tmp_path / "m.onnx", request=Request(verify=False))
    model = onnx.load(tmp_path / "m.onnx")
    kinds = [node.op_type for node in model.graph.node if node.op_type in ("LSTM", "GRU", "RNN", "Loop")]
    assert sorted(kinds) == ["GRU", "GRU", "LSTM", "LSTM", "LSTM", "RNN"]
    assert "both/forward_lstm" in layers_of(tmp_path / "m.onnx")
    # Dropout and augmentation do nothing at inference, and the batch is free.
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_batch_normalization_becomes_the_operator_of_onnx_or_is_folded(keras_zoo, tmp_path, package):
    path = keras_zoo(package) / "batch-norm.keras"
    convert(path, tmp_path / "m.onnx", request=Request(verify=False))
    model = onnx.load(tmp_path / "m.onnx")
    nodes = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    assert len(nodes) == 3
    assert nodes[0].input[1:] == [
        f"bn_0/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    done = convert(path, tmp_path / "f.onnx", request=Request(fold=True))
    assert done.certificate.verdict == "equal"
    assert not [
        node for node in onnx.load(tmp_path / "f.onnx").graph.node if node.op_type.startswith("Batch")
    ]


def test_tf2onnx_writes_a_network_with_recurrent_layers_too(keras_zoo, tmp_path):
    done = convert(
        keras_zoo("keras") / "recurrent.keras", tmp_path / "m.onnx", request=Request(engine="tf2onnx")
    )
    assert done.certificate.verdict == "equal"
    assert done.certificate.engine.startswith("tf2onnx ")
    stored = np.load(keras_zoo("keras") / "recurrent.npz")
    np.testing.assert_allclose(answers(tmp_path / "m.onnx", stored)[0], stored["y0"], rtol=1e-4, atol=1e-5)


def test_a_layer_can_be_the_output(keras_zoo, tmp_path):
    request = Request(outputs=("conv_1", "pool"))
    done = convert(keras_zoo("keras") / "float-cnn.keras", tmp_path / "m.onnx", request=request)
    assert done.certificate.verdict == "equal"
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert [(value.name, value.shape[1:]) for value in session.get_outputs()] == [
        ("conv_1", [10, 8, 6]),
        ("pool", [5, 4, 6]),
    ]
    made = done.certificate.model
    assert made["outputs"] == ["conv_1", "pool"]


def test_an_output_that_is_no_layer_is_refused_with_the_nearest(keras_zoo, tmp_path):
    path = keras_zoo("keras") / "float-cnn.keras"
    with pytest.raises(SourceError) as caught:
        convert(path, tmp_path / "m.onnx", request=Request(outputs=("conv_9",)))
    assert caught.value.message == f"{path}: has no layer 'conv_9' to be an output"
    assert caught.value.hint == "Nearest: conv_2, conv_1, scores."


def test_inputs_cannot_be_chosen(keras_zoo, tmp_path):
    path = keras_zoo("keras") / "float-cnn.keras"
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "m.onnx", request=Request(inputs=("conv_1",)))
    assert caught.value.message == f"{path}: the inputs of a Keras model cannot be chosen"


def test_the_certificate_names_the_file_and_what_ran_it(keras_zoo, tmp_path):
    path = keras_zoo("tf_keras") / "two-inputs.h5"
    done = convert(path, tmp_path / "m.onnx")
    record = json.loads(done.certificate.to_json())
    assert record["format"] == "Keras 2 HDF5 file"
    assert [entry["name"] for entry in record["files"]] == ["two-inputs.h5"]
    assert {"tf_keras", "tensorflow"} <= record["versions"].keys()
    assert record["model"]["inputs"] == ["picture", "numbers"]
