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


def test_the_last_maps_are_found_and_named(by_hand):
    subject = by_hand().subject
    found = subject.target_layer
    assert (found.name, found.axes) == ("last", "NCHW")
    assert find("grad-cam").run(subject, {}).layer == "last"


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


def network(tmp_path, nodes, weights, shape=("N", 3, 8, 8)):
    """A saved network of these nodes from `x` to `y`."""
    random = np.random.default_rng(0)
    tensors = [
        numpy_helper.from_array(random.normal(size=size).astype(np.float32), name)
        for name, size in weights.items()
    ]
    tensors.append(numpy_helper.from_array(np.array([0, 4, 64]), "tokens"))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    imports = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / "net.onnx")
    return inspector.load(tmp_path / "net.onnx")


def found_in(model):
    found = target_layer(model, "x", "y")
    return found.name, found.value, found.axes


CLASSES = [
    helper.make_node("GlobalAveragePool", ["maps"], ["g"], name="pool"),
    helper.make_node("Flatten", ["g"], ["f"], name="flat"),
    helper.make_node("Gemm", ["f", "d"], ["y"], name="dense"),
]


@pytest.mark.parametrize("last", ["main", "shortcut"])
def test_behind_a_residual_block_its_sum_is_taken_and_neither_of_its_convolutions(tmp_path, last):
    block = {
        "main": helper.make_node("Conv", ["x", "w"], ["a"], name="main", pads=[1] * 4),
        "shortcut": helper.make_node("Conv", ["x", "v"], ["b"], name="shortcut"),
    }
    model = network(
        tmp_path,
        [
            *sorted(block.values(), key=lambda node: node.name == last),
            helper.make_node("Add", ["a", "b"], ["s"], name="sum"),
            helper.make_node("Relu", ["s"], ["maps"], name="rectified"),
            *CLASSES,
        ],
        {"w": (4, 3, 3, 3), "v": (4, 3, 1, 1), "d": (4, 2)},
    )
    assert found_in(model) == ("rectified", "maps", "NCHW")
    assert target_layer(model, "x", "y", "rectified").value == "maps"


def test_channels_that_stand_last_are_followed_through_matrices_to_the_sum_behind(tmp_path):
    model = network(
        tmp_path,
        [
            helper.make_node("Conv", ["x", "w"], ["a"], name="conv", pads=[1] * 4, group=3),
            helper.make_node("Transpose", ["a"], ["t"], name="turn", perm=[0, 2, 3, 1]),
            helper.make_node("MatMul", ["t", "m"], ["u"], name="wide"),
            helper.make_node("MatMul", ["u", "n"], ["v"], name="narrow"),
            helper.make_node("Add", ["v", "t"], ["s"], name="sum"),
            helper.make_node("Identity", ["s"], ["same"], name="same"),
            helper.make_node("Transpose", ["same"], ["maps"], name="back", perm=[0, 3, 1, 2]),
            *CLASSES,
        ],
        {"w": (3, 1, 3, 3), "m": (3, 6), "n": (6, 3), "d": (3, 2)},
    )
    assert found_in(model) == ("sum", "s", "NHWC")


def test_what_the_scores_have_a_way_around_is_not_taken(tmp_path):
    model = network(
        tmp_path,
        [
            helper.make_node("Conv", ["x", "w"], ["maps"], name="conv"),
            *CLASSES[:2],
            helper.make_node("Sigmoid", ["maps"], ["gate"], name="gate"),
            helper.make_node("GlobalMaxPool", ["gate"], ["p"], name="most"),
            helper.make_node("Flatten", ["p"], ["q"], name="flat too"),
            helper.make_node("Concat", ["f", "q"], ["c"], name="both", axis=1),
            helper.make_node("Gemm", ["c", "d"], ["y"], name="dense"),
        ],
        {"w": (4, 3, 3, 3), "d": (8, 2)},
    )
    assert found_in(model) == ("conv", "maps", "NCHW")


@pytest.mark.parametrize(("axis", "named"), [(1, "both"), (-3, "both"), (2, "conv"), (-1, "conv")])
def test_maps_side_by_side_go_on_where_their_channels_are_joined_and_not_their_places(tmp_path, axis, named):
    model = network(
        tmp_path,
        [
            helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
            helper.make_node("Concat", ["a", "a"], ["maps"], name="both", axis=axis),
            *CLASSES,
        ],
        {"w": (4, 3, 3, 3), "d": (8 if named == "both" else 4, 2)},
    )
    assert found_in(model)[0] == named


def test_pooling_ends_the_way(tmp_path):
    model = network(
        tmp_path,
        [
            helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
            helper.make_node("MaxPool", ["a"], ["b"], name="most", kernel_shape=[2, 2]),
            helper.make_node("Relu", ["b"], ["maps"], name="rectified"),
            *CLASSES,
        ],
        {"w": (4, 3, 3, 3), "d": (4, 2)},
    )
    assert found_in(model)[0] == "conv"


def transformer(tmp_path, products):
    """Patches that become tokens, and behind them so many products."""
    tokens = [
        helper.make_node("Reshape", ["z", "tokens"], ["t0"], name="tokens"),
        *(
            helper.make_node("MatMul", [f"t{number}", "m"], [f"t{number + 1}"], name=f"mixer{number}")
            for number in range(products)
        ),
        helper.make_node("ReduceMean", [f"t{products}"], ["y"], name="mean", axes=[1], keepdims=0),
    ]
    patches = helper.make_node("Conv", ["x", "w"], ["z"], name="patches", strides=[4, 4])
    return network(tmp_path, [patches, *tokens], {"w": (64, 3, 4, 4), "m": (64, 64)})


def test_patches_at_the_beginning_of_a_deep_network_are_taken_only_when_named(tmp_path):
    model = transformer(tmp_path, 6)
    with pytest.raises(OptionError) as caught:
        target_layer(model, "x", "y")
    assert caught.value.message == (
        f"{model.path}: its last feature maps are those of 'patches', with 1 of 7 convolutions and matrix "
        "products up to there; a class activation map would show nothing of what the others do"
    )
    assert caught.value.hint == (
        "Use another method: -m gradient, -m rise; or name a layer all the same: --layer LAYER"
    )
    assert target_layer(model, "x", "y", "patches").value == "z"


def test_a_few_dense_layers_may_follow_a_single_convolution(tmp_path):
    assert found_in(transformer(tmp_path, 4)) == ("patches", "z", "NCHW")


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
