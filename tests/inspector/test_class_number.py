"""A class by its label or its number, for `explain --target` and `visualize --class`."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.class_number import class_number
from inspector.errors import OptionError
from inspector.model import load
from inspector.predictor import Predictor

FEW = ["cat", "dog", "cat", "7"]
MANY = ["tench", "great grey owl, Strix nebulosa", "bowl", "howler", *(f"thing {n}" for n in range(20))]


@pytest.fixture
def ready(tmp_path):
    """Make a classifier of grey 2 by 2 pictures with these labels; numbers alone stand for no labels."""

    def make(labels):
        count = labels if isinstance(labels, int) else len(labels)
        nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "W"], ["y"])]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 2, 2])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", count])
        weight = numpy_helper.from_array(np.ones((4, count), np.float32), "W")
        graph = helper.make_graph(nodes, "net", [x], [y], [weight])
        path = tmp_path / "net.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
        given = None if isinstance(labels, int) else labels
        return Predictor(load(path), preprocess={"channels": "gray"}, labels=given)

    return make


@pytest.mark.parametrize(
    ("name", "number"), [("dog", 1), ("7", 3), ("2", 2), (0, 0), ("cat (class 2)", 2), ("cat (class 0)", 0)]
)
def test_a_label_goes_before_a_number_and_may_carry_its_own(ready, name, number):
    assert class_number(ready(FEW), name, "--target top") == number


def test_a_label_of_two_classes_is_refused_with_both_numbers(ready):
    model = ready(FEW)
    with pytest.raises(OptionError) as caught:
        class_number(model, "cat", "--target top")
    assert caught.value.message == f"{model.model.path}: 2 classes are called 'cat': 0, 2; expected one"
    assert caught.value.hint == "--target 0"


@pytest.mark.parametrize(
    ("labels", "name", "message"),
    [
        (FEW, "bird", "there is no class 'bird'; there are cat, dog, cat, 7"),
        (5, "bird", "there is no class 'bird'; there are 0 to 4, for it declares no labels"),
        (5, "5", "there is no class 5; there are 0 to 4"),
        (MANY, "Owl", "there is no class 'Owl'; nearest: great grey owl, Strix nebulosa; bowl; howler"),
        (MANY, "tensh", "there is no class 'tensh'; nearest: tench"),
        (
            MANY,
            "zzz",
            "there is no class 'zzz'; there are 24, among them tench; great grey owl, Strix nebulosa; bowl; "
            "howler; thing 0; thing 1; thing 2; thing 3",
        ),
        (MANY, "", "there is no class ''; there are 24, among them tench; great grey owl, Strix nebulosa; "
                   "bowl; howler; thing 0; thing 1; thing 2; thing 3"),
    ],
)  # fmt: skip
def test_an_unknown_class_is_told_with_those_that_are_like_it(ready, labels, name, message):
    model = ready(labels)
    with pytest.raises(OptionError) as caught:
        class_number(model, name, "--class 0")
    assert caught.value.message == f"{model.model.path}: {message}"
    assert caught.value.hint == "--class 0"


@pytest.mark.parametrize(
    ("labels", "name", "hint"),
    [
        (FEW, "CAT", "--class cat"),
        (MANY, "Great grey owl, strix nebulosa", "--class 'great grey owl, Strix nebulosa'"),
        (FEW, "bird", "--class 0"),
    ],
)
def test_a_label_in_other_letters_is_what_the_hint_suggests(ready, labels, name, hint):
    with pytest.raises(OptionError) as caught:
        class_number(ready(labels), name, "--class 0")
    assert caught.value.hint == hint
