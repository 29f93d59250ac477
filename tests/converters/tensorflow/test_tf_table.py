from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tf_files import MAGIC, table, varint

from converters.errors import SourceError
from converters.tensorflow.snappy import decompress
from converters.tensorflow.table import is_table, read_table

ENTRIES = {b"": b"head", b"conv_1/W": b"a" * 50, b"conv_1/b": b"", b"conv_2/W": bytes(range(200))}


def read(path):
    return {entry.key: bytes(entry.value) for entry in read_table(path, "a table")}


def literal(data: bytes) -> bytes:
    """A snappy block without any compression."""
    if len(data) <= 60:
        return varint(len(data)) + bytes([len(data) - 1 << 2]) + data
    return varint(len(data)) + bytes([61 << 2]) + (len(data) - 1).to_bytes(2, "little") + data


def test_keys_that_share_their_starts_are_put_together(tmp_path):
    path = tmp_path / "t.index"
    path.write_bytes(table(ENTRIES))
    assert is_table(path)
    assert read(path) == ENTRIES


def test_a_block_compressed_with_snappy_is_read(tmp_path):
    path = tmp_path / "t.index"
    path.write_bytes(table(ENTRIES, kind=1, compress=literal))
    assert read(path) == ENTRIES


def test_a_file_that_does_not_end_like_a_table_is_none(tmp_path):
    path = tmp_path / "t.index"
    path.write_bytes(table(ENTRIES)[:-1])
    assert not is_table(path)
    assert not is_table(tmp_path)
    assert not is_table(tmp_path / "missing")
    with pytest.raises(SourceError) as caught:
        read(path)
    assert caught.value.message == (
        f"{path}: is not a table, or is cut short: its last bytes are not those of a table"
    )
    assert caught.value.hint == "Copy the file again, and compare its size with the original's."


def test_a_changed_byte_is_found_by_the_crc(tmp_path):
    path = tmp_path / "t.index"
    data = bytearray(table(ENTRIES))
    data[12] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        read(path)
    assert caught.value.message == f"{path}: is damaged: the block at 0 does not have the CRC stored with it"


def test_an_unknown_compression_is_named(tmp_path):
    path = tmp_path / "t.index"
    path.write_bytes(table(ENTRIES, kind=4))
    with pytest.raises(SourceError) as caught:
        read(path)
    assert caught.value.message == (
        f"{path}: is damaged: the block at 0 has compression type 4, which is unknown"
    )


def test_a_footer_that_points_outside_the_file_is_refused(tmp_path):
    path = tmp_path / "t.index"
    footer = varint(0) + varint(0) + varint(5) + varint(1 << 40)
    path.write_bytes(footer + bytes(40 - len(footer)) + MAGIC)
    with pytest.raises(SourceError) as caught:
        read(path)
    assert caught.value.message == (
        f"{path}: is damaged: a block of 1,099,511,627,776 bytes at 5 reaches past the end of the file"
    )


@given(st.binary(max_size=400))
def test_random_bytes_before_a_right_footer_are_an_error_or_entries(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("t") / "t.index"
    path.write_bytes(data + bytes(48 - 8) + MAGIC)
    with pytest.raises(SourceError):
        read(path)


def test_a_snappy_copy_may_overlap_what_it_makes():
    # Six bytes: "ab", then four bytes from two back.
    assert decompress(bytes([6, 1 << 2, 97, 98, 0 << 2 | 1, 2])) == b"ababab"
    # The same with offsets of two and of four bytes.
    assert decompress(bytes([6, 1 << 2, 97, 98, 3 << 2 | 2, 2, 0])) == b"ababab"
    assert decompress(bytes([6, 1 << 2, 97, 98, 3 << 2 | 3, 2, 0, 0, 0])) == b"ababab"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the data ends within a number"),
        (b"\xff" * 11, "a number has more than 64 bits"),
        (b"\xff\xff\xff\xff\x7f", "a snappy block claims 34,359,738,367 bytes"),
        (bytes([3, 5 << 2, 97]), "a snappy literal runs past the end of its block"),
        (bytes([3, 60 << 2]), "the data ends within a snappy literal"),
        (bytes([3, 0 << 2, 97, 1]), "the data ends within a snappy copy"),
        (bytes([3, 0 << 2, 97, 1, 2]), "a snappy copy reaches before the start of its block"),
        (bytes([3, 0 << 2, 97, 1, 0]), "a snappy copy reaches before the start of its block"),
        (bytes([3, 0 << 2, 97]), "a snappy block gives 1 bytes where 3 were announced"),
        (bytes([1, 1 << 2, 97, 98]), "a snappy block gives 2 bytes where 1 were announced"),
    ],
)
def test_a_bad_snappy_block_is_named(data, message):
    with pytest.raises(ValueError) as caught:
        decompress(data)
    assert str(caught.value) == message


@given(st.binary(max_size=60))
def test_no_snappy_block_does_more_than_decompress_or_say_why_not(data):
    with contextlib.suppress(ValueError):
        assert len(decompress(data)) < 1 << 20
