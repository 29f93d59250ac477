"""Programs of PyTorch that cannot be converted: one sentence each."""

from __future__ import annotations

import pickle

import pytest
from torch_archives import changed, refusal

from converters.conversion import convert
from converters.errors import MissingExtraError, SourceError, UnsupportedError
from converters.formats import Request, recognise


def open_source(path, **choices):
    with recognise(path).open(path, Request(**choices)) as source:
        return source


def test_torchscript_needs_the_shape_of_its_inputs(torch_zoo, torch_here):
    path = torch_zoo / "two-inputs.pt"
    error = refusal(open_source, path)
    assert isinstance(error, SourceError)
    assert error.message == (
        f"{path}: TorchScript does not say which shape its inputs have; "
        "expected --input-shape for left, right"
    )
    assert error.hint == (
        f"inspector convert {path} --input-shape left=N,3,224,224 --input-shape right=N,3,224,224"
    )


def test_torchscript_that_does_not_take_such_inputs_says_why(torch_zoo, torch_here):
    path = torch_zoo / "two-outputs.pt"
    with pytest.raises(SourceError) as caught:
        open_source(path, input_shapes=("N,5,8,8",))
    assert caught.value.message == (
        f"{path}: does not take inputs x (2, 5, 8, 8): Given groups=1, weight of size [3, 2, 3, 3], expected "
        "input[2, 5, 8, 8] to have 2 channels, but got 5 channels instead"
    )


def test_an_exported_program_takes_no_input_shape(torch_zoo):
    path = torch_zoo / "float-cnn.pt2"
    with pytest.raises(SourceError) as caught:
        open_source(path, input_shapes=("N,3,8,8",))
    assert caught.value.message == f"{path}: an exported program declares the shapes of its inputs itself"
    assert caught.value.hint == "Leave out --input-shape."


@pytest.mark.parametrize("option", ["inputs", "outputs"])
def test_inputs_and_outputs_cannot_be_chosen(torch_zoo, option):
    path = torch_zoo / "float-cnn.pt"
    with pytest.raises(SourceError) as caught:
        open_source(path, **{option: ("a",)})
    assert caught.value.message == (
        f"{path}: a TorchScript program has its own inputs and outputs; --{option} cannot choose others"
    )


def test_without_pytorch_the_install_command_is_told(torch_zoo, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = torch_zoo / "float-cnn.pt"
    with pytest.raises(MissingExtraError) as caught:
        open_source(path)
    assert caught.value.message == (
        f"{path}: converting a TorchScript program needs torch and onnxscript, not installed here"
    )
    assert caught.value.hint == "pip install 'onnx-inspector[torch]'"


@pytest.mark.parametrize(
    ("name", "reason", "verb"),
    [
        ("traced.pt", "was traced in training mode: it calls aten::batch_norm", "traced"),
        (
            "decomposed.pt2",
            "was exported in training mode: it calls _native_batch_norm_legit_functional",
            "exported",
        ),
    ],
)
def test_what_can_only_train_is_refused(torch_zoo, torch_here, name, reason, verb):
    path = torch_zoo / "training" / name
    with pytest.raises(UnsupportedError) as caught:
        open_source(path, input_shapes=() if name.endswith("2") else ("N,3,8,8",))
    assert caught.value.message == f"{path}: {reason}"
    assert caught.value.hint == f"Call .eval() on the module before it is {verb}, and save it again."


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("number.pt2", (), "its input times is a number (SymIntArgument); expected tensors"),
        ("number.pt", ("N,3",), "its input times is a int; expected tensors"),
    ],
)
def test_inputs_that_are_no_tensors_are_refused(torch_zoo, torch_here, name, shapes, message):
    path = torch_zoo / "odd" / name
    with pytest.raises(UnsupportedError) as caught:
        open_source(path, input_shapes=shapes)
    assert caught.value.message == f"{path}: {message}"


@pytest.mark.parametrize(("name", "shapes"), [("strange.pt2", ()), ("strange.pt", ("N,3",))])
def test_an_operation_without_a_counterpart_is_named(torch_zoo, torch_here, tmp_path, name, shapes):
    path = torch_zoo / "odd" / name
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "net.onnx", request=Request(input_shapes=shapes))
    assert caught.value.message.startswith(f"{path}: PyTorch's exporter cannot write it: ")
    assert "bessel_j0" in caught.value.message


def test_what_onnxruntime_cannot_run_is_refused(torch_zoo, torch_here, tmp_path):
    path = torch_zoo / "odd" / "bfloat16.pt2"
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "net.onnx")
    assert caught.value.message.startswith("onnxruntime cannot open the converted model: ")
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize(
    ("base", "member", "hint"),
    [
        ("float-cnn.pt2", "models/model.json", "or export it again with this torch."),
        ("float-cnn.pt", "data.pkl", "Save it again with this torch."),
    ],
)
def test_an_archive_that_pytorch_cannot_read_says_so(torch_zoo, torch_here, tmp_path, base, member, hint):
    harmless = b"{}" if member.endswith("json") else pickle.dumps({}, 2)
    path = changed(torch_zoo / base, tmp_path / base, **{member: harmless})
    with pytest.raises(SourceError) as caught:
        open_source(path, input_shapes=() if base.endswith("2") else ("N,3,16,16",))
    assert caught.value.message.startswith(f"{path}: torch 2.")
    assert " cannot read this program: " in caught.value.message
    assert caught.value.hint.endswith(hint)


def test_torchscript_that_gives_a_dictionary_is_refused(torch_zoo, torch_here):
    path = torch_zoo / "odd" / "dictionary.pt"
    with pytest.raises(UnsupportedError) as caught:
        open_source(path, input_shapes=("N,3",))
    assert caught.value.message == (f"{path}: gives Dict[str, Tensor]; expected tensors")
