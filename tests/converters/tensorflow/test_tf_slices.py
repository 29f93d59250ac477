"""Variables that a checkpoint keeps in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tf_files import bundle_entry, header, table

from converters.errors import SourceError
from converters.tensorflow.checkpoint import open_checkpoint
from converters.tensorflow.parts import assemble, slice_key

W = np.arange(12, dtype=np.float32).reshape(3, 4)


def refusal(prefix: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        open_checkpoint(prefix).read("w")
    return caught.value


def parted(tmp_path, pieces, shape=(3, 4)):
    """A checkpoint whose variable w is kept in pieces: extents and values."""
    whole = bundle_entry(np.zeros(shape, np.float32), 0)
    entries, data = {}, b""
    for where, values in pieces:
        piece = whole.slices.add()
        for start, length in where:
            piece.extent.add(start=start, length=length)
        if values is not None:
            entry = bundle_entry(values, len(data))
            entries[slice_key(b"w", where)] = entry.SerializeToString()
            data += values.tobytes()
    index = {b"": header(), **dict(sorted(entries.items())), b"w": whole.SerializeToString()}
    (tmp_path / "net.index").write_bytes(table(index))
    (tmp_path / "net.data-00000-of-00001").write_bytes(data)
    return tmp_path / "net"


def test_pieces_are_put_in_their_places(tmp_path):
    prefix = parted(tmp_path, [([(0, 2), (0, 4)], W[:2]), ([(2, 1), (0, 4)], W[2:])])
    np.testing.assert_array_equal(open_checkpoint(prefix).read("w"), W)


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([([(0, 2), (0, 4)], W[:2])], "its slices hold 8 values where 12 are expected"),
        (
            [([(0, 2), (0, 4)], W[:2]), ([(1, 1), (0, 4)], W[2:])],
            "its slices overlap",
        ),
        ([([(0, 5), (0, 4)], np.zeros((5, 4), np.float32))], "a slice covers 0 to 5 of an axis of 3"),
        ([([(0, 2)], W[:2])], "a slice has 1 axes where the variable has 2"),
        ([([(0, 2), (0, 4)], W[:1])], "a slice of shape [2, 4] has 4 values"),
    ],
)
def test_pieces_that_do_not_make_a_whole_are_refused(tmp_path, pieces, message):
    error = refusal(parted(tmp_path, pieces))
    assert error.message == f"{tmp_path / 'net.index'}: the variable 'w': {message}"


def test_a_missing_piece_is_said(tmp_path):
    error = refusal(parted(tmp_path, [([(0, 2), (0, 4)], W[:2]), ([(2, 1), (0, 4)], None)]))
    assert error.message == f"{tmp_path / 'net.index'}: lacks a slice of the variable 'w'"


def test_the_key_of_a_slice_is_the_one_of_tensorflow_for_large_and_odd_numbers():
    # From tensorflow/core/lib/strings/ordered_code: lengths in unary, then the number from its high end.
    assert slice_key(b"a\x00\xff", [(64, 8192)]) == (
        b"\x00a\x00\xff\xff\x00\x00\x01\x01\x01\xc0\x40\xe0\x20\x00"
    )


def test_slices_of_zero_dimensional_variables_are_the_whole():
    value = np.float32(4).reshape(())
    assert assemble((), np.dtype(np.float32), [((), value)]) == 4
