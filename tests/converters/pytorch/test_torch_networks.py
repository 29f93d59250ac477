"""Networks that PyTorch saved, converted, against what PyTorch itself answered when they were saved."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from converters.assemble import LAYER_KEY
from converters.conversion import convert
from converters.formats import Request, recognise

KINDS = ["batch-norm", "float-cnn", "recurrent", "residual", "separable", "two-inputs", "two-outputs"]
SAVED = [
    *(f"{kind}.pt2" for kind in KINDS),
    *(f"{way}{kind}.pt" for kind in [*KINDS, "quantised"] for way in ("", "traced/")),
]
LAYERS = {
    "float-cnn": "features.0 features.1 features.2 features.3 features.4 "
    "classifier.0 classifier.1 classifier.2",
    "batch-norm": "conv norm dense last",
    "separable": "depthwise pointwise up",
    "two-inputs": "conv mix",
    "two-outputs": "conv head",
}


def converted(folder, path, name, **choices):
    """Convert a saved network: what was asked for, its certificate, and the model."""
    kind = name.removeprefix("traced/").partition(".")[0]
    shapes = () if name.endswith(".pt2") else tuple(json.loads((folder / "shapes.json").read_text())[kind])
    out = path / "net.onnx"
    done = convert(folder / name, out, request=Request(input_shapes=shapes, **choices))
    return kind, done.certificate, onnx.load(out)


def check_answers(folder, path, kind):
    """Hold a model against the answers that were stored with the network."""
    stored = np.load(folder / f"{kind}.npz")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    values = session.run(None, {entry.name: stored[entry.name] for entry in session.get_inputs()})
    assert len(values) == sum(name.startswith("y") for name in stored.files)
    for place, value in enumerate(values):
        expected = stored[f"y{place}"]
        assert value.shape == expected.shape
        # A step of the quantised network's output; elsewhere what float32 rounding explains.
        allowed = 0.02 if kind == "quantised" else 2e-6 * max(1.0, float(np.abs(expected).max()))
        assert np.abs(value - expected).max() <= allowed


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_network_answers_as_pytorch_did(torch_zoo, torch_here, tmp_path, name):
    kind, certificate, _ = converted(torch_zoo, tmp_path, name)
    assert certificate.verdict == "equal"
    assert certificate.model["opset"] == 17
    check_answers(torch_zoo, tmp_path / "net.onnx", kind)


@pytest.mark.parametrize("way", ["{}.pt2", "{}.pt", "traced/{}.pt"])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_module_is_compared_under_its_own_name(torch_zoo, torch_here, tmp_path, kind, way):
    _, certificate, model = converted(torch_zoo, tmp_path, way.format(kind))
    compared = [item.name for item in certificate.layers]
    # Beside modules, an exported program names the operations that stand in none.
    assert [name for name in compared if name in LAYERS[kind].split()] == LAYERS[kind].split()
    assert certificate.unseen == ()
    noted = {
        entry.value for node in model.graph.node for entry in node.metadata_props if entry.key == LAYER_KEY
    }
    assert set(LAYERS[kind].split()) <= noted
    assert all(any(e.key == LAYER_KEY for e in node.metadata_props) for node in model.graph.node)


def test_a_module_that_is_called_twice_is_two_layers(torch_zoo, torch_here, tmp_path):
    _, certificate, _ = converted(torch_zoo, tmp_path, "residual.pt2")
    names = [item.name for item in certificate.layers]
    first = ["blocks.0.conv1", "blocks.0.act", "blocks.0.conv2", "blocks.0", "blocks.0.act@1"]
    assert names[:5] == first


def test_recurrent_layers_of_an_exported_program_are_compared(torch_zoo, torch_here, tmp_path):
    _, certificate, model = converted(torch_zoo, tmp_path, "recurrent.pt2")
    assert [item.name for item in certificate.layers] == ["embedding", "lstm", "gru", "head"]
    assert {"LSTM", "GRU"} <= {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("name", ["float-cnn.pt2", "float-cnn.pt", "traced/float-cnn.pt"])
def test_weights_keep_the_names_and_numbers_of_the_state_dict(torch_zoo, torch_here, tmp_path, name):
    import torch

    _, _, model = converted(torch_zoo, tmp_path, name)
    state = torch.jit.load(torch_zoo / "float-cnn.pt").state_dict()
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for key, value in state.items():
        assert np.array_equal(stored[key], value.numpy()), key


@pytest.mark.parametrize("name", ["batch-norm.pt2", "batch-norm.pt"])
def test_batch_normalization_goes_into_the_convolution_when_asked(torch_zoo, torch_here, tmp_path, name):
    _, certificate, model = converted(torch_zoo, tmp_path, name, fold=True)
    assert certificate.verdict == "equal"
    assert "conv" in certificate.unseen
    check_answers(torch_zoo, tmp_path / "net.onnx", "batch-norm")
    assert [node.op_type for node in model.graph.node].count("BatchNormalization") < 2


@pytest.mark.parametrize(
    ("name", "opset"), [("float-cnn.pt2", 20), ("float-cnn.pt", 21), ("residual.pt2", 15)]
)
def test_the_opset_is_the_one_that_is_asked_for(torch_zoo, torch_here, tmp_path, name, opset):
    kind, certificate, _ = converted(torch_zoo, tmp_path, name, opset=opset)
    assert certificate.model["opset"] == opset
    check_answers(torch_zoo, tmp_path / "net.onnx", kind)


@pytest.mark.parametrize("name", ["two-inputs.pt2", "two-inputs.pt"])
def test_inputs_keep_their_names_and_the_free_batch(torch_zoo, torch_here, tmp_path, name):
    _, _, model = converted(torch_zoo, tmp_path, name)
    declared = {
        entry.name: [size.dim_param or size.dim_value for size in entry.type.tensor_type.shape.dim]
        for entry in model.graph.input
    }
    assert declared == {"left": ["N", 3, 8, 8], "right": ["N", 4]}


def test_nothing_of_the_authors_machine_is_in_the_model(torch_zoo, torch_here, tmp_path):
    converted(torch_zoo, tmp_path, "float-cnn.pt2")
    assert b"torch_networks.py" not in (tmp_path / "net.onnx").read_bytes()


def test_pytorch_runs_in_a_process_of_its_own(torch_zoo, tmp_path):
    _, certificate, _ = converted(torch_zoo, tmp_path, "two-outputs.pt2")
    assert certificate.verdict == "equal"
    assert certificate.engine == "torch.onnx (torch.export)"
    assert certificate.reference.startswith("the program itself in PyTorch ")
    assert {"torch", "onnxscript"} <= set(certificate.versions)


def test_each_way_of_saving_is_recognised_by_its_content(torch_zoo, tmp_path):
    for name, known in (
        ("float-cnn.pt2", "PyTorch exported program (.pt2)"),
        ("float-cnn.pt", "TorchScript"),
    ):
        renamed = tmp_path / "network.bin"
        renamed.write_bytes((torch_zoo / name).read_bytes())
        assert recognise(renamed).name == known


@pytest.mark.parametrize(
    ("name", "shapes", "decision"),
    [
        ("net.pt2", (), "The program was exported in training mode: batch_norm, dropout set to inference."),
        (
            "net.pt",
            ("N,3,8,8",),
            "The program was saved in training mode; it is converted in inference mode.",
        ),
    ],
)
def test_what_was_saved_in_training_mode_is_converted_in_inference_mode(
    torch_zoo, torch_here, tmp_path, name, shapes, decision
):
    out = tmp_path / "net.onnx"
    done = convert(torch_zoo / "training" / name, out, request=Request(input_shapes=shapes))
    assert done.certificate.decisions[0] == decision
    stored = np.load(torch_zoo / "training" / "net.npz")
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"input": stored["input"]})
    assert np.abs(answer - stored["y0"]).max() < 1e-5


def test_dictionaries_give_outputs_their_names_and_a_number_stays_fixed(torch_zoo, torch_here, tmp_path):
    out = tmp_path / "net.onnx"
    done = convert(torch_zoo / "odd" / "named.pt2", out)
    assert done.certificate.model["inputs"] == ["x", "more_bias"]
    assert done.certificate.model["outputs"] == ["product", "same"]
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    x, bias = np.random.default_rng(0).normal(size=(2, 2, 3, 8, 8)).astype("float32")
    product, same = session.run(["product", "same"], {"x": x, "more_bias": bias})
    assert np.allclose(product, 3 * x + bias, atol=1e-6)
    assert np.array_equal(same, 2 * x)


def test_equal_weights_of_two_layers_stay_two(torch_zoo, torch_here, tmp_path):
    out = tmp_path / "net.onnx"
    request = Request(input_shapes=("N,3,8,8",))
    done = convert(torch_zoo / "odd" / "twins.pt", out, request=request)
    assert done.certificate.verdict == "equal"
    names = {tensor.name for tensor in onnx.load(out).graph.initializer}
    assert {"first.weight", "second.weight", "first.running_mean", "second.running_mean"} <= names


def test_an_opset_that_cannot_be_had_becomes_the_nearest_one(torch_zoo, torch_here, tmp_path):
    done = convert(torch_zoo / "odd" / "even.pt2", tmp_path / "net.onnx")
    assert done.certificate.verdict == "equal"
    assert done.certificate.model["opset"] == 18
    (decision,) = done.certificate.decisions
    assert decision.startswith("opset 18 instead of 17, at which its operations cannot be written (")
