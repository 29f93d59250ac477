"""Kernels of checkpoints, frozen graphs and SavedModels, without TensorFlow and without a conversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.errors import SourceError
from converters.formats import recognise


def test_weights_alone_have_the_authors_names_and_orders(saved_models, without_tensorflow):
    folder = saved_models / "kinds" / "separable"
    weights = recognise(folder).weights(folder)
    assert [(layer.name, layer.kind, layer.order) for layer in weights.layers] == [
        ("separable_conv2d/depthwise", "Conv", "HWIM"),
        ("separable_conv2d/pointwise", "Conv", "HWIO"),
        ("depthwise_conv2d", "Conv", "HWIM"),
        ("conv2d_transpose", "ConvTranspose", "HWOI"),
    ]
    assert [layer.kernels().shape for layer in weights.layers] == [
        (4, 1, 3, 3), (6, 4, 1, 1), (12, 1, 3, 3), (3, 12, 3, 3)
    ]  # fmt: skip
    assert weights.notes == ()
    variables = folder / "variables" / "variables"
    alone = recognise(variables).weights(variables)
    assert {layer.name: layer.order for layer in alone.layers} == {
        layer.name: layer.order for layer in weights.layers
    }
    assert len(alone.notes) == 1
    for layer in alone.layers:
        same = next(other for other in weights.layers if other.name == layer.name)
        np.testing.assert_array_equal(layer.kernels(), same.kernels())


def test_slots_of_the_optimizer_are_no_weights(saved_models, without_tensorflow):
    folder = saved_models / "others" / "keras-2"
    for path in (folder, folder / "variables" / "variables"):
        names = {
            variable.name for layer in recognise(path).weights(path).layers for variable in layer.variables
        }
        assert names == {
            "first/kernel", "first/bias", "norm/gamma", "norm/beta", "norm/moving_mean",
            "norm/moving_variance", "conv2d/kernel", "conv2d/bias", "top/kernel", "top/bias",
        }  # fmt: skip
    old = saved_models / "others" / "tf1"
    assert read_weights(old) == {"conv_1": ["conv_1/kernel"]}
    assert recognise(old).weights(old).notes == (
        "There are several signatures: the weights are those that 'classify' needs.",
    )


def read_weights(path: Path) -> dict[str, list[str]]:
    found = recognise(path).weights(path)
    return {layer.name: [variable.name for variable in layer.variables] for layer in found.layers}


def checkpoint(folder: Path, **shapes: tuple[int, ...]) -> Path:
    """A checkpoint without a graph; two underscores stand for a slash."""
    from tf_files import write_bundle

    arrays = {name.replace("__", "/"): np.arange(np.prod(shape), dtype="f4").reshape(shape)
              for name, shape in shapes.items()}  # fmt: skip
    write_bundle(folder / "net", arrays)
    return folder / "net"


def test_without_a_graph_names_and_shapes_tell_what_a_kernel_is(tmp_path):
    path = checkpoint(
        tmp_path, conv__W=(3, 3, 2, 5), conv__b=(5,), up__kernel=(3, 3, 7, 4), up__bias=(7,),
        depthwise__weights=(3, 3, 4, 2), fc__W=(6, 2), fc__W__Adam=(6, 2), line__kernel=(5, 2, 3),
        norm__gamma=(4,), norm__moving_mean=(4,), cell__recurrent_kernel=(3, 9), table__rows=(4, 2),
        odd__kernel=(1, 1, 1, 1, 1, 1), global_step=(1,),
    )  # fmt: skip
    found = {layer.name: (layer.kind, layer.order) for layer in recognise(path).weights(path).layers}
    assert found == {
        "conv": ("Conv", "HWIO"),
        "up": ("ConvTranspose", "HWOI"),
        "depthwise": ("Conv", "HWIM"),
        "fc": ("Gemm", ""),
        "line": ("Conv", "WIO"),
        "norm": ("BatchNormalization", ""),
        "cell": ("RNN", ""),
        "table": ("Variable", ""),
        "odd": ("Variable", ""),
    }


def test_a_checkpoint_without_weights_says_so(tmp_path):
    path = checkpoint(tmp_path, global_step=(1,))
    with pytest.raises(SourceError) as caught:
        recognise(path).weights(path)
    assert caught.value.message == f"{path}: holds no weights; expected the variables of a network"


def test_a_frozen_graph_and_a_checkpoint_with_its_graph_have_weights_in_the_order_of_the_graph(tmp_path):
    from tf_files import GraphBuilder

    kernel, product = np.ones((3, 3, 2, 5), "f4"), np.ones((5, 4), "f4")

    def network(kernel_of, product_of):
        graph = GraphBuilder()
        graph.placeholder("x", None, 8, 8, 2)
        kernel_of(graph)
        product_of(graph)
        graph.add("conv_1/read", "Identity", "conv_1/W", T="float32")
        graph.add("conv_1/Conv2D", "Conv2D", "x", "conv_1/read", T="float32")
        graph.add("gradients/Conv2D", "Conv2DBackpropInput", "x", "conv_1/read", "x", T="float32")
        graph.const("axes", [1, 2], dtype="int32")
        graph.add("mean", "Mean", "conv_1/Conv2D", "axes", T="float32")
        graph.add("fc_1/MatMul", "MatMul", "mean", "fc_1/W", T="float32")
        return graph

    constant = network(lambda g: g.const("conv_1/W", kernel), lambda g: g.const("fc_1/W", product))
    frozen = constant.write(tmp_path / "frozen.pb")
    variable = network(
        lambda g: g.add("conv_1/W", "VariableV2", dtype="float32", shape=kernel.shape),
        lambda g: g.add("fc_1/W", "VariableV2", dtype="float32", shape=product.shape),
    )
    prefix = variable.write_checkpoint(tmp_path / "net", {"fc_1/W": product, "conv_1/W": kernel})
    for path in (frozen, prefix):
        layers = recognise(path).weights(path).layers
        assert [(layer.name, layer.kind, layer.order) for layer in layers] == [
            ("conv_1", "Conv", "HWIO"), ("fc_1", "Gemm", "")
        ]  # fmt: skip
        assert layers[0].kernels().shape == (5, 2, 3, 3)
