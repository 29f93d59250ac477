"""Models of old opsets: raised where that is possible, and judged by what can run them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx_sources import RANDOM, answers, converted, network, refusal, value

from converters.errors import UnsupportedError


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


def test_a_model_from_before_there_were_opsets_is_of_the_first(save, tmp_path):
    model = network(nodes=[helper.make_node("Neg", ["x"], ["y"])], weights=[], ir=2, opset=1)
    del model.opset_import[:]
    model.graph.output[0].CopyFrom(value("y", ["N", 3, 12, 12]))
    done = converted(save(model), tmp_path)
    assert done.certificate.verdict == "equal"
    assert done.certificate.decisions[0] == (
        "Its operators are those of ONNX's own domain, opset 1, imported once."
    )
    x = RANDOM.normal(size=(2, 3, 12, 12)).astype("f4")
    assert np.array_equal(answers(done.path, {"x": x})[0], -x)
