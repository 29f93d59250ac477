"""PyTorch modules in somebody's own code."""

from __future__ import annotations

import numpy as np
import pytest
from converted_code import answers, converted, refusal

from converters import code_child
from converters.errors import UnsupportedError


@pytest.mark.parametrize("target", ["my_torch_nets:net", "my_torch_nets:make", "my_torch_nets:Net"])
def test_a_module_its_factory_and_its_class_are_converted(folder, target):
    import torch

    certificate, model = converted(target, "N,3,9,9")
    assert certificate.verdict == "equal"
    assert [item.name for item in certificate.layers][:3] == ["conv", "act", "mean"]
    assert [entry.name for entry in model.graph.output] == ["logits"]
    assert {"conv.weight", "head.bias"} <= {tensor.name for tensor in model.graph.initializer}
    x = np.random.default_rng(1).normal(size=(5, 3, 9, 9)).astype("float32")
    with torch.no_grad():
        expected = code_child.load(target).eval()(torch.from_numpy(x))["logits"].numpy()
    assert np.abs(answers(x)[0] - expected).max() < 1e-6


def test_a_dotted_name_is_followed(folder):
    assert converted("my_torch_nets:Holder.net", "image=N,3,9,9")[0].verdict == "equal"


def test_every_letter_is_a_free_axis(folder):
    _, model = converted("my_torch_nets:net", "N,3,H,W")
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_param or size.dim_value for size in sizes] == ["N", 3, "H", "W"]
    assert answers(np.zeros((1, 3, 20, 31), "float32"))[0].shape == (1, 2)


def test_the_codes_file_stands_in_the_certificate(folder):
    certificate, _ = converted("my_torch_nets:net", "N,3,9,9")
    assert [file.name for file in certificate.files] == ["my_torch_nets.py"]


def test_an_axis_that_the_code_fixes_is_named(folder):
    error = refusal("my_torch_nets:Fixed", "N,3")
    assert (
        error.message
        == "my_torch_nets:Fixed: its code fixes an axis that is to be free: x axis 0 is always 2"
    )
    assert error.hint == "Give that axis a number in --input-shape."


def test_a_way_that_the_data_decide_is_refused(folder):
    error = refusal("my_torch_nets:Branching", "2,3")
    assert isinstance(error, UnsupportedError)
    assert error.message.startswith("my_torch_nets:Branching: torch.export cannot make one graph of it: ")


def test_inputs_that_the_module_refuses_are_told_with_its_words(folder):
    error = refusal("my_torch_nets:net", "N,4,9,9")
    assert error.message.startswith(
        "my_torch_nets:net: raised RuntimeError: Given groups=1, weight of size [4, 3, 3, 3], expected input"
    )
    assert error.message.endswith("on inputs image (2, 4, 9, 9) torch.float32")
