"""ONNX files that cannot be converted: one sentence each."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_sources import DENSE, converted, network, refusal, value

from converters.errors import InspectorError, UnsupportedError
from converters.onnx_model.reading import looks_like_onnx


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


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_gives_one_sentence_or_a_proven_model(save, tmp_path, seed):
    random = np.random.default_rng(seed)
    refused = 0
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
            refused += 1
            assert error.message
            assert "\n" not in error.message
    assert 0 < refused < 40
