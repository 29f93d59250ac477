from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from onnx import NodeProto, TensorProto, helper

from inspector.errors import UnknownLayerError
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


@pytest.mark.parametrize(
    ("weight", "node", "name"),
    [
        ("conv1.weight", "", "conv1"),
        ("features.0.weight", "/features/features.0/Conv", "features.0"),
        ("conv_1/W", "", "conv_1"),
        ("conv_1/W/read:0", "", "conv_1"),
        ("block/conv2d/kernel:0", "", "block/conv2d"),
        ("model/conv2d/Conv2D/ReadVariableOp:0", "", "model/conv2d"),
        ("Conv2D_1/weights", "", "Conv2D_1"),
        ("conv2d_3/Conv2D/ReadVariableOp__42:0", "", "conv2d_3"),
        ("conv1_w", "", "conv1"),
        ("conv1.weight_quantized", "", "conv1"),
        ("onnx::Conv_123", "/layer1/layer1.0/conv1/Conv", "layer1/layer1.0/conv1"),
        ("onnx::Conv_123", "Conv_5", "Conv_5"),
        ("0.weight", "Conv_5", "0"),
        ("12.1.conv.weight", "Conv_5", "12.1.conv"),
        ("12.1", "Conv_5", "Conv_5"),
        ("Parameter5", "Convolution28", "Convolution28"),
        ("Parameter5", "", "Parameter5"),
        ("const_fold_opt__7", "", "const_fold_opt__7"),
        ("weight", "", "weight"),
        ("/W", "first", "first"),
    ],
)
def test_a_layer_is_called_by_its_weight_or_its_node(weight: str, node: str, name: str, made: Made) -> None:
    (layer,) = made([conv("x", weight, "y", name=node)], {weight: (6, 3, 3, 3)})
    assert layer.name == name


def test_layers_without_weights_are_called_by_their_node_or_output(made: Made) -> None:
    nodes = [
        relu("x", "a", name="/block/relu/Relu"),
        relu("a", "b", name="/block/relu/Relu_1"),
        helper.make_node("Add", ["a", "b"], ["c"], name="/block/Add"),
        helper.make_node("Sigmoid", ["c"], ["y"]),
    ]
    assert [layer.name for layer in made(nodes, {})] == ["block/relu", "block/relu_2", "block/Add", "y"]


def test_names_are_unique_and_those_of_the_file_are_kept(made: Made) -> None:
    nodes = [
        conv("x", "c.weight", "a"),
        conv("a", "c.weight", "b"),
        layer_of(relu("b", "d"), "c"),
        relu("d", "e", name="c_2"),
        relu("e", "y", name="C"),
    ]
    found = made(nodes, {"c.weight": (3, 3, 1, 1)})
    assert [layer.name for layer in found] == ["c_3", "c_4", "c", "c_2", "C"]


def test_a_bias_added_by_a_node_of_its_own_belongs_to_the_layer(made: Made) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "fc.weight"], ["m"]),
        helper.make_node("Add", ["fc.bias", "m"], ["a"]),
        helper.make_node("Add", ["a", "shift"], ["y"]),
    ]
    found = made(nodes, {"fc.weight": (4, 6), "fc.bias": (6,), "shift": (6,)}, (1, 4))
    assert [(layer.name, layer.kind, layer.parameters, layer.output) for layer in found] == [
        ("fc", "Dense", 30, "a"),
        ("shift", "Add", 6, "y"),
    ]


def test_plumbing_is_no_layer(made: Made) -> None:
    nodes = [
        helper.make_node("Identity", ["x"], ["i"]),
        helper.make_node("Transpose", ["w"], ["wt"], perm=[3, 2, 0, 1]),
        conv("i", "wt", "c"),
        helper.make_node("Shape", ["c"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["c", "to"], ["r"]),
        helper.make_node("Cast", ["r"], ["y"], to=FLOAT),
    ]
    found = made(nodes, {"w": (3, 3, 3, 6)}, constants={"first": [0], "rest": [-1]})
    assert [(layer.name, layer.kind, layer.parameters) for layer in found] == [
        ("w", "Conv", 162),
        ("r", "Reshape", 0),
    ]
    assert found.get("w").weight == "wt"


def test_nodes_in_any_order_give_layers_in_running_order(made: Made) -> None:
    found = made([relu("a", "y"), conv("x", "c.weight", "a")], {"c.weight": (3, 3, 1, 1)})
    assert [layer.name for layer in found] == ["c", "y"]


def test_an_unknown_layer_is_answered_with_the_nearest_names(made: Made) -> None:
    found = made(
        [conv("x", "conv_1.weight", "a"), relu("a", "y", name="act")], {"conv_1.weight": (3, 3, 1, 1)}
    )
    with pytest.raises(UnknownLayerError) as caught:
        found.get("conv1")
    assert caught.value.message == f"{found.model} has no layer 'conv1'; nearest: conv_1"
    assert caught.value.hint == f"inspector layers {found.model}"


def test_layers_are_a_sequence(made: Made) -> None:
    found = made([relu("x", "a", name="one"), relu("a", "y", name="two")], {})
    assert (len(found), found[1].name, [layer.name for layer in found[:1]]) == (2, "two", ["one"])
    assert found[-1] in found
    assert repr(found) == f"Layers({found.model!r}, ['one', 'two'])"


def test_the_json_form_is_fixed(made: Made) -> None:
    found = made([conv("x", "c.weight", "y")], {"c.weight": (6, 3, 3, 3)})
    assert found.to_dict() == {
        "model": found.model,
        "layers": [
            {
                "name": "c",
                "kind": "Conv",
                "op_type": "Conv",
                "output": "y",
                "shape": ["N", 6, 6, 6],
                "parameters": 162,
                "multiply_adds": 5832,
            }
        ],
        "parameters": 162,
        "multiply_adds": 5832,
    }


HOSTILE = [
    "<script>alert(1)</script>",
    "../../x",
    "=1+1",
    "\x1b[31m",
    "\u202egnp.exe",
    "CON",
    "n" * 5000,
    "a",
    "A",
]


def test_hostile_names_are_kept_as_they_are_and_escaped_in_html(made: Made) -> None:
    names = ["x", *(f"v{index}" for index in range(len(HOSTILE) - 1)), "y"]
    nodes = [layer_of(relu(names[index], names[index + 1]), name) for index, name in enumerate(HOSTILE)]
    found = made(nodes, {})
    assert [layer.name for layer in found] == HOSTILE
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()


def test_the_html_table_has_a_row_for_each_layer_and_the_totals(made: Made) -> None:
    html = made([conv("x", "c.weight", "y")], {"c.weight": (6, 3, 3, 3)})._repr_html_()
    assert "<tr><td>c</td><td>Conv</td><td>N x 6 x 6 x 6</td><td>162</td><td>5,832</td></tr>" in html
    assert html.endswith(
        "<tfoot><tr><td>total</td><td></td><td></td><td>162</td><td>5,832</td></tr></tfoot></table>"
    )


def test_finding_kernels_imports_no_onnx(made: Made) -> None:
    import subprocess
    import sys

    found = made([conv("x", "c.weight", "y")], {"c.weight": (6, 3, 3, 3)})
    code = (
        "import sys; from inspector.model import load\n"
        f"print([layer.weight for layer in load({found.model!r}).layers.conv], 'onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['c.weight'] False\n"


def test_a_model_without_computation_has_no_layers(made: Made) -> None:
    found = made([helper.make_node("Identity", ["x"], ["y"])], {})
    assert (list(found), found.conv, found.parameters, found.multiply_adds) == ([], (), 0, 0)
    with pytest.raises(UnknownLayerError) as caught:
        found.get("a")
    assert caught.value.message == f"{found.model} has no layers"


def test_the_html_table_holds_no_control_characters(made: Made) -> None:
    html = made([conv("x", "w", "y", name="a\x1b[31m\u202eb")], {"w": (6, 3, 3, 3)})._repr_html_()
    assert "<td>a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b</td>" in html
