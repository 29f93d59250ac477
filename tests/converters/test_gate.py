"""What a converted model must pass before it is compared."""

import numpy as np
import pytest
from onnx import TensorProto, helper, save

from converters import gate
from converters.errors import UnsupportedError
from converters.runtime import Runtime

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
FEEDS = {"x": np.array([1.0, -1.0], np.float32)}


def model(*nodes):
    graph = helper.make_graph(list(nodes), "g", [X], [Y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def refusal(*nodes):
    with pytest.raises(UnsupportedError) as caught:
        gate.check_nodes(model(*nodes), "net.pb")
    return caught.value.message


def test_a_plain_model_passes_all_checks(tmp_path):
    good = model(helper.make_node("Relu", ["x"], ["y"]))
    save(good, tmp_path / "m.onnx")
    assert gate.check_nodes(good, "net.pb") == ("no foreign operator", "nothing random")
    assert gate.check_file(tmp_path / "m.onnx") == ("onnx.checker",)
    passed = gate.check_answers(Runtime(tmp_path / "m.onnx"), [FEEDS])
    assert passed == ("opens in onnxruntime", "the same answer twice")


def test_operators_that_are_not_onnx_are_named_once_with_their_layers():
    first = helper.make_node("ExtractImagePatches", ["x"], ["a"], name="n1")
    entry = first.metadata_props.add()
    entry.key, entry.value = "inspector.layer", "conv_1"
    second = helper.make_node("ExtractImagePatches", ["a"], ["b"], name="n2")
    third = helper.make_node("Custom", ["b"], ["y"], name="n3", domain="ai.somebody")
    found = "ExtractImagePatches in conv_1, n2; Custom in n3"
    expected = f"net.pb: holds operations that have no ONNX counterpart: {found}"
    assert refusal(first, second, third) == expected


def test_an_operator_newer_than_the_models_opset_is_foreign():
    assert refusal(helper.make_node("Gelu", ["x"], ["y"], name="g")).endswith("counterpart: Gelu in g")


def test_random_operators_are_refused_in_subgraphs_too():
    inner = helper.make_graph(
        [helper.make_node("RandomNormalLike", ["x"], ["z"], name="noise")], "b", [], [Y]
    )
    assert refusal(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)) == (
        "net.pb: draws random numbers when it runs: RandomNormalLike in noise"
    )


def test_a_dropout_that_is_switched_on_is_random_and_one_that_is_not_is_fine():
    gate.check_nodes(model(helper.make_node("Dropout", ["x"], ["y"], name="d")), "net.pb")
    on = helper.make_node("Dropout", ["x", "ratio", "training"], ["y"], name="d")
    assert refusal(on) == "net.pb: draws random numbers when it runs: Dropout in d"


def test_what_onnx_itself_finds_wrong_is_told(tmp_path):
    save(model(helper.make_node("Relu", ["nowhere"], ["y"])), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"^the converted model is not valid ONNX: .*nowhere"):
        gate.check_file(tmp_path / "m.onnx")


def test_a_model_that_onnxruntime_cannot_open_is_told(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\xff\xff")
    with pytest.raises(UnsupportedError, match=r"^onnxruntime cannot open the converted model: "):
        Runtime(tmp_path / "m.onnx")


def test_a_model_that_onnxruntime_cannot_run_is_told(tmp_path):
    save(model(helper.make_node("Relu", ["x"], ["y"])), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"^onnxruntime cannot run the converted model: "):
        Runtime(tmp_path / "m.onnx").run({"x": np.zeros((3, 3), np.float32)})


def test_two_different_answers_are_refused_even_when_no_operator_is_known_as_random(tmp_path):
    noise = helper.make_node("RandomNormalLike", ["x"], ["y"])
    save(model(noise), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError) as caught:
        gate.check_answers(Runtime(tmp_path / "m.onnx"), [FEEDS])
    assert caught.value.message == "the converted model gives two answers for y on one input"


def test_inputs_that_the_model_may_refuse_are_left_out_unless_it_refuses_all(tmp_path):
    save(model(helper.make_node("Relu", ["x"], ["y"])), tmp_path / "m.onnx")
    wrong = {"x": np.zeros((3, 3), np.float32)}
    runtime = Runtime(tmp_path / "m.onnx")
    assert gate.check_answers(runtime, [wrong, FEEDS]) == ("opens in onnxruntime", "the same answer twice")
    with pytest.raises(UnsupportedError, match=r"^onnxruntime cannot run the converted model: "):
        gate.check_answers(runtime, [wrong, wrong])


def test_a_loop_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("converters.runtime._LONGEST_RUN", 0.3)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Mul", ["v", "v"], ["w"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [2]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [2]),
        ],
    )
    endless = model(helper.make_node("Loop", ["times", "", "x"], ["y"], body=body))
    endless.graph.initializer.append(helper.make_tensor("times", TensorProto.INT64, [], [2**62]))
    save(endless, tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError) as caught:
        Runtime(tmp_path / "m.onnx").run(FEEDS)
    assert caught.value.message == "onnxruntime ran the converted model for 0.3 seconds without a result"
