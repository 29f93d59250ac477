"""Which output holds class scores, and how probabilities are made of it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grey_network import DECLARED, SIDE, SOFTMAX, WEIGHTS, Net, all_scores, expected, pictures
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.cli.predict import predict as predict_command
from inspector.errors import OptionError, UnknownLayerError
from inspector.model import Model, load
from inspector.predict import Predictor


@pytest.mark.parametrize(
    ("tail", "sentence"),
    [
        (SOFTMAX, "the model's own softmax gives the probabilities"),
        (
            [helper.make_node("Identity", ["z"], ["y"])],
            "a softmax is applied, because the model ends in MatMul",
        ),
        (
            [helper.make_node("LogSoftmax", ["z"], ["y"])],
            "probabilities are the exponential of the model's log-softmax",
        ),
        (
            [helper.make_node("Softmax", ["z"], ["s"]), helper.make_node("Log", ["s"], ["y"])],
            "probabilities are the exponential of the model's log-softmax",
        ),
        (
            [
                helper.make_node("Softmax", ["z"], ["s"]),
                helper.make_node("Unsqueeze", ["s", "axes"], ["u"]),
                helper.make_node("Identity", ["u"], ["y"]),
            ],
            "the model's own softmax gives the probabilities",
        ),
        (
            [
                helper.make_node("Exp", ["z"], ["e"]),
                helper.make_node("ReduceSum", ["e", "one"], ["s"], keepdims=1),
                helper.make_node("Div", ["e", "s"], ["y"]),
            ],
            "the model's own softmax gives the probabilities",
        ),
    ],
)
def test_a_softmax_is_applied_only_where_the_model_has_none(
    tail: list[NodeProto], sentence: str, net: Net
) -> None:
    model = net(tail, output=None, constants={"axes": np.array([2, 3]), "one": np.array([1])})
    picture = pictures(1)[0]
    found = model.predict(picture)
    assert found.scores == sentence
    assert np.allclose(all_scores(found[0]), expected(picture), atol=1e-6)


def test_a_sigmoid_for_each_class_is_left_as_it_is(net: Net) -> None:
    found = net([helper.make_node("Sigmoid", ["z"], ["y"])]).predict(np.zeros((SIDE, SIDE), np.uint8))
    assert found[0].probabilities.tolist() == [0.5] * 3
    assert found.scores == "the model's own sigmoid gives a probability for each class by itself"


def test_a_single_sigmoid_is_two_classes(net: Net) -> None:
    weights = np.full((SIDE * SIDE, 1), 1 / SIDE**2, np.float32)
    metadata = {**DECLARED, "inspector.labels": '["no", "yes"]'}
    model = net(
        [helper.make_node("Sigmoid", ["z"], ["y"])], weights=weights, output=("N", 1), metadata=metadata
    )
    found = model.predict(np.full((SIDE, SIDE), 255, np.uint8))[0]
    assert found.labels == ("yes", "no")
    assert np.allclose(found.probabilities, [1 / (1 + np.exp(-1)), 1 - 1 / (1 + np.exp(-1))], atol=1e-6)


def test_a_class_number_is_no_class_score(net: Net) -> None:
    model = net([*SOFTMAX, helper.make_node("ArgMax", ["y"], ["best"], axis=1)])
    assert Predictor(model).scores.output == "y"
    assert Predictor(model, output="best").scores.maker == "ArgMax"
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1), output="best")
    assert caught.value.message == (
        f"{model.path}: the output 'best' is one number for each picture and made by ArgMax; "
        "expected class scores, or a sigmoid"
    )


def test_a_single_number_without_sigmoid_is_no_class(net: Net) -> None:
    tail = [helper.make_node("Identity", ["z"], ["y"])]
    model = net(tail, weights=WEIGHTS[:, :1], output=("N", 1))
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(2))
    assert caught.value.message == (
        f"{model.path}: the output 'y' is one number for each picture and made by MatMul; "
        "expected class scores, or a sigmoid"
    )


def test_an_output_of_another_shape_is_no_list_of_classes(net: Net) -> None:
    tail = [helper.make_node("Reshape", ["z", "form"], ["y"])]
    model = net(
        tail, output=None, weights=np.hstack([WEIGHTS, WEIGHTS]), constants={"form": np.array([-1, 2, 3])}
    )
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1))
    assert caught.value.message == (
        f"{model.path}: the output 'y' has the shape (1, 2, 3) for 1 picture; "
        "expected a score for each class: (batch, classes)"
    )


def test_the_first_output_that_looks_like_classes_is_taken(net: Net) -> None:
    tail = [
        helper.make_node("Reshape", ["z", "form"], ["boxes"]),
        helper.make_node("ReduceMax", ["z"], ["best"], axes=[1]),
        *SOFTMAX,
    ]
    model = net(
        tail,
        outputs={"boxes": ("N", 3, 5), "best": ("N", 1), "y": ("N", 3)},
        constants={"form": np.array([-1, 3, 1])},
    )
    assert Predictor(model).scores.output == "y"
    assert Predictor(model, output="z").scores.kind == "logits"
    found = model.predict(np.zeros((SIDE, SIDE), np.uint8), output="z")
    assert np.allclose(found[0].probabilities, 1 / 3)


def test_a_model_without_class_scores_says_what_it_has(net: Net) -> None:
    model = net([helper.make_node("Identity", ["z"], ["y"])], output=("N", 3, 5))
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1))
    assert caught.value.message == (
        f"{model.path}: no output looks like class scores (batch, classes): 'y' (N, 3, 5)"
    )


def quantized_softmax(path: Path, tail: Sequence[NodeProto]) -> Model:
    """A grey picture times weights, a softmax in steps of 1/256, then what shapes it."""
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "step", "zero"], ["q" if tail else "y"]),
        *tail,
    ]
    values: dict[str, np.ndarray[Any, Any]] = {
        "w": WEIGHTS,
        "flat": np.array([-1, len(WEIGHTS)]),
        "form": np.array([-1, 3]),
        "step": np.array(1 / 256, np.float32),
        "zero": np.array(0, np.uint8),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", SIDE, SIDE, 1))],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, ("N", 3))],
        [numpy_helper.from_array(value, key) for key, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, DECLARED)
    path.write_bytes(model.SerializeToString())
    return load(path)


@pytest.mark.parametrize("tail", [[], [helper.make_node("Reshape", ["q", "form"], ["y"])]])
@pytest.mark.parametrize("output", [None, "y"])
def test_a_quantized_output_gives_probabilities_and_not_steps(
    tmp_path: Path, tail: list[NodeProto], output: str | None
) -> None:
    picture = pictures(1)[0]
    found = quantized_softmax(tmp_path / "q.onnx", tail).predict(picture, output=output)[0]
    assert np.allclose(all_scores(found), expected(picture), atol=1e-6)


def test_integers_that_no_quantization_makes_are_no_scores(tmp_path: Path) -> None:
    model = quantized_softmax(tmp_path / "q.onnx", [helper.make_node("Abs", ["q"], ["y"])])
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1))
    assert caught.value.message == (
        f"{model.path}: no output looks like class scores (batch, classes): 'y' (N, 3)"
    )


def test_an_unknown_output_is_named(net: Net) -> None:
    model = net()
    with pytest.raises(UnknownLayerError) as caught:
        model.predict(pictures(1), output="probs")
    assert caught.value.message == f"{model.path} has no layer 'probs'; nearest: y, f, z"


def test_hints_name_options_that_exist(net: Net) -> None:
    model = net(output=("N", 3, 4))
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1)[0])
    assert caught.value.hint == (
        "Name a value that does with --scores NAME (in Python output=NAME); "
        f"they are listed by: inspector layers {model.path}"
    )
    assert "scores" in inspect.signature(predict_command).parameters
    assert "output" in inspect.signature(Model.predict).parameters
