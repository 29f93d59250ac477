"""The layer whose maps a class activation map is made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

import inspector
from inspector.errors import OptionError, UnknownLayerError
from inspector.explain import find
from inspector.explain.target_layer import target_layer


def test_the_last_convolutions_layer_is_found_and_named(by_hand):
    subject = by_hand().subject
    found = subject.target_layer
    assert (found.name, found.axes) == ("conv", "NCHW")
    assert find("grad-cam").run(subject, {}).layer == "conv"


def test_a_value_between_layers_may_be_asked_for(by_hand):
    subject = replace(by_hand().subject, layer="maps")
    assert (subject.target_layer.name, subject.target_layer.value) == ("maps", "maps")


def test_a_network_without_convolution_has_no_target_layer(by_hand):
    built = by_hand("linear")
    with pytest.raises(OptionError) as caught:
        find("grad-cam").run(built.subject, {})
    assert caught.value.message == (
        f"{built.path}: no convolution leads to 'logits'; a class activation map needs feature maps"
    )
    assert caught.value.hint == "Name a layer with --layer, or use another method: -m gradient, -m rise"


@pytest.mark.parametrize("asked", ["dense", "flat"])
def test_a_layer_without_maps_is_refused(by_hand, asked):
    built = by_hand()
    with pytest.raises(OptionError) as caught:
        find("layercam").run(replace(built.subject, layer=asked), {})
    assert caught.value.message == (
        f"{built.path}: '{asked}' has no feature maps; a class activation map needs some"
    )
    assert caught.value.hint == "Leave out --layer to have one found."


def test_an_unknown_layer_gets_the_nearest_names(by_hand):
    built = by_hand()
    with pytest.raises(UnknownLayerError, match="nearest: conv"):
        find("layercam").run(replace(built.subject, layer="cnv"), {})


@pytest.mark.parametrize(("side", "named"), [(8, "maps"), (1, "scores")])
def test_a_dense_layer_written_as_a_convolution_is_taken_only_where_nothing_else_is(tmp_path, side, named):
    weights = {"w1": np.ones((4, 3, 1, 1), np.float32), "w2": np.ones((5, 4, 1, 1), np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="maps"),
        helper.make_node("GlobalAveragePool", ["a"], ["b"], name="pool"),
        helper.make_node("Conv", ["b", "w2"], ["c"], name="scores"),
        helper.make_node("Flatten", ["c"], ["y"], name="flat"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / "net.onnx")
    assert target_layer(inspector.load(tmp_path / "net.onnx"), "x", "y").name == named
