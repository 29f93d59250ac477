"""Networks of somebody's own code, `module:name`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from converters import code, code_child
from converters.conversion import convert
from converters.errors import MissingExtraError, SourceError, UnsupportedError
from converters.formats import Request, recognise

TORCH = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(width, 2)

    def forward(self, image, scale=None):
        return {"logits": self.head(self.drop(self.act(self.conv(image)).mean((2, 3))))}

torch.manual_seed(0)
net = Net()

def make():
    return Net(6)

def fail():
    raise ValueError("no weights here")

class Wide(Net):
    def __init__(self, width):
        super().__init__(width)

class Fixed(Net):
    def forward(self, x):
        return x * 2 if x.shape[0] == 2 else x

class Branching(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1

class Holder:
    net = net

number = 3
"""
JAX = """
import jax, jax.numpy as jnp
import numpy as np
from flax import linen, nnx

weights = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")

def scores(x):
    return jax.nn.softmax(x @ weights)

def strange(x):
    return jax.scipy.special.bessel_jn(x, v=1, n_iter=3)

def several(x, y):
    return x + y, x * y

class Scale:
    def __call__(self, x):
        return x * 2

scale = Scale()

class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return {"logits": self.head(self.drop(jax.nn.relu(self.norm(self.conv(x)))).mean(axis=(1, 2)))}

net = Net(nnx.Rngs(0))

class Plain(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(linen.relu(linen.Conv(4, (3, 3))(x)).mean((1, 2)))

module = Plain()
pair = module, module.init(jax.random.PRNGKey(0), jnp.zeros((1, 8, 8, 3)))
"""


class InlineChild:
    """What `Child` is, without a process."""

    def __init__(self, framework, source):
        pass

    def call(self, function, **arguments):
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(**arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with modules, in which the command is run; the code is loaded in this process."""
    (tmp_path / "my_torch_nets.py").write_text(TORCH)
    (tmp_path / "my_jax_nets.py").write_text(JAX)
    (tmp_path / "my_broken_nets.py").write_text("import math\n\nmath.sqrt(-1)\n")
    (tmp_path / "my_needy_nets.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "my_wrong_nets.py").write_text("def f(:\n")
    (tmp_path / "my_leaving_nets.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setattr("converters.child.Child", InlineChild)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]
    clear_caches()


def clear_caches():
    from converters import jax_child
    from converters.pytorch import exported, module

    for cached in (code_child.load, jax_child._network, exported.opened, module.module):
        cached.cache_clear()


def converted(target, *shapes, **choices):
    done = convert(target, "net.onnx", request=Request(input_shapes=shapes, **choices), force=True)
    return done.certificate, onnx.load("net.onnx")


def refusal(target, *shapes):
    with pytest.raises((SourceError, UnsupportedError)) as caught:
        converted(target, *shapes)
    return caught.value


def answers(*inputs):
    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


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


@pytest.mark.parametrize(
    ("target", "reason", "hint"),
    [
        (
            "my_absent_nets:net",
            "there is no module my_absent_nets in the current folder and none is installed",
            "Run the command in the folder that holds it, or name that folder in PYTHONPATH.",
        ),
        ("my_torch_nets:nat", "the module my_torch_nets has no nat", "Nearest: net."),
        (
            "my_torch_nets:zzzzz",
            "the module my_torch_nets has no zzzzz",
            'python -c "import my_torch_nets; help(my_torch_nets)"',
        ),
        (
            "my_needy_nets:net",
            "importing my_needy_nets needs the module no_such_package_at_all, which is not installed here",
            "pip install no_such_package_at_all",
        ),
        (
            "my_broken_nets:net",
            "importing my_broken_nets raised ValueError: math domain error (my_broken_nets.py, line 3)",
            'python -c "import my_broken_nets"',
        ),
        (
            "my_wrong_nets:net",
            "importing my_wrong_nets raised SyntaxError: invalid syntax (my_wrong_nets.py, line 1)",
            'python -c "import my_wrong_nets"',
        ),
        (
            "my_leaving_nets:net",
            "importing my_leaving_nets raised SystemExit: 3 (my_leaving_nets.py, line 2)",
            'python -c "import my_leaving_nets"',
        ),
        (
            "my_torch_nets:fail",
            "calling it raised ValueError: no weights here (my_torch_nets.py, line 23)",
            "",
        ),
        (
            "my_torch_nets:Wide",
            "making one needs arguments: width",
            "Write a function without parameters that makes it, and name that: my_torch_nets:make_network",
        ),
        (
            "my_torch_nets:number",
            "is an int; expected a torch.nn.Module, a Keras model, a JAX function or a Flax module, or a "
            "function without parameters that makes one",
            "inspector convert --help",
        ),
        (
            "my_torch_nets:net",
            "code does not say which shape its inputs have; expected --input-shape for image",
            "inspector convert my_torch_nets:net --input-shape N,3,224,224",
        ),
        (
            "my_torch_nets.py:net",
            "names a file; expected a module and a name in it",
            "inspector convert my_torch_nets:net",
        ),
        (
            "my_jax_nets:module",
            "is a flax.linen module without its variables",
            "Name a pair: network = (module, variables).",
        ),
    ],
)
def test_what_cannot_be_loaded_is_told_exactly(folder, target, reason, hint):
    error = refusal(target)
    assert (error.message, error.hint) == (f"{target}: {reason}", hint)


@pytest.mark.parametrize(
    ("target", "known"), [("a.b:c", True), ("a:b.c", True), ("a/b.py:c", True), ("a:b:c", False)]
)
def test_code_is_recognised_by_how_it_is_written(target, known):
    assert code.CODE.recognise(Path(target)) is known


def test_a_file_of_that_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net:model").write_bytes(b"x")
    assert not code.CODE.recognise(Path("net:model"))


def test_code_is_a_format_of_convert():
    assert recognise(Path("some.package:net")) is code.CODE


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


def test_a_keras_model_knows_its_inputs_by_itself(tmp_path, monkeypatch):
    (tmp_path / "my_keras_nets.py").write_text(
        "import os\nos.environ['KERAS_BACKEND'] = 'tensorflow'\nimport keras\n"
        "def make():\n    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name='head')])\n"
    )
    monkeypatch.chdir(tmp_path)
    certificate, _ = converted("my_keras_nets:make")
    assert certificate.verdict == "equal"
    assert [item.name for item in certificate.layers] == ["head"]


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


def test_a_name_of_something_that_is_no_module_is_told_by_its_kind(folder):
    assert refusal("my_torch_nets:number.size").message == "my_torch_nets:number.size: an int has no size"


def test_the_code_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "my_far_nets.py").write_text("print('noise')\nraise ValueError('far away')\n")
    monkeypatch.chdir(tmp_path)
    error = refusal("my_far_nets:net")
    assert (
        error.message
        == "my_far_nets:net: importing my_far_nets raised ValueError: far away (my_far_nets.py, line 2)"
    )
    assert "my_far_nets" not in sys.modules
