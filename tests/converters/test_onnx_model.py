"""ONNX itself as a source of `convert`."""

import json
import os
import sys
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.conversion import convert
from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.formats import Request, recognise
from converters.onnx_model.reading import looks_like_onnx, read_model
from converters.verification import verify

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "certificate.schema.json").read_text(encoding="utf-8")
)
RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(0, 0.3, (8, 3, 3, 3)).astype("f4")
DENSE = RANDOM.normal(0, 0.3, (288, 4)).astype("f4")
AGAIN = "Export or download it again."


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def network(*, opset=17, ir=10, weights=None, nodes=None, inputs=None, outputs=None, **more):
    """A convolution and a dense layer."""
    nodes = nodes or [
        helper.make_node("Conv", ["x", "features.0.weight"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "fc/kernel"], ["y"]),
    ]
    if weights is None:
        weights = [
            numpy_helper.from_array(KERNEL, "features.0.weight"), numpy_helper.from_array(DENSE, "fc/kernel")
        ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "net", inputs or [value("x", ["N", 3, 12, 12])], outputs or [value("y", ["N", 4])], weights
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, **more)


@pytest.fixture
def save(tmp_path):
    def write(model, name="net.onnx"):
        (tmp_path / name).write_bytes(model.SerializeToString())
        return tmp_path / name

    return write


def converted(path, tmp_path, **choices):
    done = convert(path, tmp_path / "out.onnx", request=Request(**choices), force=True)
    jsonschema.validate(done.certificate.to_dict(), SCHEMA)
    return done


def answers(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def refusal(path, tmp_path, kind=SourceError, **choices):
    with pytest.raises(kind) as caught:
        converted(path, tmp_path, **choices)
    assert not (tmp_path / "out.onnx").exists()
    return caught.value.message


def test_a_sound_model_gets_names_layers_and_a_certificate_and_gives_the_same_numbers(save, tmp_path):
    path = save(network())
    done = converted(path, tmp_path)
    assert done.certificate.verdict == "equal"
    assert done.certificate.format == "ONNX model, opset 17"
    assert done.certificate.reference == "the file itself in onnxruntime"
    assert done.certificate.decisions == ("5 nodes without a name of their own got one.",)
    assert [item.name for item in done.certificate.layers] == [
        "features.0", "max_pool_1", "flatten_1", "fc"
    ]  # fmt: skip
    model = onnx.load(done.path)
    assert [node.name for node in model.graph.node] == [
        "conv_1", "relu_1", "max_pool_1", "flatten_1", "mat_mul_1"
    ]  # fmt: skip
    layers = [{entry.key: entry.value for entry in node.metadata_props} for node in model.graph.node]
    assert layers[1] == {"inspector.layer": "features.0"}
    x = RANDOM.normal(size=(5, 3, 12, 12)).astype("f4")
    assert np.array_equal(answers(done.path, {"x": x})[0], answers(path, {"x": x})[0])


def test_weights_are_views_of_the_mapped_file(save):
    weights = read_model(save(network())).model.weights
    # The kernel has less than 1 KiB, and stays with the nodes.
    assert set(weights) == {"fc/kernel"}
    assert all(not array.flags.owndata for array in weights.values())
    assert np.array_equal(weights["fc/kernel"], DENSE)


def test_an_old_opset_becomes_the_one_asked_for(save, tmp_path):
    softmax = [
        *network().graph.node,
        helper.make_node("Softmax", ["y"], ["s"], name="last", axis=1),
    ]
    path = save(network(opset=9, ir=4, nodes=softmax, outputs=[value("s", ["N", 4])]))
    done = converted(path, tmp_path, opset=18)
    assert done.certificate.verdict == "equal"
    assert done.certificate.model["opset"] == 18
    assert "Opset 9 became 18." in done.certificate.decisions
    assert "IR version 4 became 10." in done.certificate.decisions
    assert "last" in [node.name for node in onnx.load(done.path).graph.node]


def test_a_model_too_old_for_onnxruntime_is_judged_by_onnxs_own_evaluator(save, tmp_path):
    nodes = [
        helper.make_node("PRelu", ["x", "slope"], ["a"]),
        helper.make_node("Dropout", ["a"], ["b"], ratio=0.5),
        helper.make_node("LogSoftmax", ["b"], ["y"], axis=1),
    ]
    slope = numpy_helper.from_array(np.array([0.1, 0.5, 2.0], "f4"), "slope")
    model = network(
        opset=6, ir=3, nodes=nodes, weights=[slope], outputs=[value("y", ["N", 3, 12, 12])],
        inputs=[value("x", ["N", 3, 12, 12]), value("slope", [3])],
    )  # fmt: skip
    done = converted(save(model), tmp_path)
    assert done.certificate.verdict == "equal"
    assert done.certificate.reference == "the file itself in onnx's reference evaluator"
    assert "1 weight listed as inputs are weights only: slope." in done.certificate.decisions
    x = RANDOM.normal(size=(2, 3, 12, 12)).astype("f4")
    bent = np.where(x < 0, x * np.array([0.1, 0.5, 2.0], "f4")[:, None, None], x).reshape(2, -1)
    expected = bent - np.log(np.exp(bent).sum(axis=1, keepdims=True))
    assert np.allclose(answers(done.path, {"x": x})[0].reshape(2, -1), expected, atol=1e-5)


def test_an_operator_that_no_later_opset_has_keeps_the_model_where_it_runs(save, tmp_path, monkeypatch):
    def never(model, opset):
        raise UnsupportedError("no way")

    monkeypatch.setattr("converters.opset.upgraded", never)
    done = converted(save(network(opset=12)), tmp_path)
    assert "Opset 12 is kept: no way." in done.certificate.decisions
    done.path.unlink()
    assert refusal(save(network(opset=6, ir=3)), tmp_path, UnsupportedError) == "no way"


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


def test_functions_that_the_file_defines_become_plain_nodes(save, tmp_path):
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    function = helper.make_function("own", "Bend", ["a"], ["c"], body, [helper.make_opsetid("", 17)])
    nodes = [*network().graph.node[:4], helper.make_node("Bend", ["f"], ["y"], domain="own")]
    model = network(nodes=nodes, outputs=[value("y", ["N", 288])], functions=[function])
    model.opset_import.append(helper.make_opsetid("own", 1))
    done = converted(save(model), tmp_path)
    assert done.certificate.verdict == "equal"
    assert "1 function that the file defines became plain nodes: Bend." in done.certificate.decisions
    assert not onnx.load(done.path).functions


def test_functions_that_call_themselves_or_grow_without_measure_are_refused(save, tmp_path):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]

    def function(name, calls):
        names = ["a", *[f"v{n}" for n in range(len(calls) - 1)], "c"]
        body = [
            helper.make_node(op, [names[n]], [names[n + 1]], domain="own" if op != "Abs" else "")
            for n, op in enumerate(calls)
        ]
        return helper.make_function("own", name, ["a"], ["c"], body, opsets)

    nodes = [*network().graph.node[:4], helper.make_node("F0", ["f"], ["y"], domain="own")]
    for calls, reason in (
        ([function("F0", ["F1"]), function("F1", ["F0"])], "its function 'F0' calls itself"),
        (
            [*(function(f"F{n}", [f"F{n + 1}"] * 10) for n in range(8)), function("F8", ["Abs"])],
            "its functions stand for 100,000,004 nodes; expected 1,000,000 at most",
        ),
    ):
        model = network(nodes=nodes, outputs=[value("y", ["N", 288])], functions=calls)
        model.opset_import.append(helper.make_opsetid("own", 1))
        path = save(model)
        assert refusal(path, tmp_path, UnsupportedError) == f"{path}: {reason}"


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


def test_other_inputs_and_outputs_can_be_asked_for(save, tmp_path):
    path = save(network())
    done = converted(path, tmp_path, inputs=("r",), outputs=("f",))
    assert done.certificate.verdict == "equal"
    assert done.certificate.decisions[:2] == ("Inputs: r: as asked.", "Outputs: f: as asked.")
    assert (done.certificate.model["inputs"], done.certificate.model["outputs"]) == (["r"], ["f"])
    assert verify(path, done.path).equal
    r = RANDOM.normal(size=(2, 8, 12, 12)).astype("f4")
    windows = r.reshape(2, 8, 6, 2, 6, 2).max(axis=(3, 5))
    assert np.array_equal(answers(done.path, {"r": r})[0], windows.reshape(2, -1))


def test_values_that_are_not_there_or_not_enough_are_told(save, tmp_path):
    path = save(network())
    assert refusal(path, tmp_path, outputs=("q",)) == f"{path}: has no value 'q'"
    two = [value("x", ["N", 4]), value("z", ["N", 4])]
    nodes = [helper.make_node("Add", ["x", "z"], ["a"]), helper.make_node("Neg", ["a"], ["y"])]
    path = save(network(nodes=nodes, weights=[], inputs=two))
    assert refusal(path, tmp_path, inputs=("x",)) == (
        f"{path}: its outputs y need the input 'z', which is not among --inputs"
    )


def test_free_axes_can_be_given_sizes(save, tmp_path):
    path = save(network(inputs=[value("x", ["N", 3, "H", "W"])]))
    assert refusal(path, tmp_path, UnsupportedError).startswith(
        "onnxruntime cannot run the converted model: "
    )
    done = converted(path, tmp_path, input_shapes=("N,3,12,12",))
    assert done.certificate.verdict == "equal"


def test_metadata_stay_and_an_old_certificate_does_not(save, tmp_path):
    model = network()
    for key, text in (("inspector.certificate", "old"), ("inspector.labels", "old"), ("author", "me")):
        model.metadata_props.add(key=key, value=text)
    path = save(model)
    done = convert(path, tmp_path / "out.onnx", metadata=lambda opened: {"inspector.labels": "new"})
    stored = [(entry.key, entry.value) for entry in onnx.load(done.path).metadata_props]
    assert stored[:2] == [("author", "me"), ("inspector.labels", "new")]
    assert [key for key, _ in stored] == ["author", "inspector.labels", "inspector.certificate"]


def test_layer_names_that_a_file_has_stay(save, tmp_path):
    model = network()
    model.graph.node[0].metadata_props.add(key="inspector.layer", value="mine")
    done = converted(save(model), tmp_path)
    assert done.certificate.layers[0].name == "mine"


def test_shape_arithmetic_is_no_layer(save, tmp_path):
    nodes = [
        *network().graph.node[:3],
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axis"], ["u"]),
        helper.make_node("Concat", ["u", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["p", "shape"], ["y"], name="flat"),
    ]
    weights = [
        numpy_helper.from_array(KERNEL, "features.0.weight"),
        numpy_helper.from_array(np.int64(0), "zero"),
        numpy_helper.from_array(np.array([0]), "axis"),
        numpy_helper.from_array(np.array([-1]), "rest"),
    ]
    done = converted(save(network(nodes=nodes, weights=weights, outputs=[value("y", ["N", 288])])), tmp_path)
    assert [item.name for item in done.certificate.layers] == ["features.0", "max_pool_1", "flat"]
    marked = {n.op_type: e.value for n in onnx.load(done.path).graph.node for e in n.metadata_props}
    assert marked["Gather"] == "flat"


def external(folder, location, *, data=None, **entries):
    """A model whose dense weight lies in another file."""
    model = network()
    (tensor,) = [each for each in model.graph.initializer if each.name == "fc/kernel"]
    raw = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(text))
    tensor.doc_string = " " * 1024
    if data is not None:
        data.write_bytes(raw)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "net.onnx"


def test_external_data_become_part_of_the_one_file(tmp_path):
    (tmp_path / "data").mkdir()
    path = external(tmp_path, "data/w.bin", data=tmp_path / "data" / "w.bin", offset=0, length=DENSE.nbytes)
    done = converted(path, tmp_path)
    assert done.certificate.verdict == "equal"
    assert [file.name for file in done.certificate.files] == ["net.onnx", "w.bin"]
    (tmp_path / "data" / "w.bin").unlink()
    x = RANDOM.normal(size=(1, 3, 12, 12)).astype("f4")
    assert answers(done.path, {"x": x})[0].shape == (1, 4)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("../w.bin", "which is not below the model's folder"),
        ("/etc/passwd", "which is not below the model's folder"),
        ("C:\\w.bin", "which is not below the model's folder"),
        ("", "which is no file name"),
        ("absent.bin", "which is not there"),
        ("folder", "which is no plain file"),
    ],
)
def test_external_data_elsewhere_are_not_read(tmp_path, location, reason):
    (tmp_path / "folder").mkdir()
    path = external(tmp_path, location)
    assert refusal(path, tmp_path) == f"{path}: the weight 'fc/kernel' lies in {location!r}, {reason}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links")
def test_external_data_are_not_read_through_links(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_bytes(DENSE.tobytes())
    (tmp_path / "inside" / "soft.bin").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", tmp_path / "inside" / "hard.bin")
    for name, reason in (("soft.bin", "which is a link"), ("hard.bin", "which has another name elsewhere")):
        path = external(tmp_path / "inside", name)
        assert refusal(path, tmp_path) == f"{path}: the weight 'fc/kernel' lies in {name!r}, {reason}"


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (
            {"length": 4},
            f"the weight 'fc/kernel' has 4 bytes of external data; its shape takes {DENSE.nbytes:,}",
        ),
        (
            {"offset": 8},
            "the weight 'fc/kernel' ends at byte 4,616 of w.bin, which holds 4,608",
        ),
        (
            {"offset": "-8"},
            "the external data of the weight 'fc/kernel' has the offset '-8'; expected a whole number",
        ),
    ],
)
def test_external_data_that_cannot_be_are_told(tmp_path, entries, reason):
    path = external(tmp_path, "w.bin", data=tmp_path / "w.bin", **entries)
    assert refusal(path, tmp_path) == f"{path}: {reason}"


def test_external_data_hidden_in_an_attribute_are_refused(save, tmp_path):
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    nodes = [*network().graph.node, helper.make_node("Constant", [], ["k"], value=tensor, name="hidden")]
    path = save(network(nodes=nodes))
    assert refusal(path, tmp_path) == (
        f"{path}: an attribute of the node 'hidden' keeps its numbers in another file; "
        "only plain weights of the graph may"
    )


def broken(change):
    model = network()
    change(model)
    return model


def two_different(model):
    model.graph.initializer.append(numpy_helper.from_array(DENSE + 1, "fc/kernel"))


def too_short(model):
    model.graph.initializer[1].raw_data = model.graph.initializer[1].raw_data[:-4]


def negative(model):
    model.graph.initializer[1].dims[0] = -288


def circle(model):
    model.graph.node[1].input[0] = "p"


def undefined(model):
    model.graph.node[1].input[0] = "nowhere"


def no_output(model):
    model.graph.output[0].name = "lost"


def no_opset(model):
    del model.opset_import[:]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (two_different, "two weights are called 'fc/kernel', with different numbers"),
        (too_short, "the weight 'fc/kernel' holds 4,604 bytes; its shape takes 4,608"),
        (negative, "the weight 'fc/kernel' has the shape -288x4, which cannot be"),
        (circle, "its nodes go round in a circle at 'r'"),
        (undefined, "the node 'Relu' reads 'nowhere', which nothing makes"),
        (no_output, "nothing makes its output 'lost'"),
        (no_opset, "does not say of which opset it is"),
    ],
)
def test_what_cannot_be_repaired_is_told(save, tmp_path, change, reason):
    path = save(broken(change))
    assert refusal(path, tmp_path) == f"{path}: {reason}"


def test_a_graph_without_anything_in_it_is_told(save, tmp_path):
    path = save(onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(name="empty")))
    assert refusal(path, tmp_path) == f"{path}: the ONNX model has no graph"


def test_inputs_that_are_no_numbers_are_refused(save, tmp_path):
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    text = [value("x", ["N"], TensorProto.STRING)]
    path = save(
        network(nodes=nodes, weights=[], inputs=text, outputs=[value("y", ["N"], TensorProto.STRING)])
    )
    assert refusal(path, tmp_path, UnsupportedError) == (
        f"{path}: its input 'x' is no tensor of numbers, as far as it says"
    )


def test_a_truncated_model_is_known_as_one_and_refused(save, tmp_path):
    path = save(network())
    whole = path.read_bytes()
    for size in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert looks_like_onnx(path)
        assert refusal(path, tmp_path).startswith(f"{path}: is truncated or no ONNX model")


def test_onnx_is_known_by_its_content(save, tmp_path):
    path = save(network(), "net.bin")
    assert recognise(path).name == "ONNX model"
    for content in (
        b"",
        b"hello",
        b"\x08\x01\x12\x05abcde",
        b"\x0a\x03abc",
        b"\x08\x07",
        b"\x08\x07\xff\xff",
    ):
        (tmp_path / "other").write_bytes(content)
        assert not looks_like_onnx(tmp_path / "other")
    assert not looks_like_onnx(tmp_path)
    assert not looks_like_onnx(tmp_path / "absent")


def test_weights_of_any_kind_come_through(save, tmp_path):
    typed = helper.make_tensor("typed", TensorProto.FLOAT, [300], RANDOM.normal(size=300).tolist())
    half = numpy_helper.from_array(RANDOM.normal(size=1000).astype("f2"), "half")
    brain = helper.make_tensor("brain", TensorProto.BFLOAT16, [1000], b"\x80\x3f" * 1000, raw=True)
    nodes = [
        helper.make_node("Cast", ["half"], ["h"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["brain"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["h", "b"], ["t"]),
        helper.make_node("ReduceSum", ["t"], ["u"], keepdims=0),
        helper.make_node("ReduceSum", ["typed"], ["v"], keepdims=0),
        helper.make_node("Add", ["u", "v"], ["w"]),
        helper.make_node("Add", ["x", "w"], ["y"]),
    ]
    path = save(
        network(
            nodes=nodes,
            weights=[typed, half, brain],
            inputs=[value("x", ["N", 2])],
            outputs=[value("y", ["N", 2])],
        )
    )
    done = converted(path, tmp_path)
    assert done.certificate.verdict == "equal"
    x = np.zeros((1, 2), "f4")
    assert np.allclose(answers(done.path, {"x": x})[0], answers(path, {"x": x})[0], rtol=1e-6)


def test_layers_that_hold_sequences_are_left_out(save, tmp_path):
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["parts"], name="split", axis=1, keepdims=1),
        helper.make_node("ConcatFromSequence", ["parts"], ["y"], name="join", axis=1),
    ]
    path = save(
        network(nodes=nodes, weights=[], inputs=[value("x", ["N", 4])], outputs=[value("y", ["N", 4])])
    )
    done = converted(path, tmp_path)
    assert [item.name for item in done.certificate.layers] == ["join"]


def test_numbers_of_onnxs_own_evaluator_that_are_not_finite_prove_nothing(save, tmp_path):
    nodes = [helper.make_node("LogSoftmax", ["x"], ["y"], axis=1)]
    path = save(
        network(
            opset=6,
            ir=3,
            nodes=nodes,
            weights=[],
            inputs=[value("x", ["N", 4])],
            outputs=[value("y", ["N", 4])],
        )
    )
    done = converted(path, tmp_path)
    assert done.certificate.verdict == "equal"
    assert len(done.certificate.trials) == 3
    assert done.certificate.decisions[-1] == (
        f"Inputs uniform in 0..255 are left out: {path}: "
        "onnx's reference evaluator gives no finite numbers for 'y'"
    )


def test_a_model_that_nothing_runs_is_told(save, tmp_path):
    nodes = [helper.make_node("Own", ["x"], ["y"], domain="somebody")]
    model = network(nodes=nodes, weights=[], inputs=[value("x", ["N"])], outputs=[value("y", ["N"])])
    model.opset_import.append(helper.make_opsetid("somebody", 1))
    path = save(model)
    assert refusal(path, tmp_path, UnsupportedError) == (
        f"{path}: holds operations that have no ONNX counterpart: Own in own_1"
    )


def test_names_that_are_no_text_are_refused(save, tmp_path):
    path = save(network())
    path.write_bytes(path.read_bytes().replace(b"MaxPool", b"MaxP\xd6ol"))
    assert refusal(path, tmp_path) == f"{path}: holds names that are no text"


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


def test_a_model_from_before_there_were_opsets_is_of_the_first(save, tmp_path):
    model = network(nodes=[helper.make_node("Neg", ["x"], ["y"])], weights=[], ir=2, opset=1)
    del model.opset_import[:]
    model.graph.output[0].CopyFrom(value("y", ["N", 3, 12, 12]))
    done = converted(save(model), tmp_path)
    assert done.certificate.verdict == "equal"
    assert done.certificate.decisions[0] == (
        "Its operators are those of ONNX's own domain, opset 1, imported once."
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


def test_axes_and_types_that_a_file_does_not_declare_are_worked_out(save, tmp_path):
    nodes = [*network().graph.node, helper.make_node("ArgMax", ["y"], ["best"], axis=1, keepdims=0)]
    model = network(nodes=nodes, outputs=[onnx.ValueInfoProto(name="best")])
    done = converted(save(model), tmp_path)
    assert done.certificate.verdict == "equal"
    assert onnx.load(done.path).graph.output[0].type.tensor_type.elem_type == TensorProto.INT64
    done.path.unlink()
    strange = onnx.ValueInfoProto(name="y")
    strange.type.tensor_type.elem_type = 99
    path = save(network(outputs=[strange]))
    assert "'y' is no tensor of numbers" in refusal(path, tmp_path, UnsupportedError)


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_gives_one_sentence_or_a_proven_model(save, tmp_path, seed):
    random = np.random.default_rng(seed)
    whole = save(network(opset=12, ir=7)).read_bytes()
    path = tmp_path / "damaged.onnx"
    for _ in range(40):
        damaged = bytearray(whole)
        at = int(random.integers(0, len(damaged) if random.random() < 0.3 else 400))
        if random.random() < 0.5:
            damaged[at] = int(random.integers(0, 256))
        else:
            del damaged[at : at + int(random.integers(1, 9))]
        path.write_bytes(damaged)
        try:
            assert converted(path, tmp_path).certificate.verdict == "equal"
        except InspectorError as error:
            assert error.message
            assert "\n" not in error.message
