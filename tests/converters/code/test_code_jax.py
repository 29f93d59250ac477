"""JAX functions and Flax modules in somebody's own code."""

from __future__ import annotations

import numpy as np
import pytest
from converted_code import answers, converted, refusal

from converters import code_child
from converters.errors import MissingExtraError, UnsupportedError


def test_a_jax_function_is_converted(folder):
    certificate, _ = converted("my_jax_nets:scores", "N,5")
    assert certificate.verdict == "equal"
    assert certificate.format == "JAX function"
    x = np.random.default_rng(1).normal(size=(4, 5)).astype("float32")
    powers = np.exp(x @ code_child.load("my_jax_nets:scores").__globals__["weights"])
    assert np.abs(answers(x)[0] - powers / powers.sum(1, keepdims=True)).max() < 1e-6


def test_a_flax_module_keeps_the_names_of_its_weights(folder):
    certificate, model = converted("my_jax_nets:net", "x=N,8,8,3")
    assert certificate.verdict == "equal"
    assert {"conv.kernel", "head.kernel", "norm.mean"} <= {tensor.name for tensor in model.graph.initializer}
    assert "Dropout" not in {node.op_type for node in model.graph.node}
    assert [entry.name for entry in model.graph.output] == ["logits"]


def test_a_linen_module_with_its_variables_is_converted(folder):
    certificate, model = converted("my_jax_nets:pair", "N,8,8,3")
    assert certificate.verdict == "equal"
    assert {"Conv_0.kernel", "Dense_0.kernel"} <= {tensor.name for tensor in model.graph.initializer}


def test_inputs_that_a_jax_function_refuses_are_told(folder):
    error = refusal("my_jax_nets:scores", "N,6")
    assert error.message.startswith("my_jax_nets:scores: does not take inputs x (N, 6): TypeError: ")


def test_jax_computes_in_32_bits(folder):
    error = refusal("my_jax_nets:scores", "N,5:float64")
    assert (
        error.message
        == "my_jax_nets:scores: its input x is described as float64, and JAX computes in 32 bits"
    )
    assert error.hint == "--input-shape x=N,5:float32"


def test_without_jax_the_install_command_is_told(folder, monkeypatch):
    code_child.load("my_jax_nets:scores")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        converted("my_jax_nets:scores", "N,5")
    assert caught.value.message == (
        "my_jax_nets:scores: converting a JAX function needs jax and jax2onnx, not installed here"
    )
    assert caught.value.hint == "pip install 'onnx-inspector[jax]'"


def test_what_jax2onnx_cannot_write_is_refused(folder):
    error = refusal("my_jax_nets:strange", "4,4")
    assert isinstance(error, UnsupportedError)
    assert error.message.startswith("my_jax_nets:strange: jax2onnx cannot write it: ")


def test_several_results_of_a_jax_function_are_numbered(folder):
    _, model = converted("my_jax_nets:several", "N,4", "N,4")
    assert [entry.name for entry in model.graph.input] == ["x", "y"]
    assert [entry.name for entry in model.graph.output] == ["output_0", "output_1"]


def test_an_object_that_can_be_called_is_a_function(folder):
    assert converted("my_jax_nets:scale", "N,4")[0].verdict == "equal"
    x = np.arange(8, dtype="float32").reshape(2, 4)
    assert np.array_equal(answers(x)[0], 2 * x)


def test_inputs_are_asked_for_by_the_names_of_the_modules_parameters(folder):
    for target, names in (("pair", "x"), ("several", "x, y"), ("net", "x")):
        error = refusal(f"my_jax_nets:{target}")
        assert error.message.endswith(f"expected --input-shape for {names}")
