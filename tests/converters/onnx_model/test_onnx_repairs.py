"""What is mended or made plain in an ONNX file, and told in the certificate."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_sources import DENSE, KERNEL, RANDOM, answers, converted, network, refusal, value

from converters.onnx_model.reading import read_model


def test_repairs_are_made_and_told(save, tmp_path):
    model = network(inputs=[value("x", ["N", 3, 12, 12]), value("fc/kernel", [288, 4])])
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in (nodes[4], *nodes[:4]):
        node.name = "same"
        node.domain = "ai.onnx"
        model.graph.node.append(node)
    model.graph.node.add(op_type="Abs", input=["x"], output=["nobody"])
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, "f4"), "unread"))
    model.graph.initializer.append(model.graph.initializer[1])
    model.graph.input.append(model.graph.input[0])
    model.graph.value_info.append(value("nowhere", [1]))
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("ai.onnx", 17))
    model.graph.output[0].ClearField("type")
    model.graph.name = ""
    done = converted(save(model), tmp_path)
    assert done.certificate.verdict == "equal"
    assert done.certificate.reference == "the repaired file in onnxruntime"
    assert done.certificate.decisions == (
        "Its operators are those of ONNX's own domain, opset 17, imported once.",
        "1 weight listed as inputs are weights only: fc/kernel.",
        "Declared twice and now once: fc/kernel, x.",
        "Nodes stood before those that make what they read; they are in order.",
        "Left out, because no output needs them: 1 node and 1 weight (unread).",
        "The graph had no name.",
        "4 nodes without a name of their own got one.",
    )
    onnx.checker.check_model(str(done.path), full_check=True)
    x = RANDOM.normal(size=(5, 3, 12, 12)).astype("f4")
    assert np.array_equal(
        answers(done.path, {"x": x})[0], answers(save(network(), "sound.onnx"), {"x": x})[0]
    )


def test_functions_that_the_file_defines_become_plain_nodes(save, tmp_path):
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    function = helper.make_function("own", "Bend", ["a"], ["c"], body, [helper.make_opsetid("", 17)])
    nodes = [*network().graph.node[:4], helper.make_node("Bend", ["f"], ["y"], domain="own")]
    model = network(nodes=nodes, outputs=[value("y", ["N", 288])], functions=[function])
    model.opset_import.append(helper.make_opsetid("own", 1))
    path = save(model)
    done = converted(path, tmp_path)
    assert done.certificate.verdict == "equal"
    assert "1 function that the file defines became plain nodes: Bend." in done.certificate.decisions
    made = onnx.load(done.path)
    assert not made.functions
    assert [node.op_type for node in made.graph.node] == ["Conv", "Relu", "MaxPool", "Flatten", "Relu", "Neg"]
    x = RANDOM.normal(size=(5, 3, 12, 12)).astype("f4")
    assert np.array_equal(answers(done.path, {"x": x})[0], answers(path, {"x": x})[0])


def test_training_is_switched_off(save, tmp_path):
    parts = {name: np.abs(RANDOM.normal(size=8)).astype("f4") for name in ("s", "b", "m", "v")}
    nodes = [
        helper.make_node("Conv", ["x", "features.0.weight"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", *parts], ["n"], name="norm", training_mode=1),
        helper.make_node("Dropout", ["n", "half", "on"], ["y"], name="drop"),
    ]
    weights = [
        numpy_helper.from_array(KERNEL, "features.0.weight"),
        *(numpy_helper.from_array(array, name) for name, array in parts.items()),
        numpy_helper.from_array(np.float32(0.5), "half"),
        numpy_helper.from_array(np.array(True), "on"),
    ]
    done = converted(
        save(network(nodes=nodes, weights=weights, outputs=[value("y", ["N", 8, 12, 12])])), tmp_path
    )
    assert done.certificate.verdict == "equal"
    assert "Set from training to inference: drop, norm." in done.certificate.decisions
    x = RANDOM.normal(size=(2, 3, 12, 12)).astype("f4")
    plain = save(network(nodes=nodes[:1], weights=weights[:1], outputs=[value("c", None)]), "plain.onnx")
    scale, shift, mean, variance = (array.reshape(1, 8, 1, 1).astype("f8") for array in parts.values())
    by_hand = (answers(plain, {"x": x})[0] - mean) / np.sqrt(variance + 1e-5) * scale + shift
    np.testing.assert_allclose(answers(done.path, {"x": x})[0], by_hand, rtol=1e-4, atol=1e-5)


def test_bits_without_a_meaning_are_cleared(save, tmp_path):
    mask = helper.make_tensor("mask", TensorProto.BOOL, [2000], b"\x02\x00" * 1000, raw=True)
    small = helper.make_tensor("few", TensorProto.BOOL, [2], b"\x00\x07", raw=True)
    nodes = [
        helper.make_node("Where", ["mask", "x", "zero"], ["w"]),
        helper.make_node("Where", ["pick", "w", "x"], ["y"]),
        helper.make_node("Gather", ["few", "one"], ["pick"]),
    ]
    nodes = [nodes[2], nodes[0], nodes[1]]
    weights = [
        mask,
        small,
        numpy_helper.from_array(np.float32(0), "zero"),
        numpy_helper.from_array(np.int64(1), "one"),
    ]
    model = network(
        nodes=nodes, weights=weights, inputs=[value("x", ["N", 2000])], outputs=[value("y", ["N", 2000])]
    )
    done = converted(save(model), tmp_path)
    assert done.certificate.verdict == "equal"
    assert "Bits without a meaning are cleared in 2 weights: mask, few." in done.certificate.decisions
    x = np.ones((1, 2000), "f4")
    assert answers(done.path, {"x": x})[0].tolist() == [[1.0, 0.0] * 1000]


def test_a_repeated_large_weight_stays_once_and_is_told(save, tmp_path):
    weights = [numpy_helper.from_array(KERNEL, "features.0.weight")]
    weights += [numpy_helper.from_array(DENSE, "fc/kernel")] * 2
    path = save(network(weights=weights))
    assert read_model(path).repeated == ("fc/kernel",)
    done = converted(path, tmp_path)
    assert "Declared twice and now once: fc/kernel." in done.certificate.decisions
    done.path.unlink()
    weights[2] = numpy_helper.from_array(KERNEL + 1, "features.0.weight")
    path = save(network(weights=weights))
    assert refusal(path, tmp_path) == (
        f"{path}: two weights are called 'features.0.weight', with different numbers"
    )


def test_an_odd_number_of_half_bytes_has_a_clear_last_one(save, tmp_path):
    nodes = [
        helper.make_node("DequantizeLinear", ["few", "one"], ["d"]),
        helper.make_node("Add", ["x", "d"], ["y"]),
    ]
    few = helper.make_tensor("few", TensorProto.INT4, [3], b"\x21\xf3", raw=True)
    weights = [few, numpy_helper.from_array(np.float32(1), "one")]
    model = network(
        opset=21, nodes=nodes, weights=weights, inputs=[value("x", ["N", 3])], outputs=[value("y", ["N", 3])]
    )
    done = converted(save(model), tmp_path)
    assert done.certificate.decisions[-2] == "Bits without a meaning are cleared in 1 weight: few."
    assert answers(done.path, {"x": np.zeros((1, 3), "f4")})[0].tolist() == [[1.0, 2.0, 3.0]]


def test_dropout_that_is_switched_off_by_a_constant_is_no_random_operator(save, tmp_path):
    nodes = [
        helper.make_node("Constant", [], ["off"], value=numpy_helper.from_array(np.array(False))),
        helper.make_node("Dropout", ["x", "", "off"], ["d"]),
        helper.make_node("Neg", ["d"], ["y"]),
    ]
    path = save(network(nodes=nodes, weights=[], outputs=[value("y", ["N", 3, 12, 12])]))
    done = converted(path, tmp_path)
    assert done.certificate.verdict == "equal"
    assert not any("training" in sentence for sentence in done.certificate.decisions)
    x = RANDOM.normal(size=(2, 3, 12, 12)).astype("f4")
    assert np.array_equal(answers(done.path, {"x": x})[0], -x)
