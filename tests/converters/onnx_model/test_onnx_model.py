"""ONNX itself as a source of `convert`: what stays, and what is chosen."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_sources import DENSE, KERNEL, RANDOM, answers, converted, network, refusal, value

from converters.conversion import convert
from converters.errors import UnsupportedError
from converters.formats import recognise
from converters.onnx_model.reading import looks_like_onnx, read_model
from converters.verification import verify


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
    assert "Free sizes are set as was asked for: x [N, 3, 12, 12]." in done.certificate.decisions
    (declared,) = onnx.load(done.path).graph.input
    sizes = [axis.dim_value or axis.dim_param for axis in declared.type.tensor_type.shape.dim]
    assert sizes == ["N", 3, 12, 12]


def test_an_axis_of_the_same_name_gets_the_size_too(save, tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = save(
        network(nodes=nodes, weights=[], inputs=[value("x", ["N", "W"])], outputs=[value("y", ["N", "W"])])
    )
    done = converted(path, tmp_path, input_shapes=("N,7",))
    (declared,) = onnx.load(done.path).graph.output
    assert [axis.dim_value or axis.dim_param for axis in declared.type.tensor_type.shape.dim] == ["N", 7]


def test_a_size_that_the_model_declares_stays(save, tmp_path):
    path = save(network())
    assert refusal(path, tmp_path, input_shapes=("N,3,12,13",)) == (
        f"{path}: the input x is declared as (N, 3, 12, 12); --input-shape says (N, 3, 12, 13)"
    )


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
    assert refusal(path, tmp_path, UnsupportedError) == (
        f"{path}: its output 'y' is no tensor of numbers, as far as it says"
    )
