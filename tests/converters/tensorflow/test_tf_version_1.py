"""V1 checkpoints that contradict themselves."""

from __future__ import annotations

import numpy as np
import pytest
from tf_files import table

from converters.errors import InspectorError
from converters.tensorflow.checkpoint import open_checkpoint
from converters.tensorflow.schema import new

AGAIN = "Copy the checkpoint again: all of its files, from one save."


def write(path, pieces, *, shape=(2, 2), dtype=1):
    """A V1 checkpoint with the variable w, and what is given of its values."""
    head = new("SavedTensorSlices")
    tensor = head.meta.tensor.add(name="w", type=dtype)
    for size in shape:
        tensor.shape.dim.add(size=size)
    entries = {b"": head.SerializeToString()}
    for place, (where, fields) in enumerate(pieces):
        message = new("SavedTensorSlices")
        message.data.name = "w"
        for start, length in where:
            message.data.slice.extent.add(start=start, length=length)
        for name, values in fields.items():
            getattr(message.data.data, name).extend(values)
        entries[b"%d" % (place + 1)] = message.SerializeToString()
    path.write_bytes(table(entries))
    return path


ALL = ((0, 2), (0, 2))
FLOATS = np.arange(4, dtype=np.float32)


def read(path):
    return open_checkpoint(path).read("w")


@pytest.mark.parametrize(
    ("dtype", "fields", "expected"),
    [
        (1, {"float_val": [FLOATS.tobytes()]}, FLOATS),
        (1, {"float_val": [FLOATS[:1].tobytes(), FLOATS[1:].tobytes()]}, FLOATS),
        (1, {"tensor_content": [FLOATS.tobytes()]}, FLOATS),
        (3, {"int_val": [b"\x01\x80\x01\x00" + b"\xff" * 9 + b"\x01"]}, np.array([1, 128, 0, -1], np.int32)),
        (10, {"bool_val": [b"\x00\x01\x01\x00"]}, np.array([False, True, True, False])),
        (19, {"half_val": [b"\x80\x78\x00\x00\x00"]}, np.array([1, 0, 0, 0], np.float16)),
        (7, {"string_val": [b"a", b"", b"bc", b"d"]}, np.array([b"a", b"", b"bc", b"d"], object)),
        (
            8,
            {"scomplex_val": [np.arange(8, dtype=np.float32).tobytes()]},
            np.arange(8, dtype=np.float32).view("c8"),
        ),
    ],
)
def test_values_of_every_wire_form_are_read(tmp_path, dtype, fields, expected):
    value = read(write(tmp_path / "net", [(ALL, fields)], dtype=dtype))
    np.testing.assert_array_equal(value, expected.reshape(2, 2))
    assert value.dtype == expected.dtype


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([(ALL, {"float_val": [b"abc"]})], "its 3 bytes are no whole number of float32 values"),
        ([(ALL, {})], "a slice of shape [2, 2] has 0 values"),
        ([(((0, 9), (0, 2)), {"float_val": [FLOATS.tobytes()]})], "a slice covers 0 to 9 of an axis of 2"),
    ],
)
def test_values_that_do_not_fit_are_refused(tmp_path, pieces, message):
    path = write(tmp_path / "net", pieces)
    with pytest.raises(InspectorError) as caught:
        read(path)
    assert caught.value.message == f"{path}: the variable 'w': {message}"
    assert caught.value.hint == AGAIN


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x01\x02\x03\x80", "its values end within a number"),
        (b"\x80" * 11 + b"\x01", "one of its numbers has more than 64 bits"),
    ],
)
def test_broken_numbers_are_refused(tmp_path, content, message):
    path = write(tmp_path / "net", [(ALL, {"int_val": [content]})], dtype=3)
    with pytest.raises(InspectorError) as caught:
        read(path)
    assert caught.value.message == f"{path}: the variable 'w': {message}"


def test_a_variable_without_values_is_refused(tmp_path):
    path = write(tmp_path / "net", [])
    with pytest.raises(InspectorError) as caught:
        read(path)
    assert caught.value.message == f"{path}: declares the variable 'w' but lacks its values"


def test_a_negative_shape_is_refused(tmp_path):
    path = write(tmp_path / "net", [], shape=(-2,))
    with pytest.raises(InspectorError) as caught:
        open_checkpoint(path)
    assert caught.value.message == f"{path}: the variable 'w': its shape [-2] is not a static one"


def test_a_table_of_something_else_is_refused(tmp_path):
    path = tmp_path / "net"
    path.write_bytes(table({b"": b""}))
    with pytest.raises(InspectorError) as caught:
        open_checkpoint(path)
    assert caught.value.message == f"{path}: is damaged: it declares no variables"
