"""Conversions that went wrong in one place: `convert` refuses each, `verify` finds each, at its layer."""

import importlib.util

import numpy as np
import onnx
import pytest
from mutations import check_both
from onnx import TensorProto, helper, numpy_helper

from converters.conversion import convert
from converters.errors import NotEqualError
from converters.verification import verify


def weight(model, name):
    """A weight and its numbers."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return tensor, numpy_helper.to_array(tensor).copy()
    raise KeyError(name)


def put(tensor, array):
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


def change(name, function):
    """A mutation of one weight's numbers."""

    def mutate(model):
        tensor, array = weight(model, name)
        changed = function(array.copy())
        assert not np.array_equal(changed, array)
        put(tensor, changed)

    return mutate


def one_percent(array):
    """The largest number of a weight, off by one percent."""
    array.flat[np.abs(array).argmax()] *= 1.01
    return array


def node(model, layer, op):
    return next(
        each
        for each in model.graph.node
        if each.op_type == op and any(entry.value == layer for entry in each.metadata_props)
    )


def attribute(layer, op, name, value):
    """A mutation of one attribute."""

    def mutate(model):
        found = node(model, layer, op)
        kept = [each for each in found.attribute if each.name != name]
        del found.attribute[:]
        found.attribute.extend([*kept, helper.make_attribute(name, value)])

    return mutate


def operator(layer, op, other):
    """A mutation of one operator into another of the same inputs."""

    def mutate(model):
        node(model, layer, op).op_type = other

    return mutate


def swap_inputs(layer, op):
    def mutate(model):
        found = node(model, layer, op)
        found.input[0], found.input[1] = found.input[1], found.input[0]

    return mutate


def drop_bias(layer, op):
    def mutate(model):
        del node(model, layer, op).input[2:]

    return mutate


def bypass(layer, op):
    """A mutation that leaves a node out: what reads it reads its input."""

    def mutate(model):
        found = node(model, layer, op)
        output, source = found.output[0], found.input[0]
        found.op_type = "Identity"
        del found.input[1:], found.attribute[:]
        assert (output, source) == (found.output[0], found.input[0])

    return mutate


def scale_dropout(model):
    """Dropout as in training, seen from its mean: a value scaled by what is kept."""
    found = node(model, "drop", "Dropout")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "kept"))
    found.op_type = "Div"
    del found.input[1:], found.attribute[:]
    found.input.append("kept")


def switch_dropout_on(model):
    found = node(model, "drop", "Dropout")
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "training"))
    del found.input[1:]
    found.input.extend(["half", "training"])
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "half"))


def exchange_layers(model):
    """The activation goes before the normalization."""
    norm, relu = node(model, "bn_1", "BatchNormalization"), node(model, "bn_1", "Relu")
    first, middle, last = norm.input[0], norm.output[0], relu.output[0]
    relu.input[0], relu.output[0] = first, middle + "_early"
    norm.input[0], norm.output[0] = middle + "_early", last
    nodes = [each for each in model.graph.node if each is not norm and each is not relu]
    index = next(i for i, each in enumerate(model.graph.node) if first in each.output) + 1
    ordered = [*nodes[:index], relu, norm, *nodes[index:]]
    copies = [onnx.NodeProto.FromString(each.SerializeToString()) for each in ordered]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def flatten_in_another_order(model):
    """Channels last before the dense layer, as a converter does that forgets a transpose."""
    flat = node(model, "flat", "Flatten")
    turned = helper.make_node("Transpose", [flat.input[0]], ["turned"], name="turn", perm=[0, 2, 3, 1])
    turned.metadata_props.extend(flat.metadata_props)
    flat.input[0] = "turned"
    index = [each.name for each in model.graph.node].index(flat.name)
    nodes = [onnx.NodeProto.FromString(each.SerializeToString()) for each in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:index], turned, *nodes[index:]])


def widen_window(model):
    """Another stride, and a window with which the shape stays."""
    attribute("pool", "MaxPool", "strides", [1, 1])(model)
    attribute("pool", "MaxPool", "kernel_shape", [6, 6])(model)


def mirrored(array):
    return array[..., ::-1]


def permuted_rows(array):
    return np.roll(array, 1, axis=0)


def swapped_channels(array):
    return array[:, ::-1]


ONNX_MUTATIONS = {
    "one weight off by one percent": (change("conv_1.weight", one_percent), "conv_1"),
    "a bias off by one percent": (change("fc_1.bias", one_percent), "fc_1"),
    "a transposed kernel": (change("conv_1.weight", lambda a: a.transpose(0, 1, 3, 2)), "conv_1"),
    "a mirrored kernel": (change("conv_2.weight", mirrored), "conv_2"),
    "swapped input channels": (change("conv_2.weight", swapped_channels), "conv_2"),
    "filters in another order": (change("conv_2.weight", permuted_rows), "conv_2"),
    "wrong padding": (attribute("conv_1", "Conv", "pads", [0, 0, 2, 2]), "conv_1"),
    "a wrong stride": (widen_window, "pool"),
    "a wrong dilation": (attribute("conv_2", "Conv", "pads", [1, 1, 3, 3]), "conv_2"),
    "a wrong epsilon": (attribute("bn_1", "BatchNormalization", "epsilon", 0.1), "bn_1"),
    "the mean forgotten": (change("bn_1.mean", np.zeros_like), "bn_1"),
    "another activation": (operator("conv_2", "Relu", "Sigmoid"), "conv_2"),
    "no activation": (bypass("conv_2", "Relu"), "conv_2"),
    "a bias forgotten": (drop_bias("conv_2", "Conv"), "conv_2"),
    "softmax over the batch": (attribute("fc_2", "Softmax", "axis", 0), "fc_2"),
    "layers in another order": (exchange_layers, "bn_1"),
    "concatenated in another order": (swap_inputs("join", "Concat"), "join"),
    "flattened in another order": (flatten_in_another_order, "flat"),
    "dropout scales": (scale_dropout, "drop"),
    "dropout is left on": (switch_dropout_on, "drop"),
    "average instead of maximum": (operator("pool", "MaxPool", "AveragePool"), "pool"),
    "a transposed dense weight": (change("fc_2.weight", lambda a: a.T.reshape(a.shape)), "fc_2"),
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A small network with one of everything that can go wrong, as another tool would write it."""
    random = np.random.default_rng(3)
    shapes = {
        "conv_1.weight": (6, 3, 3, 3),
        "conv_1.bias": (6,),
        "bn_1.scale": (6,),
        "bn_1.bias": (6,),
        "bn_1.mean": (6,),
        "bn_1.var": (6,),
        "conv_2.weight": (5, 6, 3, 3),
        "conv_2.bias": (5,),
        "fc_1.weight": (275, 11),
        "fc_1.bias": (11,),
        "fc_2.weight": (11, 4),
        "fc_2.bias": (4,),
    }
    weights = [
        numpy_helper.from_array(
            random.uniform(0.2, 0.9, shape).astype("f4") * random.choice([-1, 1], shape), name
        )
        if name != "bn_1.var"
        else numpy_helper.from_array(random.uniform(0.5, 1.5, shape).astype("f4"), name)
        for name, shape in shapes.items()
    ]
    weights = [numpy_helper.from_array(numpy_helper.to_array(w).astype("f4"), w.name) for w in weights]
    nodes = [
        helper.make_node("Conv", ["x", "conv_1.weight", "conv_1.bias"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node(
            "BatchNormalization", ["a", "bn_1.scale", "bn_1.bias", "bn_1.mean", "bn_1.var"], ["b"]
        ),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node(
            "Conv", ["p", "conv_2.weight", "conv_2.bias"], ["d"], dilations=[2, 2], pads=[2, 2, 2, 2]
        ),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Concat", ["p", "e"], ["f"], name="join", axis=1),
        helper.make_node("Flatten", ["f"], ["g"], name="flat"),
        helper.make_node("MatMul", ["g", "fc_1.weight"], ["h"]),
        helper.make_node("Add", ["h", "fc_1.bias"], ["i"]),
        helper.make_node("Tanh", ["i"], ["j"]),
        helper.make_node("Dropout", ["j"], ["k"], name="drop"),
        helper.make_node("Gemm", ["k", "fc_2.weight", "fc_2.bias"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"], axis=1),
    ]
    for each, layer in ((nodes[6], "join"), (nodes[7], "flat"), (nodes[11], "drop")):
        entry = each.metadata_props.add()
        entry.key, entry.value = "inspector.layer", layer
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 10, 10])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    path = tmp_path_factory.mktemp("mutations") / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def test_the_unharmed_network_is_equal(network, tmp_path):
    certificate = convert(network, tmp_path / "m.onnx").certificate
    assert certificate.verdict == "equal"
    assert [item.name for item in certificate.layers] == [
        "conv_1", "bn_1", "pool", "conv_2", "join", "flat", "fc_1", "drop", "fc_2"
    ]  # fmt: skip
    assert verify(network, tmp_path / "m.onnx").equal


@pytest.mark.parametrize("name", ONNX_MUTATIONS)
def test_a_mutation_of_an_onnx_network_is_caught_at_its_layer(name, network, tmp_path, monkeypatch):
    mutate, layer = ONNX_MUTATIONS[name]
    error = check_both(network, mutate, layer, tmp_path, monkeypatch)
    if isinstance(error, NotEqualError):
        assert error.certificate.first_difference.name == layer
        assert error.message.startswith(
            f"net.onnx: the converted model differs from the source, first at {layer}: by "
        )
    else:
        # The gate knows dropout that is switched on before anything is compared.
        assert error.message == f"{network}: draws random numbers when it runs: Dropout in {layer}"


TENSORFLOW_MUTATIONS = {
    "one weight off by one percent": (change("conv_2/W", one_percent), "conv_2"),
    "one dense weight off by one percent": (change("fully_connected_2/W", one_percent), "fully_connected_2"),
    "a transposed kernel": (change("conv_1/W", lambda a: a.transpose(0, 1, 3, 2)), "conv_1"),
    "a mirrored kernel": (change("conv_2/W", mirrored), "conv_2"),
    "swapped input channels": (change("conv_2/W", swapped_channels), "conv_2"),
    "filters in another order": (change("conv_1/W", permuted_rows), "conv_1"),
    "wrong padding": (attribute("conv_1", "Conv", "pads", [5, 5, 4, 4]), "conv_1"),
    "a bias forgotten": (drop_bias("conv_1", "Conv"), "conv_1"),
    "another activation": (operator("fully_connected_1", "Relu", "Sigmoid"), "fully_connected_1"),
    "no activation": (bypass("conv_1", "Relu"), "conv_1"),
    "average instead of maximum": (operator("max_pool_2", "MaxPool", "AveragePool"), "max_pool_2"),
    "flattened in another order": (bypass("fully_connected_1", "Transpose"), "fully_connected_1"),
    "softmax over the batch": (attribute("fully_connected_2", "Softmax", "axis", 0), "fully_connected_2"),
}


@pytest.mark.parametrize("name", TENSORFLOW_MUTATIONS)
def test_a_mutation_of_a_tflearn_checkpoint_is_caught_at_its_layer(name, zoo, tmp_path, monkeypatch):
    # The judge that needs no framework; TensorFlow would take seconds for each.
    real = importlib.util.find_spec
    hidden = ("tensorflow", "tf2onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in hidden else real(name))
    mutate, layer = TENSORFLOW_MUTATIONS[name]
    error = check_both(zoo / "notebook" / "notebook", mutate, layer, tmp_path, monkeypatch)
    assert error.certificate.first_difference.name == layer


@pytest.mark.slow
def test_a_mutation_is_caught_by_tensorflow_itself(zoo, tmp_path, monkeypatch):
    mutate, layer = TENSORFLOW_MUTATIONS["a transposed kernel"]
    error = check_both(zoo / "notebook" / "notebook", mutate, layer, tmp_path, monkeypatch)
    assert error.certificate.reference.startswith("the source in TensorFlow 2")
    assert error.certificate.first_difference.name == layer
