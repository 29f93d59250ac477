"""Pickles of strangers, followed as data."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_pickles import FETCH

from converters.errors import SourceError, UnsupportedError
from converters.pickles import ALLOWED, Made, check_pickle, machine
from converters.pickles.machine import Machine


def followed(data: bytes) -> object:
    return Machine("net.pth", ALLOWED).read(io.BytesIO(data))


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
    with pytest.raises(UnsupportedError) as caught:
        check_pickle(data, "net.pth")
    assert caught.value.message == (
        "net.pth: its pickle asks for `posix.system`, which is none of the functions that rebuild "
        "tensors, so loading it could run anything; nothing of it was run"
    )


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


def test_every_opcode_that_pickle_writes_is_known() -> None:
    names = {opcode.name for opcode in pickletools.opcodes}
    unknown = {"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
    known = machine._VALUES | {"STOP"}
    known |= {name for name in names if hasattr(machine._Run, f"_{name.lower()}")}
    assert names - known == unknown
