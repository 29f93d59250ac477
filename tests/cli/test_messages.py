"""Messages that many pictures, layers or sources share: each is said once, and names what helps."""

import h5py
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

GREY = ("--channels", "gray", "--range", "0..1")


@pytest.fixture
def plain(tmp_path):
    """A classifier of grey pictures without a convolution."""
    weights = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "W"], ["l"], name="scores"),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(weights, "W")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, tmp_path / "plain.onnx")
    return tmp_path / "plain.onnx"


def test_a_method_that_the_model_refuses_is_told_once_for_all_pictures(inspector, plain, pictures):
    said = inspector("explain", plain, pictures, "-m", "grad-cam", *GREY)
    assert said.code == 1
    lines = said.err.splitlines()
    assert lines[0].startswith(f"error: {plain}: no convolution leads to ")
    assert sum(line.startswith("error:") for line in lines) == 2
    assert "3.png" in said.err
    assert lines[-1] == "3 of 3 pictures failed"


@pytest.mark.parametrize("command", ["layers", "filters", "predict"])
def test_code_as_a_model_is_told_to_be_converted_first(inspector, pictures, command):
    rest = {"layers": (), "filters": ("-l", "conv"), "predict": (pictures / "1.png",)}[command]
    said = inspector(command, "package.module:build", *rest)
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "error: package.module:build: is a network in code, which has to be converted first; "
        "expected an ONNX model\n"
        "  inspector convert package.module:build --input-shape N,3,224,224 -o build.onnx\n"
        "  Then: inspector layers build.onnx\n"
    )


def test_keras_weights_alone_are_not_sent_to_a_conversion_that_refuses_them(inspector, pictures, tmp_path):
    path = tmp_path / "net.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 1, 4), np.float32)
    said = inspector("predict", path, pictures / "1.png")
    assert said.err == (
        f"error: {path}: holds weights only, and no network that could be run; expected an ONNX model\n"
        "  Build the network in Python, load_weights() into it and save it with model.save('model.keras'), "
        "or inspector convert package.module:build with a function that returns it. "
        f"What can be seen as it is: inspector layers {path}\n"
    )
    assert inspector("layers", path).code == 0


def test_only_notes_on_the_layer_that_was_asked_for_are_said(inspector, tmp_path):
    layers = (torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3), torch.nn.Conv2d(4, 4, 3))
    torch.save(torch.nn.Sequential(*layers).state_dict(), tmp_path / "net.pth")
    guess = (
        "as many input as output channels, taken for a convolution; a transposed one has them the other way "
        "round"
    )
    assert inspector("filters", "net.pth", "-l", "0").err == "wrote 0.png\n"
    assert inspector("filters", "net.pth", "-l", "2").err == f"2: {guess}\nwrote 2.png\n"
    assert inspector("filters", "net.pth", "-o", "all").err.startswith(f"2, 3: {guess}\n")
    assert inspector("layers", "net.pth").err == f"2, 3: {guess}\n"


def test_notes_on_the_whole_file_are_said_for_every_layer(inspector, tmp_path):
    path = tmp_path / "net.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 1, 4), np.float32)
    said = inspector("filters", path, "-l", "conv2d")
    assert said.err.splitlines()[0] == (
        "The file holds weights only: layers are called as it numbers them, by class."
    )


@pytest.mark.parametrize("command", ["layers", "filters", "convert", "verify", "predict"])
@pytest.mark.parametrize(
    ("name", "length", "header", "fault"),
    [
        ("w.safetensors", 1 << 60, b'{"a":{}}', f"its header has {1 << 60:,} bytes, and 8 are there"),
        ("w.bin", 1 << 60, b'{"a":{}}', f"its header has {1 << 60:,} bytes, and 8 are there"),
        ("w.safetensors", 5, b"hello", "its header is no JSON"),
        ("W.SAFETENSORS", 2, b"[]", "its header is no JSON object"),
    ],
)
def test_a_broken_safetensors_file_is_called_so(
    inspector, net, pictures, tmp_path, command, name, length, header, fault
):
    (tmp_path / name).write_bytes(length.to_bytes(8, "little") + header)
    rest = {"filters": ("-l", "conv"), "verify": (net,), "predict": (pictures / "1.png",)}.get(command, ())
    said = inspector(command, name, *rest)
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"error: {name}: is a damaged safetensors file: {fault}\n  Fetch or export the file again.\n"
    )
