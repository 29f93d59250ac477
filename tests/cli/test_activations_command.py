"""`inspector activations` on the digits network."""

import json

import numpy as np
import pytest


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    path = tmp_path / "p.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 6), np.uint8)).save(path)
    return path


@pytest.fixture
def net(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernels = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "conv.weight")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 6])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "conv.weight"], ["y"])], "n", [value], [result], [kernels]
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def test_a_picture_of_the_maps_is_written_beside_a_note(inspector, net, picture, tmp_path):
    said = inspector("activations", net, picture, "-l", "conv", "--range", "0..1")
    assert said.code == 0
    assert said.out == ""
    assert said.err == "wrote conv-activations.png\n"
    assert (tmp_path / "conv-activations.png").exists()


def test_json_goes_to_stdout_and_arrays_to_a_file(inspector, net, picture, tmp_path):
    said = inspector(
        "activations", net, picture, "-l", "conv", "-o", "a.npy", "--json", "-q", "--range", "0..1"
    )
    record = json.loads(said.out)
    assert record["path"] == "a.npy"
    assert [row["channel"] for row in record["channels"]] == [0, 1]
    assert np.load(tmp_path / "a.npy").shape == (2, 6, 4)


def test_an_assumption_about_the_pixels_is_said(inspector, net, picture):
    said = inspector("activations", net, picture, "-l", "conv", "-q")
    assert said.err == (
        f"warning: {net} does not declare how pixels become its input; "
        "assumed: grey, values 0..1, stretched to 6x8\n"
        f"  If that is how it was trained: inspector annotate {net} --channels gray --range 0..1\n"
        "  If not, name the right way there, or here with the same options.\n"
    )


def test_an_unknown_layer_exits_with_1(inspector, net, picture):
    said = inspector("activations", net, picture, "-l", "cnv")
    assert said.code == 1
    assert "nearest: conv" in said.err


def test_the_strongest_maps_alone(inspector, net, picture):
    said = inspector("activations", net, picture, "-l", "conv", "--top", 1, "--json", "-q", "--range", "0..1")
    record = json.loads(said.out)
    assert (record["sort"], record["total_channels"]) == ("strength", 2)
    assert [row["channel"] for row in record["channels"]] == [0]
