"""Zips as `torch.save` makes them, whole and damaged."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_pickles import FETCH, TENSOR, good, plain, refusal

from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.pickles import torch_file
from converters.state_dict import weights


def without(path: Path, name: str, *, compressed: bool = False) -> None:
    """Write an archive anew without one member, or compressed."""
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist() if not each.endswith(name)}
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for each, data in members.items():
            archive.writestr(each, data)


def test_an_archive_without_its_numbers_is_told(tmp_path: Path) -> None:
    path = good(tmp_path / "net.pth")
    without(path, "data/0")
    file = torch_file.read(path)
    with pytest.raises(SourceError) as caught:
        file.value["w"].numpy(file.read)
    assert caught.value.message == (
        f"{path}: is damaged: it has no member 'net/data/0', where a tensor's numbers should be"
    )


def test_an_archive_with_too_few_numbers_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(plain(TENSOR % (b"K\x08", b"K\x00", b"K\x08\x85", b"K\x01\x85"), {"data/0": bytes(12)}))
    file = torch_file.read(path)
    with pytest.raises(SourceError) as caught:
        file.value.numpy(file.read)
    assert caught.value.message == f"{path}: is damaged: storage '0' has 12 bytes; expected 32"


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = good(tmp_path / "net.pth")
    without(path, "nothing", compressed=True)
    file = torch_file.read(path)
    with pytest.raises(UnsupportedError) as caught:
        file.value["w"].numpy(file.read)
    assert caught.value.message == (
        f"{path}: its member 'net/data/0' is compressed; expected it as torch.save stores it"
    )


def test_a_pickle_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_file, "MAX_PICKLE", 1000)
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", bytes(100_000))
    assert refusal(path)[0] == f"{path}: is damaged: its member 'net/data.pkl' has more than 1,000 bytes"


def test_an_archive_of_countless_members_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = good(tmp_path / "net.pth")
    monkeypatch.setattr(torch_file, "_MAX_DIRECTORY", 100)
    assert not torch_file.recognise(path)
    assert refusal(path)[0] == f"{path}: is damaged: the directory of its archive has more than 100 bytes"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_members_of_one_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(3)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/0", bytes(12))
    assert refusal(path)[0] == f"{path}: is damaged: its archive has two members of one name"


def test_a_truncated_archive_is_not_recognised_and_told(tmp_path: Path) -> None:
    path = good(tmp_path / "net.pth")
    path.write_bytes(path.read_bytes()[:-40])
    assert not torch_file.recognise(path)
    assert refusal(path)[0] == f"{path}: is damaged: its archive cannot be read (File is not a zip file)"


def test_a_member_that_is_not_where_it_should_be_is_told(tmp_path: Path) -> None:
    path = good(tmp_path / "net.pth")
    data = path.read_bytes()
    file = torch_file.read(path)
    at = data.index(b"PK\x03\x04", data.index(b"net/data.pkl"))
    while data[at + 30 : at + 40] != b"net/data/0":
        at = data.index(b"PK\x03\x04", at + 1)
    path.write_bytes(data[:at] + b"XX" + data[at + 2 :])
    with pytest.raises(SourceError) as caught:
        file.value["w"].numpy(file.read)
    assert caught.value.message == f"{path}: is damaged: its member 'net/data/0' is not where it should be"


def test_numbers_of_a_big_endian_machine_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(plain(pickle.dumps({}, 2), {"byteorder": "big"}))
    assert refusal(path)[0] == f"{path}: was saved on a big-endian machine; expected little-endian numbers"


def test_a_program_is_no_state_dict(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)).save(tmp_path / "script.pt")
    torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.zeros(1),)), tmp_path / "program.pt2")
    assert not torch_file.recognise(tmp_path / "script.pt")
    assert not torch_file.recognise(tmp_path / "program.pt2")
    assert not torch_file.recognise(tmp_path)
    for path in (tmp_path / "script.pt", tmp_path / "program.pt2"):
        assert refusal(path) == (f"{path}: is damaged: its archive has no pickle of a state_dict", FETCH)


def test_a_member_that_claims_more_than_the_file_has_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    huge = b"\x8a\x06\x00\x00\x00\x00\x00\x01"
    path.write_bytes(plain(TENSOR % (huge, b"K\x00", huge + b"\x85", b"K\x01\x85"), {"data/0": bytes(32)}))
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02")
    # The size in the archive's directory.
    path.write_bytes(data[: at + 24] + b"\xf0\xff\xff\xff" + data[at + 28 :])
    file = torch_file.read(path)
    with pytest.raises(SourceError, match=r"storage '0' has 4,294,967,280 bytes; expected 4,398,046,511,104"):
        file.value.numpy(file.read)
    small = b"J\x00\x00\x00\x20"
    path.write_bytes(plain(TENSOR % (small, b"K\x00", small + b"\x85", b"K\x01\x85"), {"data/0": bytes(32)}))
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: at + 24] + b"\xf0\xff\xff\xff" + data[at + 28 :])
    file = torch_file.read(path)
    with pytest.raises(SourceError, match=r"2,147,48\d,\d+ bytes of storage '0' are missing"):
        file.value.numpy(file.read)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_wrong_bytes_is_read_or_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "net.pth"
    saved = {"state_dict": {"conv.weight": torch.ones(2, 3, 3, 3), "conv.bias": torch.ones(2)}, "epoch": 3}
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    data, random = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        wrong = bytearray(data)
        for at in random.integers(0, len(data), random.integers(1, 4)):
            wrong[at] = random.integers(256)
        path.write_bytes(wrong[: random.integers(1, len(wrong))] if random.random() < 0.1 else wrong)
        try:
            for layer in weights(path).layers:
                for variable in layer.variables:
                    variable.read()
        except InspectorError:
            refused += 1
    assert 20 < refused < 300
