"""What cannot be visualized: one sentence each."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import EDGE, classifier, saved
from onnx import helper

from inspector.errors import ImageError, OptionError, UnknownLayerError


def message(call, kind):
    with pytest.raises(kind) as caught:
        call()
    return caught.value.message


def test_options_that_make_no_sense_are_refused(two_filters):
    path = two_filters.path
    assert message(lambda: two_filters.visualize("c", steps=0), OptionError) == (
        "steps is 0; expected 1 to 100000"
    )
    assert message(lambda: two_filters.visualize("c", per_filter=101), OptionError) == (
        "per-filter is 101; expected 1 to 100"
    )
    assert message(lambda: two_filters.visualize(), OptionError) == (
        f"{path}: expected either a layer or a class to look for"
    )
    assert message(lambda: two_filters.visualize("c", target=1), OptionError) == (
        f"{path}: expected either a layer or a class to look for"
    )
    assert message(lambda: two_filters.visualize("c", select="2"), OptionError) == (
        f"{path}: 'c': filter 2 does not exist; there are filters 0 to 1"
    )
    assert message(lambda: two_filters.visualize("cc"), UnknownLayerError) == (
        f"{path} has no layer 'cc'; nearest: conv, relu"
    )


def test_a_class_that_is_not_there_is_refused(tmp_path):
    model, _ = classifier(tmp_path)
    assert message(lambda: model.visualize(target="top"), OptionError) == (
        f"{model.path}: there is no class 'top'; there are left, middle, right"
    )


def test_a_value_whose_axes_nobody_tells_is_refused(tmp_path):
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    model = saved(tmp_path, nodes, {"s": np.array([-1, 2, 3, 4, 7, 1])})
    assert message(lambda: model.visualize("y"), OptionError) == (
        f"{model.path}: 'y': its value has the shape [1, 2, 3, 4, 7, 1], and no operator says what its axes "
        "are; expected feature maps or one number a unit"
    )


def test_a_model_for_single_pictures_is_refused(tmp_path):
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=0),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("Relu", ["f"], ["y"]),
    ]
    model = saved(tmp_path, nodes, {}, (3, 12, 14))
    assert message(lambda: model.visualize("y"), ImageError) == (
        f"{model.path}: its input has no batch axis; expected one, so that many are optimised at once"
    )


def test_integers_are_refused_with_a_command_that_shows_them(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[2, 2, 2, 2]),
        helper.make_node("QuantizeLinear", ["c", "step", "zero"], ["q"], name="steps"),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"], name="back"),
    ]
    weights = {"w": EDGE[None, None], "step": np.float32(0.1), "zero": np.uint8(0)}
    model = saved(tmp_path, nodes, weights)
    with pytest.raises(OptionError) as caught:
        model.visualize("q")
    assert caught.value.message == (
        f"{model.path}: 'q' holds uint8; expected floats, which alone can be climbed by their gradient"
    )
    assert caught.value.hint == f"inspector activations {model.path} PICTURE -l q needs none."
