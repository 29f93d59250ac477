"""Pickles of strangers, followed as data."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.pickles import ALLOWED, Made, check_pickle, machine, torch_file
from converters.pickles.machine import Machine
from converters.pickles.tensors import StoredTensor
from converters.state_dict import weights

FETCH = "Fetch or export the file again."


def followed(data: bytes) -> object:
    return Machine("net.pth", ALLOWED).read(io.BytesIO(data))


def plain(*parts: object) -> bytes:
    """A zip as `torch.save` lays it out, with this pickle and these further members."""
    data, members = parts
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", data)
        for name, content in dict(members).items():
            archive.writestr(f"net/{name}", content)
    return file.getvalue()


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(InspectorError) as caught:
        torch_file.read(path)
    return caught.value.message, caught.value.hint


class Runs:
    """Says on its way in that it runs something."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        function, *arguments = self.call
        return function, tuple(arguments)


PLAIN = {
    "epoch": 3,
    "large": 2**80,
    "rate": -0.25,
    "name": "é…",
    "raw": b"\x00\xff",
    "flags": [True, False, None],
    "shape": (1, (2,), (3, 4), (5, 6, 7), (8, 9, 10, 11), ()),
    "nested": [{"a": []}, {}],
    ("a", 1): "tuple key",
}


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_what_pickle_makes_of_them(protocol: int) -> None:
    # Before protocol 3, bytes are a call.
    value = {key: held for key, held in PLAIN.items() if protocol > 2 or key != "raw"}
    shared = [1]
    value["twice"] = [shared, shared]
    assert followed(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_of_the_system_is_refused_by_name_and_not_made(protocol: int, tmp_path: Path) -> None:
    data = pickle.dumps({"w": Runs(os.system, f"touch {tmp_path / 'made'}")}, protocol)
    with pytest.raises(UnsupportedError) as caught:
        check_pickle(data, "net.pth")
    assert caught.value.message == (
        f"net.pth: its pickle asks for `{os.name}.system`, which is none of the functions that rebuild "
        "tensors, so loading it could run anything; nothing of it was run"
    )
    assert caught.value.hint == (
        "torch.save(model.state_dict(), PATH) in the program that has the network's code."
    )
    assert not (tmp_path / "made").exists()


HOSTILE = {
    "a global by the stack": b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
    "an instance": b"(iposix\nsystem\n.",
    "an object": b"(cposix\nsystem\no.",
    "in a persistent id": b"cposix\nsystem\nQ.",
    "taken out again": b"cposix\nsystem\n0N.",
    "behind a frame": b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00cposix\nsystem\n.",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_every_way_to_name_a_global_is_seen(data: bytes) -> None:
    with pytest.raises(UnsupportedError, match=r"its pickle asks for `posix\.system`"):
        check_pickle(data, "net.pth")


def test_a_whole_network_is_refused_with_what_to_save_instead() -> None:
    file = io.BytesIO()
    torch.save(torch.nn.Conv2d(1, 2, 3), file)
    with zipfile.ZipFile(file) as archive, pytest.raises(UnsupportedError) as caught:
        check_pickle(archive.read("archive/data.pkl"), "net.pth")
    assert caught.value.message == (
        "net.pth: holds a whole network as Python objects (`torch.nn.modules.conv.Conv2d`), and loading one "
        "runs its code; expected a state_dict: tensors by name"
    )
    assert caught.value.hint == (
        "For its kernels: torch.save(model.state_dict(), PATH) in the program that has the network's code. "
        "To convert the network, there: torch.export.save."
    )


def test_what_is_allowed_can_be_widened_by_name_and_by_module() -> None:
    data = pickle.dumps([collections.deque, os.path.join], 2)
    check_pickle(data, "net.pth", allowed=["collections.deque", f"{os.path.__name__}.*"])
    with pytest.raises(UnsupportedError, match=r"asks for `collections\.deque`"):
        check_pickle(data, "net.pth", allowed=["collections", "posixpath.*"])


def test_a_stream_is_left_after_the_pickle() -> None:
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps(2))
    check_pickle(stream, "net.pth")
    assert pickle.load(stream) == 2


def test_what_is_allowed_but_no_tensor_is_described_and_not_made() -> None:
    made = followed(pickle.dumps({"best": np.float64(0.5)}, 2))["best"]
    assert isinstance(made, Made)
    assert made.maker.endswith("multiarray.scalar")
    state = followed(pickle.dumps({"kinds": {1, 2}, "at": frozenset([3])}, 4))
    assert (state["kinds"].maker, state["at"].arguments) == ("builtins.set", (3,))


DAMAGED = {
    b"\x80\x02": "its pickle cannot be read (pickle exhausted before seeing STOP)",
    b"\x80\x02\xfe": "its pickle cannot be read (at position 2, opcode b'\\xfe' unknown)",
    b"\x80\x02.": "its pickle takes more than it made",
    b"\x80\x02(.": "its pickle takes more than it made",
    b"\x80\x02t.": "its pickle takes more than it made",
    b"\x80\x02h\x00.": "its pickle refers to what it never made",
    b"\x80\x02}(K\x01u.": "its pickle has a key without a value",
    b"\x80\x02K\x01)R.": "its pickle calls what is no global",
    b"\x80\x02ccollections\nOrderedDict\nK\x01R.": "its pickle calls what is no global",
    b"\x80\x04K\x01K\x01\x93.": "its pickle names a global by something that is no text",
    b"\x80\x02\x82\x01.": "the opcode EXT1 is in no pickle of tensors",
}


@pytest.mark.parametrize(("data", "fault"), DAMAGED.items(), ids=list(map(repr, DAMAGED)))
def test_a_damaged_pickle_is_told_with_its_fault(data: bytes, fault: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_pickle(data, "net.pth")
    assert (caught.value.message, caught.value.hint) == (f"net.pth: is damaged: {fault}", FETCH)


def test_rarer_opcodes_do_what_pickle_does() -> None:
    twice = b"(K\x01K\x02l2\x86."
    assert followed(twice) == pickle.loads(twice)
    marks = b"((K\x01K\x02d(K\x03K\x041tq\x000h\x00."
    assert followed(marks) == pickle.loads(marks)
    assert followed(b"Pname\n.").arguments == ("name",)
    assert followed(b"\x80\x02ccollections\nOrderedDict\n)}\x92.").maker == "collections.OrderedDict"


def test_a_memo_of_any_number_takes_no_room() -> None:
    # pickle itself would make a table of four thousand million entries.
    assert followed(b"\x80\x02K\x01r\xff\xff\xff\xff0j\xff\xff\xff\xff.") == 1


def test_a_key_that_takes_for_ever_to_hash_is_not_hashed() -> None:
    doubled = b")" + b"2\x86" * 200
    started = time.monotonic()
    value = followed(b"\x80\x02}" + doubled + b"K\x01s.")
    assert [type(key) for key in value] == [Made]
    assert time.monotonic() - started < 1


def test_more_opcodes_than_any_real_pickle_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_OPCODES", 10)
    with pytest.raises(SourceError) as caught:
        check_pickle(b"\x80\x02" + b"N0" * 6 + b"N.", "net.pth")
    assert caught.value.message == "net.pth: its pickle has more than 10 opcodes; expected tensors by name"


# --- tensors


def tensors() -> dict[str, torch.Tensor]:
    base = torch.arange(48, dtype=torch.float32).reshape(2, 3, 8) - 7
    channels = torch.quantize_per_channel(
        base, torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
    )
    return {
        "whole": base,
        "part": base[1, :, 2:5],
        "turned": base.transpose(0, 2),
        "repeated": torch.ones(3, 1).expand(3, 4),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "half": base.half(),
        "bfloat16": (base / 3).bfloat16(),
        "double": base.double(),
        "int8": base.char(),
        "uint8": base.abs().byte(),
        "int16": base.short(),
        "int32": base.int(),
        "int64": base.long(),
        "bool": base > 0,
        "complex": torch.tensor([1 + 2j, 3]),
        "parameter": torch.nn.Parameter(base),
        "steps": torch.quantize_per_tensor(base, 0.1, 3, torch.quint8),
        "steps of each channel": channels,
    }


def only_in_zips() -> dict[str, torch.Tensor]:
    codes = torch.arange(256).to(torch.uint8)
    kinds = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)
    return {
        **{str(kind): codes.view(kind) for kind in kinds},
        "uint16": torch.tensor([1, 60000], dtype=torch.uint16),
        "buffer": torch.nn.Buffer(torch.ones(2)),
    }


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach()
    tensor = tensor.dequantize() if tensor.is_quantized else tensor
    narrow = tensor.dtype is torch.bfloat16 or "float8" in str(tensor.dtype)
    return (tensor.float() if narrow else tensor).numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_every_tensor_is_what_torch_load_gives(tmp_path: Path, zipped: bool, protocol: int) -> None:
    path = tmp_path / "net.pth"
    saved = {**tensors(), **(only_in_zips() if zipped else {}), "epoch": 3}
    torch.save(saved, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    assert torch_file.recognise(path)
    file = torch_file.read(path)
    loaded = torch.load(path, weights_only=False)
    assert file.value["epoch"] == 3
    for name, tensor in loaded.items():
        if name == "epoch":
            continue
        found = file.value[name]
        assert isinstance(found, StoredTensor)
        array, expected = found.numpy(file.read), as_numpy(tensor)
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape), name
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected, err_msg=name)


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = torch.arange(1000.0)
    torch.save({"part": base[100:110], "other": torch.zeros(5000)}, tmp_path / "net.pth")
    file = torch_file.read(tmp_path / "net.pth")
    asked = []

    def read(storage: object, start: int, size: int) -> bytes:
        asked.append((start, size))
        return file.read(storage, start, size)

    assert file.value["part"].numpy(read).tolist() == base[100:110].tolist()
    assert asked == [(400, 40)]


def test_the_oldest_tensors_and_parts_of_storages_are_read() -> None:
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00kX\x03\x00\x00\x00cpuK\x0a"
        b"(X\x01\x00\x00\x00vK\x04K\x03ttQ"
    )
    data = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x01K\x02\x85K\x01\x85tR."
    reader, rebuilders = torch_file._readers(Path("net.pth"))
    tensor = reader.read(io.BytesIO(data))
    numbers = np.arange(10, dtype="<f4").tobytes()
    assert tensor.numpy(lambda storage, start, size: numbers[start : start + size]).tolist() == [5, 6]
    assert rebuilders.met["k"][1] == 10


def test_a_dictionary_may_be_made_of_its_pairs() -> None:
    reader, _ = torch_file._readers(Path("net.pth"))
    ordered = pickle.dumps(collections.OrderedDict(a=1), 2)
    assert reader.read(io.BytesIO(ordered)) == {"a": 1}
    assert reader.read(io.BytesIO(b"ccollections\nOrderedDict\n((lp0\n(lp1\nS'a'\naI1\naatR.")) == {"a": 1}
    assert reader.read(io.BytesIO(b"ccollections\nCounter\n}X\x01\x00\x00\x00aK\x02s\x85R.")) == {"a": 2}
    with pytest.raises(SourceError, match="a dictionary is made of what are no pairs"):
        reader.read(io.BytesIO(b"ccollections\nOrderedDict\n]K\x01a\x85R."))


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu%btQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"%b%b%b\x89NtR."
TYPED = b"ctorch._utils\n_rebuild_tensor_v3\n(" + STORAGE % b"K\x08" + b"K\x00K\x02\x85K\x01\x85\x89N%btR."
STEPS = b"ctorch._utils\n_rebuild_qtensor\n(" + STORAGE % b"K\x08" + b"K\x00K\x02\x85K\x01\x85%b\x89NtR."
WRONG = {
    "too far": (
        TENSOR % (b"K\x08", b"K\x07", b"K\x02\x85", b"K\x01\x85"),
        "a tensor of shape [2] does not fit into the 8 numbers of storage '0'",
    ),
    "by its strides": (
        TENSOR % (b"K\x08", b"K\x00", b"K\x03\x85", b"K\x04\x85"),
        "a tensor of shape [3] does not fit into the 8 numbers of storage '0'",
    ),
    "repeated without end": (
        TENSOR % (b"K\x08", b"K\x00", b"J\xff\xff\xff\x7f\x85", b"K\x00\x85"),
        "a tensor of shape [2147483647] does not fit into the 8 numbers of storage '0'",
    ),
    "before its storage": (
        TENSOR % (b"K\x08", b"J\xff\xff\xff\xff", b"K\x02\x85", b"K\x01\x85"),
        "a tensor's description cannot be right",
    ),
    "a negative stride": (
        TENSOR % (b"K\x08", b"K\x04", b"K\x02\x85", b"J\xff\xff\xff\xff\x85"),
        "a tensor's description cannot be right",
    ),
    "a flag for a size": (
        TENSOR % (b"K\x08", b"K\x00", b"\x88\x85", b"K\x01\x85"),
        "a tensor's description cannot be right",
    ),
    "more axes than strides": (
        TENSOR % (b"K\x08", b"K\x00", b"K\x01K\x01\x86", b"K\x01\x85"),
        "a tensor's description cannot be right",
    ),
    "a negative count": (
        TENSOR % (b"J\xff\xff\xff\xff", b"K\x00", b"K\x02\x85", b"K\x01\x85"),
        "the description of a storage cannot be right",
    ),
    "two counts": (
        b"(" + STORAGE % b"K\x08" + STORAGE % b"K\x09" + b"t.",
        "storage '0' is described in two ways",
    ),
    "no storage": (b"K\x01Q.", "its pickle refers to what is no storage"),
    "too few arguments": (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor's description is too short"),
    "no type": (TYPED % b"ctorch\nstrided\n", "a tensor's type is 'strided'"),
    "no dtype": (TYPED % b"N", "a tensor's type is 'missing'"),
    "no scale": (
        STEPS % b"ctorch\nper_tensor_affine\nNN\x87",
        "a quantized tensor has no scale that fits it",
    ),
    "no scheme": (STEPS % b"N", "a quantized tensor has no scale that fits it"),
    "a part of a part": (
        (STORAGE % b"K\x08").replace(b"tQ", b"(NK\x06K\x03ttQ") + b".",
        "a part of storage '0' lies beyond its end",
    ),
    "an odd part": (
        (STORAGE % b"K\x08").replace(b"tQ", b"K\x01tQ") + b".",
        "the description of a part of a storage cannot be right",
    ),
}


@pytest.mark.parametrize(("data", "fault"), WRONG.values(), ids=list(WRONG))
def test_a_tensor_that_cannot_be_is_told(tmp_path: Path, data: bytes, fault: str) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(plain(data, {"data/0": bytes(32)}))
    assert refusal(path) == (f"{path}: is damaged: {fault}", FETCH)


def test_a_tensor_of_an_unknown_class_is_described(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(plain(b"ctorch._tensor\n_rebuild_from_type_v2\n(NNNNtR.", {}))
    assert isinstance(torch_file.read(path).value, Made)


# --- files


def good(path: Path, *, zipped: bool = True) -> Path:
    torch.save({"w": torch.arange(6.0)}, path, _use_new_zipfile_serialization=zipped)
    return path


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
    assert "its archive has no pickle of a state_dict" in refusal(tmp_path / "script.pt")[0]


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
    assert refusal(path)[0].startswith(f"{path}: is damaged: its pickle cannot be read")


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
    assert refusal(path)[0].startswith(f"{path}: is damaged: its pickle cannot be read")
    path.write_bytes(b"\x80\x02c" + b"m" * 1000 + b"\nn\n.")
    assert refusal(path)[0].startswith(f"{path}: is damaged: its pickle cannot be read")


def test_every_opcode_that_pickle_writes_is_known() -> None:
    names = {opcode.name for opcode in pickletools.opcodes}
    unknown = {"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
    known = machine._VALUES | {"STOP"}
    known |= {name for name in names if hasattr(machine._Run, f"_{name.lower()}")}
    assert names - known == unknown


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
