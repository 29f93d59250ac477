from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.onnxfile import OnnxFile, open_onnx
from inspector.onnxfile.metadata import with_metadata
from inspector.onnxfile.wire import encode_bytes

Make = Callable[..., ModelProto]
Open = Callable[[ModelProto], OnnxFile]
Write = Callable[..., Path]
Refusal = Callable[[Callable[[], object]], str]


def test_entries_are_added_replaced_and_taken_away(model: Make, opened: Open) -> None:
    proto = model(None, [numpy_helper.from_array(np.arange(5.0), "t")])
    helper.set_model_props(proto, {"keep": "1", "change": "2", "drop": "3"})
    file = opened(proto)
    out = with_metadata(file, {"change": "grüß", "drop": None, "new": "4", "absent": None}, Path("out.onnx"))
    assert out == Path("out.onnx")
    assert open_onnx(out).metadata == {"keep": "1", "change": "grüß", "new": "4"}
    found = onnx.load(out)
    onnx.checker.check_model(found)
    del found.metadata_props[:]
    del proto.metadata_props[:]
    assert found == proto


def test_everything_else_stays_byte_for_byte(model: Make, write: Write) -> None:
    entry = encode_bytes(14, encode_bytes(1, b"k") + encode_bytes(2, b"old"))
    # A length that takes more bytes than it needs is allowed, and must not shift what is kept.
    padded = entry[:1] + bytes([entry[1] | 0x80, 0x80, 0x00]) + entry[2:]
    rest = model().SerializeToString()
    file = open_onnx(write(padded + rest + entry))
    assert file.metadata == {"k": "old"}
    with_metadata(file, {"k": "new"}, Path("out.onnx"))
    assert Path("out.onnx").read_bytes() == rest + entry.replace(b"old", b"new")


def test_a_model_can_be_changed_in_place(model: Make, opened: Open) -> None:
    file = opened(model())
    with_metadata(file, {"k": "v"}, file.path, force=True)
    assert open_onnx(file.path).metadata == {"k": "v"}
    assert [path.name for path in Path.cwd().iterdir()] == ["m.onnx"]


def test_where_a_mapped_file_cannot_be_replaced_it_is_closed_first(
    model: Make, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.onnxfile.metadata._MUST_CLOSE", True)
    file = opened(model())
    with_metadata(file, {"k": "v"}, Path("other.onnx"))
    assert file.source.data[:1] == b"\x08"
    with_metadata(file, {"k": "v"}, file.path, force=True)
    with pytest.raises(ValueError, match="closed"):
        file.source.data[:1]


def test_an_existing_file_is_kept_unless_it_may_be_replaced(
    model: Make, opened: Open, refusal: Refusal
) -> None:
    file = opened(model())
    Path("out.onnx").write_bytes(b"mine")
    message = refusal(lambda: with_metadata(file, {"k": "v"}, Path("out.onnx")))
    assert message == "out.onnx: exists already"
    assert Path("out.onnx").read_bytes() == b"mine"


def test_a_file_that_has_changed_since_it_was_opened_is_refused(
    model: Make, opened: Open, refusal: Refusal
) -> None:
    file = opened(model())
    other = model(None, [numpy_helper.from_array(np.arange(99.0), "t")])
    file.path.unlink()
    file.path.write_bytes(other.SerializeToString())
    message = refusal(lambda: with_metadata(file, {"k": "v"}, Path("out.onnx")))
    assert message == "m.onnx: has changed since it was opened"
    assert not Path("out.onnx").exists()


def test_a_disk_that_is_full_is_a_named_error(
    model: Make, opened: Open, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device")

    file = opened(model())
    monkeypatch.setattr("inspector.onnxfile.metadata._copy", refuse)
    message = refusal(lambda: with_metadata(file, {"k": "v"}, Path("out.onnx")))
    assert message == "out.onnx: cannot be written: No space left on device"
    assert [path.name for path in Path.cwd().iterdir()] == ["m.onnx"]


def test_a_file_that_ends_while_it_is_copied_leaves_nothing(
    model: Make, opened: Open, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = opened(model())
    monkeypatch.setattr("inspector.onnxfile.metadata._CHUNK", 0)
    message = refusal(lambda: with_metadata(file, {"k": "v"}, Path("out.onnx")))
    assert message == "m.onnx: has become shorter since it was opened"
    assert [path.name for path in Path.cwd().iterdir()] == ["m.onnx"]


def test_a_model_with_external_data_stays_in_its_folder(
    folder: Path, model: Make, opened: Open, refusal: Refusal
) -> None:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    file = opened(model(None, [tensor]))
    Path("sub").mkdir()
    assert refusal(lambda: with_metadata(file, {"k": "v"}, Path("sub/out.onnx"))) == (
        f"{Path('sub/out.onnx')}: must lie in {folder}, because the model keeps its weights in files there"
    )
    assert open_onnx(with_metadata(file, {"k": "v"}, folder / "out.onnx")).metadata == {"k": "v"}


def test_a_model_without_external_data_may_go_anywhere(model: Make, opened: Open) -> None:
    Path("sub").mkdir()
    out = with_metadata(opened(model()), {"k": "v"}, Path("sub/out.onnx"))
    assert open_onnx(out).metadata == {"k": "v"}
