"""PyTorch archives that do more than compute, or hold less than a network: one sentence each."""

from __future__ import annotations

import json
import pickle
import zipfile

import pytest

from converters.conversion import convert
from converters.errors import InspectorError, MissingExtraError, SourceError, UnsupportedError
from converters.formats import Request, recognise
from converters.pytorch.content import check_program, check_script

CODE = "class Net(Module):\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    return "
OWN_CODE = "Export it again without that, from code that you can read."


class Harmful:
    def __reduce__(self):
        return print, ("harm",)


def changed(source, target, **members):
    """A copy of an archive with other members; keys have `/` as `__`."""
    new = {key.replace("__", "/"): value for key, value in members.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as made:
        root = old.namelist()[0].partition("/")[0]
        for info in old.infolist():
            name = info.filename.removeprefix(f"{root}/")
            if name not in new:
                made.writestr(info.filename, old.read(info))
        for name, data in new.items():
            made.writestr(f"{root}/{name}", data)
    return target


def program_with(torch_zoo, path, change):
    """An exported program whose JSON is changed as text."""
    with zipfile.ZipFile(torch_zoo / "float-cnn.pt2") as archive:
        name = next(each for each in archive.namelist() if each.endswith("models/model.json"))
        text = archive.read(name).decode()
    new = change(text)
    assert new != text
    return changed(torch_zoo / "float-cnn.pt2", path / "net.pt2", **{"models__model.json": new})


def script_with(torch_zoo, path, line):
    return changed(torch_zoo / "float-cnn.pt", path / "net.pt", **{"code____torch__.py": CODE + line})


def refusal(check, path) -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        check(path)
    return caught.value


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


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("torch.from_file('x')", "its code calls aten::from_file, which touches files"),
        ("ops.aten.save(x, 'y')", "its code calls aten::save, which touches files"),
        ("torch . save(x, 'y')", "its code calls aten::save, which touches files"),
        ("x\n    x = torch\n    x.relu(x)", "its code hides which operations of torch it calls"),
        ("getattr(torch, 'relu')(x)", "its code hides which operations of torch it calls"),
        ("x\n    f = (ops.mine)", "its code hides which operations of ops.mine it calls"),
        (
            "getattr(getattr(self, 'a'), 'from_file')('x')",
            "its code calls aten::from_file, which touches files",
        ),
        ("ops.mine.op(x)", "its code calls mine::op, which is no operation of PyTorch's own"),
    ],
)
def test_script_that_touches_files_or_calls_strangers_is_refused(torch_zoo, tmp_path, line, reason):
    path = script_with(torch_zoo, tmp_path, line)
    error = refusal(check_script, path)
    assert isinstance(error, UnsupportedError)
    assert error.message == f"{path}: {reason}"


def test_a_harmful_pickle_in_torchscript_is_refused(torch_zoo, tmp_path):
    path = changed(torch_zoo / "float-cnn.pt", tmp_path / "n.pt", **{"data.pkl": pickle.dumps(Harmful())})
    assert refusal(check_script, path).message.startswith(
        f"{path}: data.pkl: its pickle asks for `builtins.print`"
    )


def test_a_name_that_leads_out_of_the_archive_is_refused(torch_zoo, tmp_path):
    path = changed(torch_zoo / "float-cnn.pt", tmp_path / "n.pt", **{"code/../../../evil.py": b""})
    message = refusal(check_script, path).message
    assert message.startswith(f"{path}: a member's name leads out of the archive: ")


def test_a_zip_bomb_is_refused(torch_zoo, tmp_path):
    path = tmp_path / "n.pt"
    path.write_bytes((torch_zoo / "float-cnn.pt").read_bytes())
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("net/code/a.py", "w") as file,
    ):
        for _ in range(65):
            file.write(bytes(2**20))
    with zipfile.ZipFile(path) as archive:
        packed = sum(i.file_size for i in archive.infolist() if i.compress_type != zipfile.ZIP_STORED)
    assert refusal(check_script, path).message == (
        f"{path}: unpacks to {packed:,} bytes, more than the 67,108,864 accepted beside weights"
    )


def test_two_members_of_one_name_are_refused(torch_zoo, tmp_path):
    path = tmp_path / "n.pt"
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"")
        archive.writestr("a/data.pkl", b"")
    assert refusal(check_script, path).message == f"{path}: holds two members of one name"


def test_a_cut_off_archive_is_refused(torch_zoo, tmp_path):
    path = tmp_path / "n.pt"
    path.write_bytes((torch_zoo / "float-cnn.pt").read_bytes()[:2000])
    message = refusal(check_script, path).message
    assert message == f"{path}: is a damaged zip archive: File is not a zip file"


def test_a_damaged_member_is_refused(torch_zoo, tmp_path):
    path = tmp_path / "n.pt"
    data = bytearray((torch_zoo / "float-cnn.pt").read_bytes())
    with zipfile.ZipFile(torch_zoo / "float-cnn.pt") as archive:
        info = next(i for i in archive.infolist() if i.filename.endswith("data.pkl"))
    start = info.header_offset + 200
    data[start : start + 4] = bytes(4) if data[start : start + 4] != bytes(4) else b"abcd"
    path.write_bytes(data)
    message = refusal(check_script, path).message
    assert message.startswith(f"{path}: data.pkl in it is damaged: ")


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


def patched(source, target, offset, width, change):
    """A copy of an archive whose directory says something else of `data.pkl`."""
    data = bytearray(source.read_bytes())
    name = data.rindex(b"data.pkl")
    entry = data.rindex(b"PK\x01\x02", 0, name)
    at = slice(entry + offset, entry + offset + width)
    data[at] = change(int.from_bytes(data[at], "little")).to_bytes(width, "little")
    target.write_bytes(data)
    return target


@pytest.mark.parametrize(
    ("offset", "width", "change", "reason"),
    [
        (8, 2, lambda flags: flags | 1, "in it is encrypted"),
        (24, 4, lambda size: size + 1, "in it has two sizes"),
    ],
)
def test_a_directory_that_lies_is_refused(torch_zoo, tmp_path, offset, width, change, reason):
    path = patched(torch_zoo / "float-cnn.pt", tmp_path / "n.pt", offset, width, change)
    assert refusal(check_script, path).message == f"{path}: 'float-cnn/data.pkl' {reason}"


def test_torchscript_that_gives_a_dictionary_is_refused(torch_zoo, torch_here):
    path = torch_zoo / "odd" / "dictionary.pt"
    with pytest.raises(UnsupportedError) as caught:
        open_source(path, input_shapes=("N,3",))
    assert caught.value.message == (f"{path}: gives Dict[str, Tensor]; expected tensors")
