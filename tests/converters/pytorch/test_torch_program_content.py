"""Exported programs that do more than compute."""

from __future__ import annotations

import json
import pickle
import zipfile

import pytest
from torch_archives import Harmful, changed, refusal

from converters.errors import UnsupportedError
from converters.pytorch.content import check_program

OWN_CODE = "Export it again without that, from code that you can read."


def program_with(torch_zoo, path, change):
    """An exported program whose JSON is changed as text."""
    with zipfile.ZipFile(torch_zoo / "float-cnn.pt2") as archive:
        name = next(each for each in archive.namelist() if each.endswith("models/model.json"))
        text = archive.read(name).decode()
    new = change(text)
    assert new != text
    return changed(torch_zoo / "float-cnn.pt2", path / "net.pt2", **{"models__model.json": new})


@pytest.mark.parametrize(
    "size",
    [
        "__import__('os').system('id')",
        "Symbol('s0').name",
        "[x for x in ()]",
        "Pow(Integer(9), Pow(Integer(9), Integer(9)))",
        "2**99999999",
        "Integer(" + "9" * 60 + ")",
        "LShift(Integer(1), Symbol('s0'))",
        "lambda: 0",
        "s0 +",
        "s0 + " * 2000 + "1",
        "exec('1')",
    ],
)
def test_a_size_that_is_no_arithmetic_is_refused(torch_zoo, tmp_path, size):
    path = program_with(torch_zoo, tmp_path, lambda j: replaced_size(j, size))
    error = refusal(check_program, path)
    assert error.message == f"{path}: a size in it is no arithmetic: {size[:80]}"
    assert error.hint == OWN_CODE


def replaced_size(text, size):
    model = json.loads(text)
    entries = [model]
    while entries:
        entry = entries.pop()
        if isinstance(entry, dict):
            if "expr_str" in entry:
                entry["expr_str"] = size
                return json.dumps(model)
            entries += entry.values()
        elif isinstance(entry, list):
            entries += entry
    raise AssertionError("no size")


@pytest.mark.parametrize(
    "size", ["2*s77 + 1", "Mul(Integer(2), Symbol('s0', positive=True))", "Pow(s0, Integer(2))"]
)
def test_sizes_that_are_arithmetic_are_accepted(torch_zoo, tmp_path, size):
    check_program(program_with(torch_zoo, tmp_path, lambda j: replaced_size(j, size)))


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("torch.os.system", "calls torch.os.system, which is no operation of PyTorch's own"),
        (
            "torch.ops.mine.op.default",
            "calls torch.ops.mine.op.default, which is no operation of PyTorch's own",
        ),
        ("_operator.methodcaller", "calls _operator.methodcaller, which is no operation of PyTorch's own"),
        ("torch.ops.aten.from_file.default", "calls torch.ops.aten.from_file.default, which touches files"),
    ],
)
def test_an_operation_that_is_not_pytorchs_own_or_touches_files_is_refused(
    torch_zoo, tmp_path, target, reason
):
    path = program_with(torch_zoo, tmp_path, lambda j: j.replace("torch.ops.aten.tanh.default", target))
    error = refusal(check_program, path)
    assert isinstance(error, UnsupportedError)
    assert error.message == f"{path}: {reason}"


def test_a_class_to_import_is_refused(torch_zoo, tmp_path):
    spec = json.dumps('[1, {"context": {"__enum__": true, "fqn": "antigravity:X"}}]')
    path = program_with(
        torch_zoo, tmp_path, lambda j: j.replace('"in_spec": ', f'"in_spec": {spec}, "was": ', 1)
    )
    error = refusal(check_program, path)
    assert error.message.startswith(f"{path}: its in_spec names Python code to import: ")
    assert error.hint == OWN_CODE


def test_a_stored_python_object_is_refused(torch_zoo, tmp_path):
    config = json.dumps({"config": {"x": {"path_name": "opaque_obj_0", "use_pickle": True}}})
    path = changed(
        torch_zoo / "float-cnn.pt2",
        tmp_path / "n.pt2",
        **{"data__constants__model_constants_config.json": config},
    )
    assert refusal(check_program, path).message == (
        f"{path}: stores a Python object (opaque_obj_0), which would have to be unpickled"
    )


def test_a_pickle_that_names_more_than_tensors_is_refused(torch_zoo, tmp_path):
    path = changed(
        torch_zoo / "float-cnn.pt2",
        tmp_path / "n.pt2",
        **{"data__sample_inputs__model.pt": pickle.dumps(Harmful())},
    )
    error = refusal(check_program, path)
    assert isinstance(error, UnsupportedError)
    start = f"{path}: data/sample_inputs/model.pt: its pickle asks for `builtins.print`, which is none of "
    assert error.message.startswith(start)


def test_the_same_pickle_inside_a_saved_zip_is_refused(torch_zoo, tmp_path):
    inner = tmp_path / "inner.pt"
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr("archive/data.pkl", pickle.dumps(Harmful()))
    path = changed(
        torch_zoo / "float-cnn.pt2",
        tmp_path / "n.pt2",
        **{"data__sample_inputs__model.pt": inner.read_bytes()},
    )
    assert "its pickle asks for `builtins.print`" in refusal(check_program, path).message


def test_compiled_code_is_refused(torch_zoo, tmp_path):
    path = changed(
        torch_zoo / "float-cnn.pt2", tmp_path / "n.pt2", **{"data__aotinductor__model__a.so": b"\x7fELF"}
    )
    error = refusal(check_program, path)
    assert (
        error.message
        == f"{path}: holds compiled machine code (data/aotinductor/model/a.so), which is not run"
    )
    assert error.hint == "Save it with torch.export.save."


def test_json_that_is_none_is_refused(torch_zoo, tmp_path):
    path = changed(torch_zoo / "float-cnn.pt2", tmp_path / "n.pt2", **{"models__model.json": b"{"})
    message = refusal(check_program, path).message
    assert message.startswith(f"{path}: models/model.json in it is not JSON: ")
