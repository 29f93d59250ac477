"""`inspector explain` where something does not fit: methods, masks, names."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

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


@pytest.mark.parametrize("given", [("-m", "layercam", "-m", "gradient"), ("-l", "y")])
def test_what_was_asked_for_by_name_is_refused_instead(inspector, dense, pictures, tmp_path, given):
    said = inspector("explain", dense, pictures, *WAY, "--no-trust", *given)
    assert said.code == 1
    assert "left out" not in said.err
    assert "a class activation map needs" in said.err
    assert not (tmp_path / "explanation.png").exists()


def test_masks_that_do_not_fit_do_not_cost_the_heatmaps(inspector, dense, pictures, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for number in range(2):
        Image.new("L", (4, 4), 255).save(masks / f"{number}_all.png")
    said = inspector("explain", dense, pictures, *WAY, "-m", "gradient", "--no-trust", "--regions", masks)
    assert said.code == 1
    assert said.err.splitlines()[:2] == [
        "wrote explanation.png",
        f"error: {masks / '0_all.png'}: has 4x4 pixels; expected 8x8, as {pictures / '0.png'} has",
    ]
    assert (tmp_path / "explanation.png").exists()


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
