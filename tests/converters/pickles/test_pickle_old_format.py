"""Files of PyTorch from before it saved zips: one pickle after another, or a tar."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
from torch_pickles import FETCH, TENSOR, good, refusal

from converters.errors import SourceError
from converters.pickles import torch_file


def test_the_old_format_is_checked_against_its_size(tmp_path: Path) -> None:
    path = good(tmp_path / "net.pth", zipped=False)
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    assert refusal(path) == (f"{path}: is damaged: 5 bytes of its tensors are missing", FETCH)
    path.write_bytes(data[:-32] + b"\x07" + data[-31:])
    assert refusal(path)[0].endswith("is not what its pickle says")


def test_the_old_format_must_list_its_storages(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    start = b"".join(pickle.dumps(each, 2) for each in (torch_file._MAGIC, 1001, {}, {}))
    path.write_bytes(start + pickle.dumps(3, 2))
    assert refusal(path)[0] == f"{path}: is damaged: it does not list its storages"
    path.write_bytes(start + pickle.dumps(["7"], 2) + bytes(8))
    assert refusal(path)[0] == f"{path}: is damaged: storage '7' is not what its pickle says"
    path.write_bytes(start)
    assert refusal(path)[0] == (
        f"{path}: is damaged: its pickle cannot be read (pickle exhausted before seeing STOP)"
    )


def test_a_storage_that_the_old_format_does_not_hold_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    tensor = b"\x80\x02" + TENSOR % (b"K\x08", b"K\x00", b"K\x08\x85", b"K\x01\x85")
    parts = [pickle.dumps(each, 2) for each in (torch_file._MAGIC, 1001, {})]
    path.write_bytes(b"".join((*parts, tensor, pickle.dumps([], 2))))
    file = torch_file.read(path)
    with pytest.raises(SourceError) as caught:
        file.value.numpy(file.read)
    assert caught.value.message == f"{path}: is damaged: it does not hold storage '0'"


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    path = good(tmp_path / "net.pth", zipped=False)
    file = torch_file.read(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(SourceError, match=r"4 bytes of storage '.*' are missing"):
        file.value["w"].numpy(file.read)


def test_the_tar_format_of_the_first_pytorch_is_refused(tmp_path: Path) -> None:
    import tarfile

    path = tmp_path / "net.pth"
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert torch_file.recognise(path)
    assert refusal(path) == (
        f"{path}: is in the tar format of PyTorch before 0.1.10; expected a zip or a pickle",
        "Load it with PyTorch, and save its state_dict again with torch.save.",
    )


def test_a_pickle_reads_no_more_than_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_file, "MAX_PICKLE", 100)
    path = tmp_path / "net.pth"
    path.write_bytes(pickle.dumps("x" * 1000, 2))
    assert refusal(path)[0] == (
        f"{path}: is damaged: its pickle cannot be read "
        "(expected 1000 bytes in a unicodestring4, but only 93 remain)"
    )
    path.write_bytes(b"\x80\x02c" + b"m" * 1000 + b"\nn\n.")
    assert refusal(path)[0] == (
        f"{path}: is damaged: its pickle cannot be read (no newline found when trying to read stringnl)"
    )
