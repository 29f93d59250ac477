from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.layers import Layers

FLOAT = TensorProto.FLOAT
Made = Callable[..., Layers]
Dims = Sequence[int | str | None]


def conv(source: str, weight: str, target: str, bias: str = "", **options: object) -> NodeProto:
    return helper.make_node("Conv", [source, weight, *([bias] if bias else [])], [target], **options)


def relu(source: str, target: str, **options: object) -> NodeProto:
    return helper.make_node("Relu", [source], [target], **options)


def layer_of(node: NodeProto, name: str) -> NodeProto:
    entry = node.metadata_props.add()
    entry.key, entry.value = "inspector.layer", name
    return node


def test_the_kind_is_told_through_what_lies_between_weight_and_node(made: Made) -> None:
    nodes = [
        helper.make_node("Transpose", ["d.weight"], ["wt"], perm=[2, 3, 0, 1]),
        helper.make_node("Identity", ["wt"], ["wi"]),
        conv("x", "wi", "y", group=3),
    ]
    (layer,) = made(nodes, {"d.weight": (3, 3, 6, 1)})
    assert (layer.name, layer.kind, layer.parameters) == ("d", "DepthwiseConv", 54)


def test_weights_in_constant_nodes_and_behind_dequantisation_count(made: Made) -> None:
    weight = numpy_helper.from_array(np.zeros((6, 3, 3, 3), np.int8))
    nodes = [
        helper.make_node("Constant", [], ["q.weight"], value=weight),
        helper.make_node("Constant", [], ["scale"], value_floats=[0.5] * 6),
        helper.make_node("DequantizeLinear", ["q.weight", "scale"], ["w"], axis=0),
        conv("x", "w", "y"),
    ]
    (layer,) = made(nodes, {})
    assert (layer.name, layer.parameters, layer.multiply_adds) == ("q", 162, 36 * 6 * 27)


def test_weights_that_are_filled_in_by_shape_count(made: Made) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["sizes"], ["c1_w_0"]),
        conv("x", "c1_w_0", "y"),
    ]
    (layer,) = made(nodes, {}, constants={"sizes": [6, 3, 3, 3]})
    assert (layer.name, layer.kind, layer.parameters) == ("c1", "Conv", 162)
    nodes[:1] = [
        helper.make_node("Constant", [], ["s"], value=numpy_helper.from_array(np.array([6, 3, 3, 3]))),
        helper.make_node("ConstantOfShape", ["s"], ["c1_w_0"]),
    ]
    (layer,) = made(nodes, {})
    assert layer.parameters == 162


def test_a_shared_weight_counts_in_the_first_layer_alone(made: Made) -> None:
    found = made([conv("x", "c.weight", "a"), conv("a", "c.weight", "y")], {"c.weight": (3, 3, 1, 1)})
    assert [(layer.name, layer.parameters) for layer in found] == [("c", 9), ("c_2", 0)]
    assert found.parameters == 9


def test_numbers_that_were_not_learned_do_not_count(made: Made) -> None:
    nodes = [
        helper.make_node("Clip", ["x", "low", "high"], ["a"]),
        helper.make_node("Mul", ["a", "low"], ["b"]),
        helper.make_node("Reshape", ["b", "sizes"], ["c"]),
        helper.make_node("Resize", ["c", "", "scales"], ["y"]),
    ]
    found = made(nodes, {"low": (), "high": (), "scales": (4,)}, constants={"sizes": [-1, 3, 8, 8]})
    assert [layer.parameters for layer in found] == [0, 0, 0, 0]


def test_all_four_parts_of_a_batch_normalisation_count(made: Made) -> None:
    node = helper.make_node("BatchNormalization", ["x", "bn.weight", "bn.bias", "mean", "var"], ["y"])
    (layer,) = made([node], {"bn.weight": (3,), "bn.bias": (3,), "mean": (3,), "var": (3,)})
    assert (layer.name, layer.kind, layer.parameters) == ("bn", "BatchNormalization", 12)


def test_an_embedding_counts_its_table(made: Made) -> None:
    node = helper.make_node("Gather", ["embedding.weight", "x"], ["y"])
    (layer,) = made([node], {"embedding.weight": (100, 8)}, (1, 5), dtype=TensorProto.INT64)
    assert (layer.name, layer.kind, layer.parameters, layer.shape) == ("embedding", "Gather", 800, (1, 5, 8))


def test_a_weight_that_is_computed_while_running_is_no_parameter(made: Made) -> None:
    found = made([relu("x", "w"), conv("x", "w", "y")], {}, (1, 1, 3, 3))
    assert [(layer.kind, layer.weight, layer.parameters) for layer in found] == [
        ("Relu", None, 0),
        ("Conv", "w", 0),
    ]
    assert found[1].multiply_adds == 9


def test_what_is_made_of_constants_counts_with_all_of_them(made: Made) -> None:
    nodes = [
        helper.make_node("Mul", ["g", "v"], ["w"]),
        conv("x", "w", "y", name="/normed/Conv"),
    ]
    (layer,) = made(nodes, {"g": (6, 1, 1, 1), "v": (6, 3, 3, 3)})
    assert (layer.name, layer.parameters, layer.multiply_adds) == ("normed", 168, 36 * 6 * 27)


@pytest.mark.parametrize("order", [[0, 1], [0, 0, 1, 1], [7, 8, 9, 10]])
def test_a_transposition_that_does_not_fit_leaves_the_kind_plain(order: list[int], made: Made) -> None:
    nodes = [helper.make_node("Transpose", ["w"], ["t"], perm=order), conv("x", "t", "y", group=3)]
    (layer,) = made(nodes, {"w": (6, 1, 3, 3)})
    assert (layer.kind, layer.parameters) == ("Conv", 54)


def test_the_kind_behind_a_reshape_is_told_by_the_kernel_sizes(made: Made) -> None:
    nodes = [helper.make_node("Reshape", ["w", "to"], ["r"]), conv("x", "r", "y", kernel_shape=[3])]
    (layer,) = made(nodes, {"w": (54,)}, (1, 3, 8), constants={"to": [6, 3, 3]})
    assert (layer.kind, layer.parameters, layer.multiply_adds) == ("Conv1D", 54, 6 * 54)
