"""Writing a model at a later opset keeps its names, metadata, weights and answers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.errors import UnsupportedError
from converters.opset import upgraded


def old_network() -> onnx.ModelProto:
    """Opset 9: a large weight, an axis as attribute, a node whose name a conversion might make up."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="n2"),
        helper.make_node("Unsqueeze", ["m"], ["u"], name="n3", axes=[1]),
        helper.make_node("Squeeze", ["u"], ["s"], axes=[1]),
        helper.make_node("Softmax", ["s"], ["y"], name="last"),
    ]
    nodes[0].metadata_props.add(key="inspector.layer", value="dense")
    weight = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 32])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4)
    helper.set_model_props(model, {"inspector.labels": "[]"})
    return model


def answer(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


@pytest.mark.parametrize("opset", [13, 16, 18, 21])
def test_answers_names_and_metadata_stay(opset: int) -> None:
    old = old_network()
    new = upgraded(old, opset)
    onnx.checker.check_model(new, full_check=True)
    assert new.opset_import[0].version == opset
    x = np.random.default_rng(1).standard_normal((3, 64)).astype(np.float32)
    np.testing.assert_allclose(answer(new, x), answer(old, x), rtol=1e-6)
    before = {node.output[0]: node.name for node in old.graph.node}
    after = {node.output[0]: node.name for node in new.graph.node}
    assert {value: after[value] for value in before} == before
    names = [node.name for node in new.graph.node if node.name]
    assert len(set(names)) == len(names)
    dense = next(node for node in new.graph.node if node.output[0] == "m")
    assert [(each.key, each.value) for each in dense.metadata_props] == [("inspector.layer", "dense")]
    assert {each.key: each.value for each in new.metadata_props} == {"inspector.labels": "[]"}
    assert [each.name for each in new.graph.input] == ["x"]


def test_a_model_that_is_new_enough_is_handed_back_and_none_is_changed() -> None:
    old = old_network()
    before = old.SerializeToString(deterministic=True)
    assert upgraded(old, 9) is old
    upgraded(old, 13)
    assert old.SerializeToString(deterministic=True) == before


def test_a_slope_for_each_channel_stays_with_the_channels() -> None:
    slope = np.array([0.1, 0.5, 2.0], np.float32)
    graph = helper.make_graph(
        [helper.make_node("PRelu", ["x", "slope"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3, 4, 3])],
        [numpy_helper.from_array(slope, "slope")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=4)
    x = -np.ones((2, 3, 4, 3), np.float32)
    wanted = np.broadcast_to(-slope.reshape(3, 1, 1), x.shape)
    np.testing.assert_allclose(answer(upgraded(model, 13), x), wanted)


def test_an_operator_that_went_away_is_refused() -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    node = helper.make_node("ATen", ["x"], ["y"])
    model = helper.make_model(
        helper.make_graph([node], "net", value[:1], value[1:]), opset_imports=[helper.make_opsetid("", 9)]
    )
    with pytest.raises(UnsupportedError) as caught:
        upgraded(model, 13)
    assert caught.value.message.startswith("a model of opset 9 cannot be written at opset 13: ")
    assert caught.value.hint == "Export the model again at a later opset, if its framework can."
