"""Networks of somebody's own code, `module:name`: how they are known, loaded and run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from converted_code import converted, refusal

from converters import code
from converters.formats import recognise


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


def test_a_keras_model_knows_its_inputs_by_itself(tmp_path, monkeypatch):
    (tmp_path / "my_keras_nets.py").write_text(
        "import os\nos.environ['KERAS_BACKEND'] = 'tensorflow'\nimport keras\n"
        "def make():\n    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name='head')])\n"
    )
    monkeypatch.chdir(tmp_path)
    certificate, _ = converted("my_keras_nets:make")
    assert certificate.verdict == "equal"
    assert [item.name for item in certificate.layers] == ["head"]


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
