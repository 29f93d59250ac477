"""TorchScript that does more than compute, and archives that are not what they say."""

from __future__ import annotations

import pickle
import zipfile

import pytest
from torch_archives import Harmful, changed, refusal

from converters.errors import UnsupportedError
from converters.pytorch.content import check_script

CODE = "class Net(Module):\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    return "


def script_with(torch_zoo, path, line):
    return changed(torch_zoo / "float-cnn.pt", path / "net.pt", **{"code____torch__.py": CODE + line})


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
