"""Where exemplars lie when filters are chosen, and when they see more than the picture."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector import load
from inspector.preprocess import Preprocess


def model_of(tmp_path, kernels, pads):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 1, 10, 8))
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[pads] * 4)
    graph = helper.make_graph([node], "net", [value], [result], [numpy_helper.from_array(kernels, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, {"inspector.preprocess": Preprocess("gray").to_json()})
    onnx.save(model, tmp_path / "net.onnx")
    return load(tmp_path / "net.onnx")


@pytest.fixture
def dotted(tmp_path):
    """A dark picture with one white pixel; its name is no ASCII."""
    pixels = np.zeros((10, 8), np.uint8)
    pixels[6, 3] = 255
    path = tmp_path / "grün.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_chosen_filter_has_the_box_of_its_own_place(tmp_path, dotted):
    """Each filter sees the pixel at another place of its window."""
    kernels = np.zeros((3, 1, 3, 3), np.float32)
    kernels[0, 0, 0, 0] = kernels[1, 0, 1, 1] = kernels[2, 0, 2, 2] = 1
    model = model_of(tmp_path, kernels, 1)
    boxes = {0: (6, 3, 9, 6), 1: (5, 2, 8, 5), 2: (4, 1, 7, 4)}
    for chosen in ([0, 1, 2], [2, 0], [1]):
        found = model.exemplars([dotted], "y", select=chosen)
        assert [best[0].box for best in found.items] == [boxes[number] for number in chosen]


def test_a_filter_that_sees_more_than_the_picture_shows_the_picture_alone(tmp_path, dotted):
    kernels = np.random.default_rng(0).normal(size=(1, 1, 25, 25)).astype(np.float32)
    (best,) = model_of(tmp_path, kernels, 12).exemplars([dotted], "y").items
    assert best[0].box == (0, 0, 10, 8)
    assert best[0].crop.shape == (10, 8, 3)
    assert np.array_equal(best[0].crop[:, :, 0], np.asarray(Image.open(dotted)))


def test_a_record_has_names_as_they_are_written(tmp_path, dotted):
    found = model_of(tmp_path, np.ones((1, 1, 3, 3), np.float32), 1).exemplars([dotted], "y")
    text = found.save(tmp_path / "e.json").read_text(encoding="utf-8")
    assert "grün.png" in text
    assert json.loads(text)["filters"][0]["exemplars"][0]["source"] == str(dotted)
