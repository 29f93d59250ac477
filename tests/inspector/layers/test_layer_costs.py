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


def notebook() -> tuple[list[NodeProto], dict[str, Sequence[int]], dict[str, list[int]]]:
    """The notebook's network: 91x91 grey, two convolutions of 10x10, 1024 units, two classes."""
    same = {"auto_pad": "SAME_UPPER"}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], **same}
    nodes = [
        helper.make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2]),
        layer_of(conv("nchw", "W1", "c1", "b1", **same), "conv_1"),
        layer_of(relu("c1", "r1"), "conv_1"),
        layer_of(helper.make_node("MaxPool", ["r1"], ["p1"], **pool), "max_pool_1"),
        layer_of(conv("p1", "W2", "c2", "b2", **same), "conv_2"),
        layer_of(relu("c2", "r2"), "conv_2"),
        layer_of(helper.make_node("MaxPool", ["r2"], ["p2"], **pool), "max_pool_2"),
        layer_of(helper.make_node("Reshape", ["p2", "flat"], ["f"]), "fully_connected_1"),
        layer_of(helper.make_node("MatMul", ["f", "W3"], ["m3"]), "fully_connected_1"),
        layer_of(helper.make_node("Add", ["m3", "b3"], ["a3"]), "fully_connected_1"),
        layer_of(relu("a3", "r3"), "fully_connected_1"),
        layer_of(helper.make_node("Gemm", ["r3", "W4", "b4"], ["g4"]), "fully_connected_2"),
        layer_of(helper.make_node("Softmax", ["g4"], ["y"]), "fully_connected_2"),
    ]
    weights: dict[str, Sequence[int]] = {
        "W1": (32, 1, 10, 10),
        "b1": (32,),
        "W2": (64, 32, 10, 10),
        "b2": (64,),
        "W3": (23 * 23 * 64, 1024),
        "b3": (1024,),
        "W4": (1024, 2),
        "b4": (2,),
    }
    return nodes, weights, {"flat": [-1, 23 * 23 * 64]}


def test_the_notebooks_network_has_the_layers_that_its_author_named(made: Made) -> None:
    nodes, weights, constants = notebook()
    found = made(nodes, weights, ("N", 91, 91, 1), constants=constants)
    assert [(layer.name, layer.kind) for layer in found] == [
        ("nchw", "Transpose"),
        ("conv_1", "Conv"),
        ("max_pool_1", "MaxPool"),
        ("conv_2", "Conv"),
        ("max_pool_2", "MaxPool"),
        ("fully_connected_1", "Dense"),
        ("fully_connected_2", "Dense"),
    ]
    conv_2 = found.get("conv_2")
    assert (conv_2.op_type, conv_2.output, conv_2.weight) == ("Conv", "r2", "W2")
    assert [node.op_type for node in conv_2.nodes] == ["Conv", "Relu"]
    assert [layer.name for layer in found.conv] == ["conv_1", "conv_2"]
    assert (conv_2.shape, conv_2.shape_text) == (("N", 64, 46, 46), "N x 64 x 46 x 46")


def test_the_notebooks_network_costs_what_was_counted_by_hand(made: Made) -> None:
    nodes, weights, constants = notebook()
    found = made(nodes, weights, ("N", 91, 91, 1), constants=constants)
    assert [layer.parameters for layer in found] == [
        0,
        32 * 100 + 32,
        0,
        64 * 32 * 100 + 64,
        0,
        23 * 23 * 64 * 1024 + 1024,
        1024 * 2 + 2,
    ]
    assert [layer.multiply_adds for layer in found] == [
        0,
        91 * 91 * 32 * 100,
        0,
        46 * 46 * 64 * 32 * 100,
        0,
        23 * 23 * 64 * 1024,
        1024 * 2,
    ]
    assert found.parameters == 34_879_714
    assert found.multiply_adds == 494_526_592
    # The same network was measured elsewhere as 989 million floating-point operations: two for each of these.
    assert round(found.multiply_adds * 2 / 1e6) == 989


@pytest.mark.parametrize("batch", [1, 8, "N", None])
def test_the_cost_is_that_of_one_sample_whatever_the_batch(batch: int | str | None, made: Made) -> None:
    nodes, weights, constants = notebook()
    constants["flat"][0] = batch if isinstance(batch, int) else -1
    assert made(nodes, weights, (batch, 91, 91, 1), constants=constants).multiply_adds == 494_526_592


KINDS = [
    ("Conv", {}, (6, 3, 3, 3), (1, 3, 8, 8), "Conv", 6 * 6 * 6 * 27),
    ("Conv", {"group": 3}, (6, 1, 3, 3), (1, 3, 8, 8), "DepthwiseConv", 6 * 6 * 6 * 9),
    ("Conv", {"group": 2}, (6, 2, 3, 3), (1, 4, 8, 8), "Conv", 6 * 6 * 6 * 18),
    ("Conv", {"strides": [2]}, (6, 3, 3), (1, 3, 9), "Conv1D", 4 * 6 * 9),
    ("Conv", {"dilations": [2, 2, 2]}, (6, 3, 3, 3, 3), (1, 3, 5, 5, 5), "Conv3D", 1 * 6 * 81),
    ("Conv", {"group": 3}, (3, 1, 3), (1, 3, 8), "DepthwiseConv1D", 6 * 3 * 3),
    ("ConvTranspose", {"strides": [2, 2]}, (3, 6, 2, 2), (1, 3, 8, 8), "ConvTranspose", 8 * 8 * 3 * 6 * 4),
    ("ConvTranspose", {}, (3, 6, 2), (1, 3, 8), "ConvTranspose1D", 8 * 3 * 6 * 2),
    ("ConvTranspose", {"group": 3}, (3, 1, 2, 2), (1, 3, 8, 8), "DepthwiseConvTranspose", 8 * 8 * 3 * 4),
    ("Gemm", {}, (4, 6), (1, 4), "Dense", 24),
    ("Gemm", {"transB": 1}, (6, 4), (1, 4), "Dense", 24),
    ("Gemm", {"transA": 1}, (4, 6), (4, 2), "Dense", 48),
    ("MatMul", {}, (4, 6), (1, 5, 4), "Dense", 5 * 4 * 6),
    ("MatMul", {}, (4,), (3, 4), "Dense", 4),
    ("LSTM", {"hidden_size": 5}, (1, 20, 4), (7, 1, 4), "LSTM", 7 * (20 * 4 + 20 * 5)),
    ("GRU", {"hidden_size": 5}, (1, 15, 4), (7, 1, 4), "GRU", 7 * (15 * 4 + 15 * 5)),
    ("Einsum", {"equation": "bi,io->bo"}, (4, 6), (1, 4), "Einsum", None),
    ("PRelu", {}, (3, 1, 1), (1, 3, 8, 8), "PRelu", 0),
]


@pytest.mark.parametrize(("op", "options", "weight", "given", "kind", "cost"), KINDS)
def test_each_kind_has_its_word_and_its_cost(
    op: str,
    options: dict[str, object],
    weight: Sequence[int],
    given: Sequence[int],
    kind: str,
    cost: int | None,
    made: Made,
) -> None:
    weights: dict[str, Sequence[int]] = {"a.weight": weight}
    inputs = ["x", "a.weight"]
    if op in ("LSTM", "GRU"):
        weights["a.R"] = (1, weight[1], 5)
        inputs.append("a.R")
    (layer,) = made([helper.make_node(op, inputs, ["y"], **options)], weights, given)
    assert (layer.name, layer.kind, layer.multiply_adds) == ("a", kind, cost)
    assert layer.parameters == sum(int(np.prod(size)) for size in weights.values())
    assert layer.weight == ("a.weight" if "Conv" in op else None)


def test_a_batch_that_a_recurrent_layer_has_second_is_left_out(made: Made) -> None:
    node = helper.make_node("RNN", ["x", "w", "r"], ["y"], hidden_size=5)
    (layer,) = made([node], {"w": (1, 5, 4), "r": (1, 5, 5)}, (7, 1, 4))
    assert layer.multiply_adds == 7 * 45
    node = helper.make_node("RNN", ["x", "w", "r"], ["y"], hidden_size=5, layout=1)
    (layer,) = made([node], {"w": (1, 5, 4), "r": (1, 5, 5)}, (3, 7, 4))
    assert layer.multiply_adds == 7 * 45


def test_a_quantised_convolution_is_a_convolution(made: Made) -> None:
    quantise = helper.make_node("QuantizeLinear", ["x", "s", "zero"], ["q"])
    node = helper.make_node("QLinearConv", ["q", "s", "zero", "a.weight_q", "s", "zero", "s", "zero"], ["r"])
    back = helper.make_node("DequantizeLinear", ["r", "s", "zero"], ["y"])
    found = made([quantise, node, back], {"s": (), "zero": (), "a.weight_q": (6, 3, 3, 3)})
    assert [(layer.kind, layer.weight, layer.parameters) for layer in found] == [("Conv", "a.weight_q", 162)]


def test_weights_within_branches_count_and_their_cost_is_unknown(made: Made) -> None:
    weight = numpy_helper.from_array(np.zeros((6, 3, 3, 3), np.float32), "inner.weight")
    gives = helper.make_tensor_value_info("i", FLOAT, None)
    branch = helper.make_graph([conv("x", "inner.weight", "i", "outer.bias")], "b", [], [gives], [weight])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["c"], ["y"], name="choose", then_branch=branch, else_branch=branch),
    ]
    found = made(nodes, {"outer.bias": (6,)})
    assert [(layer.name, layer.kind, layer.parameters) for layer in found] == [("choose", "If", 168)]
    assert found.multiply_adds is None
    assert found.to_dict()["multiply_adds"] is None


def test_an_operator_outside_onnx_is_a_layer_of_unknown_shape_and_cost(made: Made) -> None:
    node = helper.make_node("Magic", ["x", "m.weight"], ["y"], domain="my.own")
    (layer,) = made([node], {"m.weight": (5, 2)})
    assert (layer.name, layer.kind, layer.parameters) == ("m", "Magic", 10)
    assert (layer.shape, layer.shape_text, layer.multiply_adds) == (None, "?", None)


def test_shapes_that_the_file_declares_are_used_where_inference_fails(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("as a model that it cannot read makes it do")

    declared = helper.make_tensor_value_info("a", FLOAT, ["N", 3, None, 8])
    found = made([relu("x", "a"), relu("a", "y")], {}, values=[declared])
    monkeypatch.setattr("onnx.shape_inference.infer_shapes", refuse)
    assert [layer.shape for layer in found] == [("N", 3, None, 8), None]
    assert found[0].shape_text == "N x 3 x ? x 8"
    assert found.multiply_adds == 0


def test_a_convolution_over_a_picture_of_any_size_has_no_known_cost(made: Made) -> None:
    (layer,) = made([conv("x", "c.weight", "y")], {"c.weight": (6, 3, 3, 3)}, (1, 3, "H", "W"))
    assert (layer.shape, layer.multiply_adds) == ((1, 6, None, None), None)


def test_an_axis_that_shares_the_name_of_the_batch_is_1_with_it(made: Made) -> None:
    declared = helper.make_tensor_value_info("a", FLOAT, ["N", 3, 8, 8])
    nodes = [relu("x", "a"), conv("a", "c.weight", "y")]
    found = made(nodes, {"c.weight": (6, 3, 3, 3)}, values=[declared])
    assert found.multiply_adds == 36 * 6 * 27


def test_constant_nodes_of_every_form_are_told_apart(made: Made) -> None:
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([1.0], np.float32)), numpy_helper.from_array(np.array([0])), [3]
    )
    nodes = [
        helper.make_node("Constant", [], ["f"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Constant", [], ["sizes"], value_ints=[1, 3]),
        helper.make_node("Constant", [], ["s"], sparse_value=sparse),
        helper.make_node("Constant", [], ["text"], value_string="a"),
        helper.make_node("Add", ["x", "f"], ["a"]),
        helper.make_node("Add", ["a", "one"], ["b"]),
        helper.make_node("Expand", ["b", "sizes"], ["c"]),
        helper.make_node("Mul", ["c", "s"], ["d"]),
        helper.make_node("Equal", ["text", "text"], ["unused"]),
        relu("d", "y"),
    ]
    assert [layer.parameters for layer in made(nodes, {}, (1, 3))] == [3, 0, 0, 3, 0]


@pytest.mark.parametrize("fill", [[-1, 3], [1] * 40, []])
def test_shapes_that_make_no_sense_do_not_stop_the_rest(fill: list[int], made: Made) -> None:
    nodes = [helper.make_node("ConstantOfShape", ["sizes"], ["w"]), conv("x", "w", "y")]
    (layer,) = made(nodes, {}, constants={"sizes": fill})
    assert (layer.kind, layer.multiply_adds) == ("Conv", None)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Conv", ["x"], ["y"]),
        helper.make_node("Conv", ["x", ""], ["y"]),
        helper.make_node("MatMul", ["x"], ["y"]),
        helper.make_node("LSTM", ["x"], ["y"]),
        helper.make_node("ConvTranspose", ["", ""], ["y"]),
        helper.make_node("MatMul", [], ["y"]),
        helper.make_node("LSTM", [], ["y"]),
        helper.make_node("Conv", [], []),
    ],
)
def test_a_node_that_lacks_its_inputs_is_listed_without_a_cost(node: NodeProto, made: Made) -> None:
    found = made([node, relu("x", "z")], {})
    assert [layer.op_type for layer in found] == [node.op_type, "Relu"]
    assert (found[0].weight, found[0].multiply_adds) == (None, None)
    found._repr_html_()
