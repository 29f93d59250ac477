"""Warnings that say what helps."""

import json

import onnx
import pytest
from onnx import TensorProto, helper

from inspector import load
from inspector.caution import Caution
from inspector.cli import output
from inspector.predictor import Predictor
from inspector.preprocess import Preprocess, declared_in


@pytest.fixture
def colour(tmp_path):
    """A classifier of colour pictures that declares nothing."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Softmax", ["f"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "net", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ({}, "--channels rgb --range 0..1"),
        ({"range": "-1..1"}, "--channels rgb --range -1..1"),
        (
            {"mean": (0.5, 0.25, 0.125), "std": (2.0,), "resize": "crop"},
            "--channels rgb --range 0..1 --mean 0.5,0.25,0.125 --std 2 --resize crop",
        ),
    ],
)
def test_what_is_assumed_of_pixels_comes_with_the_command_that_stores_it(colour, given, flags):
    assumed = Predictor(load(colour), preprocess=given).assumed
    assert assumed.hint == (
        f"If that is how it was trained: inspector annotate {colour} {flags}\n"
        "If not, name the right way there, or here with the same options."
    )


def test_the_command_of_the_hint_stores_just_what_was_assumed(colour, tmp_path):
    from typer.testing import CliRunner

    from inspector.cli.app import build

    predictor = Predictor(load(colour), preprocess={"mean": (0.5, 0.25, 0.125), "resize": "pad"})
    command = predictor.assumed.hint.splitlines()[0].partition(": inspector ")[2].split()
    done = CliRunner().invoke(build(), [*command, "-o", str(tmp_path / "told.onnx")])
    assert done.exit_code == 0
    assert declared_in(load(tmp_path / "told.onnx").file.metadata, "told.onnx") == predictor.way
    assert predictor.way == Preprocess("rgb", "0..1", (0.5, 0.25, 0.125), (), "pad")
    assert Predictor(load(tmp_path / "told.onnx")).assumed is None


def test_a_wrong_number_of_declared_labels_comes_with_the_command_that_mends_it(colour):
    model = onnx.load(colour)
    entry = model.metadata_props.add()
    entry.key, entry.value = "inspector.labels", json.dumps(["cat", "dog"])
    onnx.save(model, colour)
    (warning,) = Predictor(load(colour)).warnings
    assert isinstance(warning, Caution)
    assert warning.hint == f"inspector annotate {colour} --labels FILE stores others."


def test_a_hint_stands_below_its_warning_and_a_plain_one_has_none(capsys):
    output.warning(Caution("the sky falls", "Look up.\nThen run."))
    output.warning("it rains")
    assert capsys.readouterr().err == "warning: the sky falls\n  Look up.\n  Then run.\nwarning: it rains\n"


def test_a_warning_with_a_hint_is_its_sentence():
    warning = Caution("the sky falls", "Look up.")
    assert warning == "the sky falls"
    assert json.dumps([warning]) == '["the sky falls"]'
