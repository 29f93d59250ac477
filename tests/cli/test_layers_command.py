"""`inspector layers`."""

import json

import numpy as np
import pytest
import safetensors.numpy


@pytest.fixture
def weights(tmp_path):
    """A file of weights without a network."""
    random = np.random.default_rng(0)
    shapes = {"conv.0.weight": (4, 3, 3, 3), "conv.0.bias": (4,), "conv.1.weight": (4, 4, 3, 3)}
    shapes |= {"conv.1.bias": (4,), "scores.weight": (3, 8), "scores.bias": (3,)}
    held = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    safetensors.numpy.save_file(held, tmp_path / "net.safetensors", metadata={"format": "pt"})
    return tmp_path / "net.safetensors"


def test_the_table_lists_every_layer_and_the_totals(inspector, net):
    said = inspector("layers", net)
    assert said.code == 0
    assert [line.split() for line in said.out.splitlines()] == [
        ["layer", "kind", "output", "parameters", "multiply-adds"],
        ["conv_1", "Conv", "N", "x", "4", "x", "8", "x", "8", "36", "2,304"],
        ["scores", "Dense", "N", "x", "3", "768", "768"],
        ["total", "804", "3,072"],
    ]


def test_the_json_keys_are_a_contract(inspector, net):
    record = json.loads(inspector("layers", net, "--json").out)
    assert list(record) == ["model", "layers", "parameters", "multiply_adds"]
    assert record["layers"][0] == {
        "name": "conv_1",
        "kind": "Conv",
        "op_type": "Conv",
        "output": "r",
        "shape": ["N", 4, 8, 8],
        "parameters": 36,
        "multiply_adds": 2304,
    }


def test_a_file_that_is_no_model_is_told_in_one_sentence(inspector, tmp_path):
    (tmp_path / "m.onnx").write_text("hello, I am a text file")
    said = inspector("layers", "m.onnx")
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith("error: m.onnx: ")


def test_a_file_of_weights_is_listed_with_the_shapes_of_its_kernels(inspector, weights):
    said = inspector("layers", weights)
    assert (said.code, said.err) == (
        0,
        "conv.1: as many input as output channels, taken for a convolution; a transposed one has them the "
        "other way round\n",
    )
    assert [line.split() for line in said.out.splitlines()] == [
        ["layer", "kind", "kernels", "parameters"],
        ["conv.0", "Conv", "4", "x", "3", "x", "3", "x", "3", "112"],
        ["conv.1", "Conv", "4", "x", "4", "x", "3", "x", "3", "148"],
        ["scores", "Dense", "27"],
        ["total", "287"],
    ]
    record = json.loads(inspector("layers", weights, "--json").out)
    assert [layer["kernel"] for layer in record["layers"]] == [[4, 3, 3, 3], [4, 4, 3, 3], None]
    assert record["multiply_adds"] is None


def test_a_pickle_that_would_run_something_is_refused_by_name(inspector, tmp_path):
    (tmp_path / "net.pth").write_bytes(b"\x80\x02}cposix\nsystem\n.")
    said = inspector("layers", "net.pth")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "error: net.pth: its pickle asks for `posix.system`, which is none of the functions that rebuild "
        "tensors, so loading it could run anything; nothing of it was run\n"
        "  torch.save(model.state_dict(), PATH) in the program that has the network's code.\n"
    )
