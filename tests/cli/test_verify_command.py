"""`inspector verify`."""

import json
import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper


@pytest.fixture
def converted(inspector, net, tmp_path):
    said = inspector("convert", net, "-o", "m.onnx", "-q", "--channels", "gray", "--range", "0..1")
    assert said.code == 0
    return tmp_path / "m.onnx"


def spoil(path):
    model = onnx.load(path)
    (weight,) = [each for each in model.graph.initializer if each.name == "W"]
    array = numpy_helper.to_array(weight).transpose(0, 1, 3, 2)
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), "W"))
    onnx.save(model, path)


def test_an_equal_model_gets_a_short_table(inspector, net, converted):
    said = inspector("verify", net, converted)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert re.split(r"\s{2,}", lines[0]) == [
        "layer or output", "largest difference", "of", "allowed", "top class"
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:-1]] == ["conv_1", "scores", "y"]
    assert lines[-2].endswith("8 of 8")
    assert lines[-1] == (
        "EQUAL, compared with the file itself in onnxruntime: 4 seeds, batches of 1, 3, 2, 2"
    )


def test_a_difference_names_the_first_layer_and_exits_with_1(inspector, net, converted):
    spoil(converted)
    said = inspector("verify", net, converted)
    assert said.code == 1
    assert said.err.startswith(f"error: {converted}: differs from net.onnx, first at conv_1: by ")
    assert f"inspector convert {net} makes a model anew." in said.err
    assert [line.endswith("← differs") for line in said.out.splitlines()[1:4]] == [True, True, True]
    assert said.out.splitlines()[-1].startswith("NOT EQUAL, compared with ")


def test_json_holds_the_whole_certificate(inspector, net, converted):
    said = inspector("verify", net, converted, "--json", "--seeds", 2, "--inputs", "x", "--outputs", "y")
    record = json.loads(said.out)
    assert said.code == 0
    assert list(record) == ["path", "certificate", "failures", "assumed"]
    assert record["certificate"]["verdict"] == "equal"
    assert [trial["seed"] for trial in record["certificate"]["trials"]] == [0, 1]
    assert record["certificate"]["request"]["outputs"] == ["y"]
    spoil(converted)
    said = inspector("verify", net, converted, "--json")
    assert said.code == 1
    assert json.loads(said.out)["certificate"]["verdict"] == "not equal"


def test_pictures_are_compared_and_a_bad_one_exits_with_3(inspector, net, converted, pictures):
    said = inspector("verify", net, converted, "--images", pictures / "1.png", "--images", pictures / "2.png")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "EQUAL, compared with the file itself in onnxruntime: 2 pictures"
    said = inspector("verify", net, converted, "--images", pictures)
    assert said.code == 3
    assert "3.png" in said.err
    assert "2 of 2" in said.out


def test_what_is_assumed_of_the_pixels_is_a_warning(inspector, net, pictures):
    said = inspector("verify", net, net, "--images", pictures / "1.png")
    assert said.code == 0
    assert "does not declare how pixels become its input; assumed: grey, values 0..1" in said.err
    said = inspector("verify", net, net, "--images", pictures / "1.png", "--range", "0..255")
    assert "assumed" not in said.err


def test_quiet_leaves_only_the_verdict(inspector, net, converted):
    said = inspector("verify", net, converted, "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_a_model_of_another_source_is_told(inspector, net, converted):
    model = onnx.load(converted)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 9
    onnx.save(model, converted)
    said = inspector("verify", net, converted)
    assert said.code == 1
    assert f"{converted}: is no conversion of {net}: it takes x (?x9x8x1 of float32); " in said.err


def test_layers_that_the_model_no_longer_holds_are_listed(inspector, zoo, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    hidden = ("tensorflow", "tf2onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in hidden else real(name))
    inspector("convert", zoo / "notebook", "-o", "n.onnx", "-q")
    model = onnx.load("n.onnx")
    for node in model.graph.node:
        node.input[:] = ["renamed" if name == "conv_1/Relu:0" else name for name in node.input]
        node.output[:] = ["renamed" if name == "conv_1/Relu:0" else name for name in node.output]
    onnx.save(model, "n.onnx")
    said = inspector("verify", zoo / "notebook", "n.onnx")
    assert said.code == 0
    assert "without a value of their own in the model: conv_1" in said.out.splitlines()


def test_an_output_of_another_shape_is_called_that(inspector, net, converted):
    model = onnx.load(converted)
    model.graph.node.add(op_type="Concat", input=["y", "y"], output=["twice"]).attribute.add(
        name="axis", i=1, type=onnx.AttributeProto.INT
    )
    model.graph.output[0].name = "twice"
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, converted)
    said = inspector("verify", net, converted)
    assert said.code == 1
    assert "differs from net.onnx, first at scores: another shape, or numbers that are not" in said.err


def test_a_folder_of_pictures_that_is_not_there_is_named(inspector, net, converted):
    said = inspector("verify", net, converted, "--images", "nowhere")
    assert (said.code, said.err) == (1, "error: nowhere: no such file; expected a picture\n")
