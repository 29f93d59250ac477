from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.onnxfile import wire


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_read_as_it_was_written(value: int) -> None:
    encoded = wire.encode_varint(value)
    assert wire.varint(encoded, 0, len(encoded)) == (value, len(encoded))


def test_a_negative_number_takes_ten_bytes_and_comes_back_negative() -> None:
    encoded = wire.encode_number(1, -5)
    assert len(encoded) == 11
    ((tag, value, end),) = wire.fields(encoded, 0, len(encoded))
    assert (tag, wire.signed(value), end) == (0x08, -5, 11)


def test_fields_of_every_wire_type_are_listed_with_their_places() -> None:
    data = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\0\0\x80\x3f" + b"\x21" + bytes(8)
    assert wire.fields(data, 0, len(data)) == [(0x08, 150, 3), (0x12, 5, 7), (0x1D, 8, 12), (0x21, 13, 21)]


def test_a_long_field_is_bounded_by_its_message_not_by_the_file() -> None:
    payload = wire.encode_bytes(1, bytes(300)) + b"more"
    assert wire.fields(payload, 0, 303) == [(0x0A, 3, 303)]
    with pytest.raises(wire.WireError) as caught:
        wire.fields(payload, 0, 302)
    assert caught.value.missing == 1
    assert str(caught.value) == "a field is 300 bytes long, but 299 are left at byte 0"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x00", "no field can have this number at byte 0"),
        (b"\x07\x01", "no field can have this number at byte 0"),
        (b"\x0b\x0c", "no field of ONNX has wire type 3 at byte 0"),
        (b"\x08", "a number is cut off at byte 1"),
        (b"\x12\x80", "a number is cut off at byte 1"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "a number has more than 10 bytes at byte 1"),
        (b"\x1d\0\0", "a field is 4 bytes long, but 2 are left at byte 0"),
        (b"\x21\0\0", "a field is 8 bytes long, but 2 are left at byte 0"),
        (b"\xff\xff\xff\xff\xff\x01\x01", "no field can have this number at byte 0"),
    ],
)
def test_broken_bytes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.fields(data, 0, len(data))
    assert str(caught.value) == reason


def test_the_place_of_an_error_counts_from_the_start_of_the_file() -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.fields(b"\x0a\x01a\x0b", 0, 4, base=100)
    assert caught.value.position == 103
    assert caught.value.found == [(0x0A, 2, 3)]


@given(st.binary(max_size=200))
def test_any_bytes_are_listed_within_their_bounds_or_refused(data: bytes) -> None:
    try:
        found = wire.fields(data, 0, len(data))
    except wire.WireError:
        return
    for tag, start, end in found:
        assert end <= len(data)
        assert tag & 7 == wire.VARINT or start <= end


def test_text_that_is_not_utf8_is_shown_escaped() -> None:
    assert wire.text(b"a\xffb", 0, 3) == r"a\xffb"
