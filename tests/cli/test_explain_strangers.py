"""`inspector explain` where something does not fit: methods, masks, names."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector.errors import RunError

WAY = ("--channels", "gray", "--range", "0..1")


@pytest.fixture
def dense(tmp_path):
    """A dense layer over grey 8 by 8 pictures: no class activation map."""
    weight = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "W"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(weight, "W")])
    path = tmp_path / "dense.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_of_the_default_methods_those_that_cannot_are_left_out_once(inspector, dense, pictures, tmp_path):
    said = inspector("explain", dense, pictures, *WAY, "--no-trust", "-o", "maps.npy")
    assert said.code == 0
    told = (
        f"warning: layercam is left out: {dense}: no convolution leads to 'y'; a class activation map needs "
        "feature maps"
    )
    assert said.err.splitlines().count(told) == 1
    assert np.load(tmp_path / "maps.npy").shape == (2, 2, 8, 8)


def test_a_method_that_was_named_and_cannot_is_a_failure_that_does_not_cost_the_others(
    inspector, dense, pictures, tmp_path
):
    given = ("-m", "layercam", "-m", "gradient", "--no-trust", "--json", "-o", "maps.npy")
    said = inspector("explain", dense, pictures, *WAY, *given)
    assert said.code == 3
    why = f"{dense}: no convolution leads to 'y'; a class activation map needs feature maps"
    assert said.err.splitlines().count(f"error: layercam is left out: {why}") == 1
    assert np.load(tmp_path / "maps.npy").shape == (2, 1, 8, 8)
    record = json.loads(said.out)
    assert record["refused"] == [{"method": "layercam", "error": why}]
    assert record["failures"] == []


@pytest.mark.parametrize("given", [("-m", "layercam"), ("-l", "y")])
def test_when_nothing_of_what_was_named_can_be_done_it_is_refused(
    inspector, dense, pictures, tmp_path, given
):
    said = inspector("explain", dense, pictures, *WAY, "--no-trust", *given)
    assert said.code == 1
    assert "left out" not in said.err
    assert "a class activation map needs" in said.err
    assert not (tmp_path / "explanation.png").exists()


def test_masks_that_do_not_fit_are_told_before_anything_is_computed(inspector, dense, pictures, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for number in range(2):
        Image.new("L", (4, 4), 255).save(masks / f"{number}_all.png")
    said = inspector("explain", dense, pictures, *WAY, "-m", "gradient", "--no-trust", "--regions", masks)
    assert said.code == 1
    assert said.err.splitlines()[0] == (
        f"error: {masks / '0_all.png'}: has 4x4 pixels; expected 8x8, as {pictures / '0.png'} has"
    )
    assert not (tmp_path / "explanation.png").exists()


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ("superpixels", "so that nothing can be said of several; expected one picture, not 2"),
        ("far=9,0,2,2", "has 8x8 pixels, and the rectangle far begins at 9,0, outside"),
        ("empty", "there is no mask for it in empty; expected 0_PART.png for each part"),
    ],
)
def test_regions_that_cannot_be_had_are_told_before_anything_is_computed(
    inspector, dense, pictures, tmp_path, regions, message
):
    (tmp_path / "empty").mkdir()
    said = inspector("explain", dense, pictures, *WAY, "-m", "gradient", "--regions", regions, "-o", "r.json")
    assert said.code == 1
    assert message in said.err
    assert "gradient" not in said.err
    assert not (tmp_path / "r.json").exists()


def test_when_the_report_on_regions_fails_the_rest_is_written_all_the_same(
    inspector, dense, pictures, tmp_path, monkeypatch
):
    def fails(*_, **__):
        raise RunError("the report cannot be made", "")

    monkeypatch.setattr("inspector.regions.report", fails)
    given = ("-m", "gradient", "--no-trust", "--regions", "all=0,0,8,8", "--json", "-o", "record.json")
    said = inspector("explain", dense, pictures, *WAY, *given)
    assert said.code == 1
    assert said.err.splitlines() == ["wrote record.json", "error: the report cannot be made"]
    assert json.loads(said.out) == json.loads((tmp_path / "record.json").read_text())
    assert len(json.loads(said.out)["explanations"]) == 2


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (
            ("-m", "lime", "-O", "lime.patches=0"),
            "lime: patches is 0; expected 2 to 1000",
            "-O lime.patches=50",
        ),
        (
            ("-m", "RISE", "-O", "rise.keep=3"),
            "rise: keep is 3; expected a number between 0 and 1",
            "-O rise.keep=0.5",
        ),
        (
            ("-m", "rise", "-O", "RISE.cells=500"),
            "rise: cells is 500; expected at most 8, the picture's longer side",
            "-O rise.cells=8",
        ),
        (
            ("-m", "occlusion", "-O", "occlusion.window=1000"),
            "occlusion: window is 1000; expected at most 8, the picture's longer side",
            "-O occlusion.window=0",
        ),
    ],
)
def test_a_wrong_value_is_told_before_a_picture_is_read(inspector, dense, tmp_path, given, message, hint):
    """The picture does not even exist."""
    said = inspector("explain", dense, tmp_path / "none.png", *WAY, *given)
    assert said.code == 1
    assert said.err.splitlines()[-2:] == [f"error: {message}", f"  {hint}"]


def test_a_layer_that_no_method_uses_is_told(inspector, dense, pictures):
    said = inspector("explain", dense, pictures, *WAY, "-m", "gradient", "--no-trust", "-l", "conv_1")
    assert said.code == 0
    assert "--layer conv_1 is ignored: none of the methods uses a layer's maps" in said.err.splitlines()


def test_json_alone_writes_no_picture_and_the_second_run_is_as_the_first(
    inspector, dense, pictures, tmp_path
):
    given = ("explain", dense, pictures, *WAY, "-m", "gradient", "--no-trust", "--json")
    first, second = inspector(*given), inspector(*given)
    assert first.code == second.code == 0
    assert first.out == second.out
    assert not list(tmp_path.glob("explanation*"))


def test_a_record_in_a_file_has_the_regions_and_all_that_says_how(inspector, dense, pictures, tmp_path):
    given = ("-m", "smoothgrad", "-O", "smoothgrad.samples=4", "--no-trust", "--seed", "7", "--target", "1")
    regions = ("--regions", "top=0,0,8,4", "--regions", "bottom=1,4,7,4")
    said = inspector("explain", dense, pictures, *WAY, *given, *regions, "--json", "-o", "record.json")
    assert said.code == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert record == json.loads(said.out)
    assert record["seed"] == 7
    assert (record["preprocess"]["channels"], record["preprocess"]["range"]) == ("gray", "0..1")
    for item in record["explanations"]:
        assert item["target"] == 1
        assert item["heatmaps"][0]["options"] == {"samples": 4, "noise": 0.15}
        assert item["answer"]["index"] != 1 or item["answer"]["probability"] == item["probability"]
        assert item["answer"]["probability"] >= item["probability"]
        assert item["answer"]["label"] == f"class {item['answer']['index']}"
    first, second = record["regions"]["places"]
    assert [each["source"] for each in (first, second)] == [str(pictures / "0.png"), str(pictures / "1.png")]
    assert first["regions"] == {
        "top": {"box": [0, 0, 8, 4], "centre": [3.5, 1.5], "pixels": 32},
        "bottom": {"box": [1, 4, 7, 4], "centre": [4.0, 5.5], "pixels": 28},
    }


def test_an_exported_file_is_named_as_what_it_is_and_it_is_said_what_it_explains(inspector, dense, tmp_path):
    said = inspector("explain", dense, *WAY, "-m", "gradient", "--target", "2", "--export", "cam.txt")
    assert said.code == 1
    assert said.err.splitlines()[-2:] == [
        "error: cam.txt: cannot write a model with its heatmap as .txt; expected .onnx",
        "  --export cam.onnx",
    ]
    said = inspector("explain", dense, *WAY, "-m", "gradient", "--target", "2", "--export", "cam.onnx")
    assert said.err.splitlines()[-1] == "wrote cam.onnx: gradient, for class 2"
    assert (tmp_path / "cam.onnx").exists()


def test_two_rectangles_of_one_name_are_refused(inspector, dense, pictures):
    said = inspector("explain", dense, pictures, *WAY, "--regions", "a=0,0,2,2", "--regions", "a=4,4,2,2")
    assert said.code == 1
    assert said.err.startswith("error: 2 rectangles are called a; expected a name for each\n")


def test_a_negative_seed_is_a_wrong_usage(inspector, dense, pictures):
    said = inspector("explain", dense, pictures, *WAY, "-m", "rise", "--seed", "-1")
    assert said.code == 2
    assert "-1 is not in the range x>=0" in said.err


def test_what_a_class_looks_for_is_found_in_a_network_that_takes_whole_numbers(inspector, tmp_path):
    # Bright on the left speaks for class 0, bright on the right for class 1.
    weight = np.full((8, 8, 2), -0.01, np.float32)
    weight[:, :4, 0] = weight[:, 4:, 1] = 0.01
    nodes = [
        helper.make_node("Cast", ["x"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["f"]),
        helper.make_node("MatMul", ["f", "W"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, ["N", 1, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    stored = {"W": weight.reshape(64, 2), "scale": np.float32(1)}
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "net", [x], [y], tensors)
    path = tmp_path / "bytes.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    said = inspector(
        "visualize", path, "-l", "logits", "--steps", "64", "--channels", "gray", "--range", "0..255",
        "-o", "classes.npy",
    )  # fmt: skip
    assert said.code == 0
    left, right = np.load(tmp_path / "classes.npy")[:, 0].astype(float)
    assert left[:, :3].mean() > left[:, 5:].mean() + 50
    assert right[:, 5:].mean() > right[:, :3].mean() + 50
