"""Every refusal of a gradient, by its whole message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.errors import GradientError, ModelError, RunError, TensorError, UnknownLayerError
from inspector.gradients import Gradient, backward
from inspector.layout import show

FREE = (
    "What needs no gradient still works: occlusion, RISE, Score-CAM, Eigen-CAM, ablation-CAM, KernelSHAP "
    "and LIME."
)


def network(*nodes: NodeProto, shape: tuple[str | int, ...] = ("N", 4), dtype: int = 1) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
        [numpy_helper.from_array(np.ones(4, np.float32), "ones")],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def refused(model: onnx.ModelProto | Path, **asked: object) -> GradientError:
    with pytest.raises(GradientError) as caught:
        backward(model, **asked)  # type: ignore[arg-type]
    return caught.value


def test_an_operator_without_a_rule_is_named_with_its_version_node_and_layer(tmp_path: Path) -> None:
    node = helper.make_node("Det", ["x"], ["y"], name="volume")
    node.metadata_props.add(key="inspector.layer", value="last")
    path = tmp_path / "net.onnx"
    onnx.save(network(node, shape=("N", 2, 2)), path)
    error = refused(path, of="y")
    assert error.message == (
        f"{path}: the node 'volume' (Det, version 11) of layer 'last' has no derivative rule"
    )
    assert error.hint == FREE


def test_an_operator_of_another_domain_is_named_with_it() -> None:
    node = helper.make_node("BiasGelu", ["x", "ones"], ["y"], name="act", domain="com.microsoft")
    assert refused(network(node), of="y").message == (
        "the model in memory: the node 'act' (com.microsoft.BiasGelu, version 1) of layer 'act' has no "
        "derivative rule"
    )


def test_a_branch_is_refused_unless_it_lies_off_the_way() -> None:
    same = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Cast", ["total"], ["flag"], to=TensorProto.BOOL),
        helper.make_node("If", ["flag"], ["z"], name="choice", then_branch=same, else_branch=same),
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Add", ["y", "z"], ["both"]),
    ]
    model = network(*nodes)
    assert [each.name for each in backward(model, of="y").graph.output] == ["y", "gradient/x"]
    assert "(If, version 16) of layer 'choice'" in refused(model, of="both").message


def test_values_that_no_gradient_reaches_are_named() -> None:
    nodes = [helper.make_node("Floor", ["x"], ["f"]), helper.make_node("Relu", ["f"], ["y"])]
    assert refused(network(*nodes), of="y").message == (
        "the model in memory: no gradient flows from 'y' to 'x'; expected a way of differentiable operators "
        "between them"
    )


def test_integers_have_no_gradient() -> None:
    node = helper.make_node("ArgMax", ["x"], ["y"], axis=1)
    assert refused(network(node), of="y").message == (
        "the model in memory: the value 'y' holds int64; expected floats, which alone have a gradient"
    )


def test_a_network_without_float_inputs_needs_a_value_to_start_from() -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    assert refused(network(node, dtype=TensorProto.INT64), of="y").message == (
        "the model in memory: has no input of floats; expected one to differentiate with respect to"
    )


def test_free_axes_must_be_given_a_size() -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]), shape=("N", "L"))
    error = refused(model, of="y")
    assert error.message == (
        "the model in memory: the input 'x' has the shape (?, ?), of which only the first axis may stay free "
        "in a gradient graph; expected a size for every other"
    )
    assert error.hint == "Give them: --input-shape x=N,SIZE (in Python input_shape={'x': (1, ...)})"
    shape = backward(model, of="y", input_shape=(1, 7)).graph.input[0].type.tensor_type.shape
    assert [each.dim_param or each.dim_value for each in shape.dim] == ["N", 7]


def test_a_given_shape_must_fit_and_its_input_exist() -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]))
    assert refused(model, of="y", input_shape=(1, 5)).message == (
        "the model in memory: the input 'x' takes the shape (?, 4); given (1, 5)"
    )
    assert refused(model, of="y", input_shape={"z": (1, 4)}).message == (
        "the model in memory: has no input 'z' to give a shape; expected 'x'"
    )


@pytest.mark.parametrize("shape", [5, "ab", (1, 2.5), (1, "a"), (1, -3), (1, 0)])
def test_sizes_are_whole_numbers(shape: object) -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]), shape=("N", "L"))
    for asked in (shape, {"x": shape}):
        error = refused(model, of="y", input_shape=asked)
        assert error.message == (
            f"the model in memory: the input 'x' is given the shape {shape!r}; expected a size of at least 1 "
            "for every axis"
        )
        assert error.hint == "Give them: backward(model, ..., input_shape={'x': (1, ...)})"


def test_sizes_may_come_from_numpy() -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]), shape=("N", "L"))
    shape = backward(model, of="y", input_shape=np.zeros((1, 7)).shape)
    given = backward(model, of="y", input_shape=np.array([1, 7]))  # type: ignore[arg-type]
    assert given.graph.input[0] == shape.graph.input[0]


def test_there_is_something_to_differentiate_with_respect_to() -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]))
    error = refused(model, of="y", wrt=[])
    assert error.message == (
        "the model in memory: wrt names nothing; expected a value or layer to differentiate with respect to"
    )
    assert error.hint == "Leave wrt out for the first input of floats, or name one: wrt='VALUE'"


def test_unknown_names_and_channels_are_refused() -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]))
    with pytest.raises(UnknownLayerError) as caught:
        backward(model, of="why")
    assert caught.value.message == "the model in memory has no layer 'why'; nearest: y"
    assert refused(model, of="y:4").message == (
        "the model in memory: the value 'y' has no channel 4; expected 0 to 3"
    )
    assert refused(model, of="y:4").hint == "Ask for one that is there: --gradient y:0 (in Python of='y:0')"


def test_a_value_of_one_axis_has_no_channels() -> None:
    model = network(helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0))
    assert refused(model, of="y:0").message == (
        "the model in memory: the value 'y' has no channels; expected one of at least two axes"
    )


def test_a_shape_that_numbers_decide_is_refused() -> None:
    model = network(
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["n"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["n", "minus"], ["size"]),
        helper.make_node("Reshape", ["x", "size"], ["y"]),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), "minus"))
    assert refused(model, of="y").message == (
        "the model in memory: the shape of the value 'y' depends on the numbers that the network is given; "
        "expected one that its inputs' shapes decide"
    )


def test_a_reshape_to_another_number_of_elements_is_an_error_of_the_model() -> None:
    model = network(helper.make_node("Reshape", ["x", "shape"], ["y"]), shape=(1, 4))
    model.graph.initializer.append(numpy_helper.from_array(np.array([5], np.int64), "shape"))
    with pytest.raises(ModelError) as caught:
        backward(model, of="y")
    assert caught.value.message == (
        "the model in memory: the Reshape that makes 'y' is to another number of elements than it is given"
    )


def test_an_attribute_that_an_operator_cannot_do_without_is_named() -> None:
    for batch in ("N", 1):
        with pytest.raises(ModelError) as caught:
            backward(network(helper.make_node("MaxPool", ["x"], ["y"]), shape=(batch, 1, 4, 4)), of="y")
        assert caught.value.message == (
            "the model in memory: the MaxPool node that makes 'y': Required attribute 'kernel_shape' is "
            "missing."
        )


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("reads", ["b", "a"])
def test_nodes_that_wait_for_each_other_are_refused(opset: int, reads: str) -> None:
    model = network(
        helper.make_node("Add", ["x", reads], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    )
    model.opset_import[0].version = opset
    with pytest.raises(ModelError) as caught:
        backward(model, of="y")
    assert caught.value.message == (
        "the model in memory: has a cycle: the Add node that makes 'a' waits for its own result"
    )
    assert caught.value.hint == "Export the model again, or report it to whoever made it."


def test_weights_that_were_not_loaded_are_named(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    model = network(helper.make_node("Mul", ["x", "ones"], ["y"]))
    onnx.save(model, path, save_as_external_data=True, location="ones.bin", size_threshold=0)
    with pytest.raises(TensorError) as caught:
        backward(onnx.load(path, load_external_data=False), of="y")
    assert caught.value.message == (
        "the model in memory: the initializer 'ones' has its data in 'ones.bin', which was not loaded"
    )
    assert caught.value.hint == "Load the model with its weights, onnx.load(PATH), or give its path."
    assert len(backward(path, of="y").graph.output) == 2


def test_an_operator_that_was_withdrawn_has_a_shape_all_the_same() -> None:
    """GroupNormalization with a scale for each group was replaced, and onnx tells nothing of it any more."""
    model = network(
        helper.make_node("GroupNormalization", ["x", "pair", "pair"], ["g"], num_groups=2),
        helper.make_node("Mul", ["g", "g"], ["y"]),
        shape=("N", 4, 3),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones(2, np.float32), "pair"))
    gradient = Gradient(model, of="y", wrt="g")
    assert gradient.seed_shape(2) == (2, 4, 3)
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    apart = x.reshape(2, 2, 6).astype(np.float64)
    normal = (apart - apart.mean(2, keepdims=True)) / np.sqrt(apart.var(2, keepdims=True) + 1e-5) + 1
    found = gradient.run({"x": x}, np.ones((2, 4, 3), np.float32))["gradient"]
    np.testing.assert_allclose(found, 2 * normal.reshape(2, 4, 3), rtol=0, atol=1e-5)


def test_a_constant_that_the_reference_refuses_to_compute_is_left_to_the_run() -> None:
    """onnxruntime takes the axis of a running sum as a list of one."""
    model = network(
        helper.make_node("CumSum", ["ones", "axis"], ["counted"]),
        helper.make_node("Mul", ["x", "counted"], ["y"]),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "axis"))
    found = Gradient(model, of="y").run({"x": np.ones((2, 4), np.float32)}, np.ones((2, 4), np.float32))
    assert np.array_equal(found["gradient"], [[1, 2, 3, 4]] * 2)


def test_an_unknown_operator_is_named_though_it_leaves_the_shape_behind_it_unknown() -> None:
    unknown = helper.make_node("QGemm", ["x"], ["q"], name="quantised", domain="com.microsoft")
    model = network(unknown, helper.make_node("Relu", ["q"], ["y"]))
    assert refused(model, of="y").message == (
        "the model in memory: the node 'quantised' (com.microsoft.QGemm, version 1) of layer 'quantised' "
        "has no derivative rule"
    )


@pytest.mark.parametrize("axis", ["N", "batch"])
@pytest.mark.parametrize("samples, given", [(3, (1, 4)), (3, (2, 4)), (1, (5, 4)), (3, (3, 5)), (3, (4,))])
def test_a_seed_of_another_shape_is_refused_by_the_shape_that_it_should_have(
    axis: str, samples: int, given: tuple[int, ...]
) -> None:
    gradient = Gradient(network(helper.make_node("Relu", ["x"], ["y"]), shape=(axis, 4)), of="y")
    with pytest.raises(RunError) as caught:
        gradient.run({"x": np.ones((samples, 4), np.float32)}, np.ones(given, np.float32))
    assert caught.value.message == (
        f"the gradient of the model in memory: the seed has the shape {show(given)} for a batch of "
        f"{samples}; expected ({samples}, 4)"
    )
    assert caught.value.hint == f"gradient.seed_shape({samples}) tells it."


def test_the_logits_before_a_quantized_softmax_are_found() -> None:
    one = numpy_helper.from_array(np.array(1 / 256, np.float32), "scale")
    zero = numpy_helper.from_array(np.array(0, np.uint8), "zero")
    model = network(
        helper.make_node("Mul", ["x", "ones"], ["logit"]),
        helper.make_node("Softmax", ["logit"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    )
    model.graph.initializer.extend([one, zero])
    assert Gradient(model, of="logits").target == "logit"


def test_a_model_that_ends_without_softmax_gives_its_logits_itself() -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]))
    assert Gradient(model, of="logits").target == "y"
    assert Gradient(model, of="logits:2").target == "y"
