"""Weights meet nodes in the file, and nowhere else."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from converters import assemble
from converters.assemble import Assembled, append_metadata, name_layers, put_back
from converters.errors import UnsupportedError
from converters.runtime import Runtime

FLOAT = TensorProto.FLOAT


def value(name, *shape):
    return helper.make_tensor_value_info(name, FLOAT, shape)


def numbers(name, *values):
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def model(nodes, inputs, initializers=(), outputs=("y",)):
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        list(initializers),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


@pytest.fixture
def conv():
    """A convolution whose weight comes as TensorFlow stores it: height, width, in, out."""
    nodes = [
        helper.make_node("Transpose", ["conv_1/W:0"], ["w__8:0"], name="conv_1/T__8", perm=[3, 2, 0, 1]),
        helper.make_node("Conv", ["x", "w__8:0"], ["c"], name="conv_1/Conv2D", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["y"], name="conv_1/Relu"),
    ]
    return model(nodes, [value("x", 1, 2, 5, 5), value("conv_1/W:0", 3, 3, 2, 4)])


def test_a_transposed_weight_is_folded_and_carries_the_name_of_its_variable(conv):
    weights = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)
    assembled = put_back(conv, {"conv_1/W": weights})
    assert [node.op_type for node in assembled.nodes.graph.node] == ["Conv", "Relu"]
    assert [entry.name for entry in assembled.nodes.graph.input] == ["x"]
    assert list(assembled.weights) == ["conv_1/W"]
    assert np.array_equal(assembled.weights["conv_1/W"], weights.transpose(3, 2, 0, 1))
    assert assembled.parameters == 72


def test_the_file_runs_and_gives_what_a_plain_loop_gives(conv, tmp_path):
    random = np.random.default_rng(0)
    weights = random.normal(size=(3, 3, 2, 4)).astype(np.float32)
    x = random.normal(size=(1, 2, 5, 5)).astype(np.float32)
    put_back(conv, {"conv_1/W": weights}).write(tmp_path / "m.onnx")
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((1, 4, 5, 5))
    for row in range(5):
        for column in range(5):
            patch = padded[0, :, row : row + 3, column : column + 3]
            expected[0, :, row, column] = np.einsum("chw,hwco->o", patch, weights)
    assert np.allclose(run(tmp_path / "m.onnx", {"x": x})[0], np.maximum(expected, 0), atol=1e-5)


def test_reshapes_squeezes_and_identities_of_a_weight_are_folded_too():
    nodes = [
        helper.make_node("Identity", ["a:0"], ["i"]),
        helper.make_node("Reshape", ["i", "shape"], ["r"]),
        helper.make_node("Unsqueeze", ["r", "axis"], ["u"]),
        helper.make_node("Squeeze", ["u", "axis"], ["s"]),
        helper.make_node("Squeeze", ["u"], ["all"]),
        helper.make_node("MatMul", ["x", "s"], ["m"]),
        helper.make_node("Add", ["m", "all"], ["y"]),
    ]
    graph = model(
        nodes, [value("x", 1, 6), value("a:0", 6, 2, 5)], [numbers("shape", 0, -1), numbers("axis", 0)]
    )
    array = np.arange(60, dtype=np.float32).reshape(6, 2, 5)
    assembled = put_back(graph, {"a": array})
    assert [node.op_type for node in assembled.nodes.graph.node] == ["MatMul", "Add"]
    assert {name: array.shape for name, array in assembled.weights.items()} == {"a": (6, 10), "a_1": (6, 10)}
    assert not assembled.nodes.graph.initializer


def test_a_weight_that_other_operators_change_stays_as_it_is():
    nodes = [
        helper.make_node("Mul", ["a:0", "two"], ["d"]),
        helper.make_node("Reshape", ["a:0", "x"], ["e"]),
        helper.make_node("Unsqueeze", ["a:0", "x"], ["f"]),
        helper.make_node("Fold", ["a:0"], ["g"], domain="elsewhere"),
        helper.make_node("Sum", ["d", "e", "f", "g"], ["y"]),
    ]
    two = helper.make_tensor("two", FLOAT, [], [2.0])
    assembled = put_back(model(nodes, [value("x", 1), value("a:0", 3)], [two]), {"a": np.ones(3, np.float32)})
    assert [node.op_type for node in assembled.nodes.graph.node] == [
        "Mul",
        "Reshape",
        "Unsqueeze",
        "Fold",
        "Sum",
    ]
    assert list(assembled.nodes.graph.node[0].input) == ["a", "two"]


def test_a_weight_inside_a_subgraph_is_found_and_renamed():
    branch = helper.make_graph(
        [helper.make_node("Add", ["x", "a:0"], ["z"])], "b", [], [helper.make_empty_tensor_value_info("z")]
    )
    nodes = [helper.make_node("If", ["flag"], ["y"], then_branch=branch, else_branch=branch)]
    graph = model(
        nodes, [value("x", 3), value("a:0", 3), helper.make_tensor_value_info("flag", TensorProto.BOOL, [])]
    )
    assembled = put_back(graph, {"a": np.ones(3, np.float32)})
    assert list(assembled.weights) == ["a"]
    inner = assembled.nodes.graph.node[0].attribute[0].g.node[0]
    assert list(inner.input) == ["x", "a"]


def test_a_weight_that_is_itself_an_output_is_kept_under_that_name(tmp_path):
    nodes = [helper.make_node("Identity", ["a:0"], ["y"]), helper.make_node("Relu", ["x"], ["z"])]
    graph = model(nodes, [value("x", 1), value("a:0", 3)], outputs=("y", "z"))
    put_back(graph, {"a": np.arange(3, dtype=np.float32)}).write(tmp_path / "m.onnx")
    assert run(tmp_path / "m.onnx", {"x": np.ones(1, np.float32)})[0].tolist() == [0, 1, 2]


def test_a_weight_that_nothing_reads_is_left_out():
    graph = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", 1), value("a:0", 3)])
    assert put_back(graph, {"a": np.ones(3, np.float32)}).weights == {}


def test_with_more_outputs_the_model_runs_in_memory_and_gives_the_same(conv, tmp_path):
    random = np.random.default_rng(0)
    assembled = put_back(conv, {"conv_1/W": random.normal(size=(3, 3, 2, 4)).astype(np.float32)})
    assembled.write(tmp_path / "m.onnx")
    x = random.normal(size=(1, 2, 5, 5)).astype(np.float32)
    model = assembled.with_outputs(["c", "y"])
    assert [entry.name for entry in model.graph.output] == ["y", "c"]
    assert [entry.name for entry in assembled.nodes.graph.output] == ["y"]
    values = Runtime(model.SerializeToString(), assembled.weights).run({"x": x})
    assert np.allclose(values["y"], run(tmp_path / "m.onnx", {"x": x})[0], atol=1e-6)
    assert np.array_equal(values["y"], np.maximum(values["c"], 0))


def test_a_model_beyond_the_limit_of_one_file_is_refused_before_anything_is_written(
    conv, tmp_path, monkeypatch
):
    monkeypatch.setattr(assemble, "_PROTOBUF_LIMIT", 300)
    path = tmp_path / "m.onnx"
    with pytest.raises(UnsupportedError) as caught:
        put_back(conv, {"conv_1/W": np.ones((3, 3, 2, 4), np.float32)}).write(path)
    assert caught.value.message.startswith(f"{path}: the model would take ")
    assert caught.value.message.endswith(" bytes; one ONNX file may take 300")
    assert not path.exists()


def test_every_dtype_of_a_weight_arrives_bit_by_bit(tmp_path):
    arrays = {
        str(dtype): np.arange(6).reshape(2, 3).astype(dtype)
        for dtype in (np.float16, np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64, np.bool_)
    }
    graph = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", 1)])
    Assembled(graph, arrays).write(tmp_path / "m.onnx")
    read = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)


def test_a_node_belongs_to_the_longest_layer_name_that_its_own_begins_with():
    names = ["conv_1/Relu", "conv_1__17", "conv_10/Relu", "conv_1/inner/Add", "elsewhere/Add", ""]
    graph = model([helper.make_node("Relu", ["x"], ["y"], name=name) for name in names], [value("x", 1)])
    name_layers(graph, ["conv_1", "conv_1/inner"])
    found = [[(e.key, e.value) for e in node.metadata_props] for node in graph.graph.node]
    key = "inspector.layer"
    assert found == [[(key, "conv_1")], [(key, "conv_1")], [], [(key, "conv_1/inner")], [], []]


def test_metadata_is_appended_and_the_rest_of_the_file_stays(conv, tmp_path):
    path = tmp_path / "m.onnx"
    put_back(conv, {"conv_1/W": np.ones((3, 3, 2, 4), np.float32)}).write(path)
    before = path.read_bytes()
    append_metadata(path, {"inspector.labels": '["ja", "nein"]', "ü": "é"})
    assert path.read_bytes().startswith(before)
    entries = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert entries == {"inspector.labels": '["ja", "nein"]', "ü": "é"}
