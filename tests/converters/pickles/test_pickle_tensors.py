"""Tensors in pickles: what they hold, and descriptions that cannot be."""

from __future__ import annotations

import collections
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_pickles import FETCH, STORAGE, TENSOR, plain, refusal

from converters.errors import SourceError
from converters.pickles import Made, torch_file
from converters.pickles.tensors import StoredTensor


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
