"""Models in somebody's own code, and what Keras refuses or runs of a file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from converters.child import Child
from converters.comparison import answers, compare
from converters.conversion import convert
from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.formats import Request
from converters.keras.format import open_model
from converters.runtime import Runtime

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def code_on_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Files with a Lambda and with a custom layer."""
    folder = tmp_path_factory.mktemp("keras-code")
    code = f"import keras_code; keras_code.save({str(folder)!r})"
    environment = {**os.environ, "PYTHONPATH": str(HERE), "KERAS_BACKEND": "tensorflow"}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    return folder


@pytest.fixture(scope="module")
def child():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        with Child("Keras", "keras_code") as running:
            yield running


def proved(child, tmp_path, name, **choices):
    """Open a model in code, convert it, and compare; the source, what was written, and the comparison."""
    with open_model(child, {"code": f"keras_code:{name}"}, Path(name), Request(**choices)) as source:
        written = source.write()
        written.model.write(tmp_path / "m.onnx")
        return source, compare(source, written, answers(source, written, Runtime(tmp_path / "m.onnx")))


def refusal(child, name, **choices) -> InspectorError:
    with (
        pytest.raises(InspectorError) as caught,
        open_model(child, {"code": f"keras_code:{name}"}, Path(name), Request(**choices)),
    ):
        pass
    return caught.value


def test_a_function_that_builds_a_model_is_converted(child, tmp_path):
    source, comparison = proved(child, tmp_path, "build")
    assert source.kind == "Keras model in code"
    assert [(spec.name, spec.shape) for spec in source.inputs] == [("series", (None, 6, 3))]
    assert source.decisions == ("The size of the batch is free, where the model declares one for series.",)
    assert all(item.equal for item in comparison.outputs)
    assert [item.name for item in comparison.layers] == ["scores"]
    assert set(source.reference.versions()) == {"keras", "tensorflow"}


def test_a_shape_for_a_model_that_declares_its_own_is_not_used(child, tmp_path):
    source, _ = proved(child, tmp_path, "with_custom_layer", input_shapes=("N,6",))
    assert source.decisions == ("--input-shape is not used: the model declares its inputs.",)
    assert source.inputs[0].shape == (None, 6)


@pytest.mark.parametrize(
    ("given", "fault", "hint"),
    [
        (
            "N,9",
            "its input numbers is N,6; given --input-shape N,9",
            "Leave out --input-shape: the model declares its inputs.",
        ),
        (
            "N,6,1",
            "its input numbers is N,6; given --input-shape N,6,1",
            "Leave out --input-shape: the model declares its inputs.",
        ),
        (
            "N,M",
            "its input numbers is N,6; given --input-shape N,M",
            "Leave out --input-shape: the model declares its inputs.",
        ),
        (
            "N,6:int64",
            "its input numbers is N,6:float32; given --input-shape N,6:int64",
            "Leave out --input-shape: the model declares its inputs.",
        ),
        ("number=N,6", "has no input number; its inputs are numbers", "Nearest: numbers."),
    ],
)
def test_a_shape_that_is_not_the_declared_one_is_refused(child, given, fault, hint):
    error = refusal(child, "with_custom_layer", input_shapes=(given,))
    assert error.message == f"with_custom_layer: keras_code:with_custom_layer: {fault}"
    assert error.hint == hint


def test_sizes_and_letters_fit_axes_that_a_model_leaves_free(child):
    # Its number of steps is free; what is refused is another thing.
    for given in ("N,7,3", "2,T,3"):
        assert "has a free number of steps" in refusal(child, "masked", input_shapes=(given,)).message


def test_a_shape_that_a_model_without_inputs_does_not_take_is_refused(child):
    error = refusal(child, "Picky", input_shapes=("N,4",))
    assert error.message == (
        "Picky: --input-shape: the model does not take 32,4:float32: ValueError: 4 numbers; expected 6"
    )
    assert error.hint == "Another --input-shape may be what it takes."


def test_a_class_of_model_gets_its_inputs_from_the_user(child, tmp_path):
    source, comparison = proved(child, tmp_path, "Network", input_shapes=("numbers=N,4",))
    assert [(spec.name, spec.shape) for spec in source.inputs] == [("numbers", (None, 4))]
    assert all(item.equal for item in comparison.outputs)
    # The first layer is called twice.
    assert [item.name for item in comparison.layers] == ["first", "second", "first@2"]


def test_a_model_without_a_shape_is_refused(child):
    error = refusal(child, "Network")
    assert error.message == "Network: the model has not seen an input yet, and does not know its shape"
    assert error.hint == "--input-shape N,224,224,3"


def test_what_is_no_model_is_refused(child):
    assert refusal(child, "number").message == (
        "number: keras_code:number: is of the type int; expected a Keras model, or a function that gives one"
    )


def test_a_layer_that_counts_its_calls_is_refused(child):
    error = refusal(child, "counting")
    assert isinstance(error, UnsupportedError)
    assert error.message.startswith("counting: ")
    assert "the network reads or changes what it keeps beside its weights" in error.message


def test_a_masked_recurrent_layer_with_any_number_of_steps_is_refused_by_name(child):
    error = refusal(child, "masked")
    assert error.message == (
        "masked: the recurrent layer 'lstm' (LSTM) has a free number of steps and a mask; expected none of "
        "these, or at most 256 steps, which can be written one after another"
    )
    assert error.hint == (
        "Build the model with a fixed number of steps, load the weights into it, and save it."
    )


def test_an_input_of_text_is_refused(child):
    assert refusal(child, "text").message == (
        "text: the input 'words' takes text; expected plain arrays of numbers"
    )


def test_names_that_tensorflow_does_not_take_are_kept(child, tmp_path):
    source, comparison = proved(child, tmp_path, "odd_names")
    assert all(item.equal for item in comparison.outputs)
    assert "<dense> ünï" in source.layers
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert [value.name for value in session.get_inputs()] == ["my numbers"]
    assert session.get_outputs()[0].name == "=scores"
    # An output that is an input gets a value of its own.
    fed = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(session.run(None, {"my numbers": fed})[1], fed)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_in_a_file_runs_only_when_it_is_trusted(saved, tmp_path, suffix):
    path = saved / f"lambda{suffix}"
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "m.onnx")
    assert caught.value.hint == "--trust lets it run. Use it only for a file whose author you trust."
    done = convert(path, tmp_path / "m.onnx", request=Request(trust=True))
    assert done.certificate.verdict == "equal"
    assert done.certificate.warnings == ("The Python code in the layer 'twice' was run: --trust.",)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    fed = np.arange(6, dtype=np.float32)[None]
    np.testing.assert_array_equal(session.run(None, {"numbers": fed})[0], fed * 2 + 1)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_custom_layer_in_a_file_is_refused(saved, tmp_path, suffix):
    path = saved / f"custom{suffix}"
    with pytest.raises((UnsupportedError, SourceError)) as caught:
        convert(path, tmp_path / "m.onnx", request=Request(trust=True))
    assert "'gate'" in caught.value.message
    assert "Gate" in caught.value.message
    assert "module:callable" in caught.value.hint
