from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import ModelProto, TensorProto, helper

from inspector.onnxfile import open_onnx
from inspector.onnxfile.wire import encode_bytes, encode_number, encode_varint

Make = Callable[..., ModelProto]
Write = Callable[..., Path]
Refusal = Callable[[Callable[[], object]], str]


def described(*parts: bytes, name: bytes = b"t") -> bytes:
    return encode_bytes(8, name) + b"".join(parts)


def dims(*sizes: int) -> bytes:
    return b"".join(encode_number(1, size) for size in sizes)


FLOAT = encode_number(2, 1)

BROKEN = {
    "raw data too short": (
        described(dims(2, 3), FLOAT, encode_bytes(9, bytes(20))),
        "tensor 't' of shape [2, 3] and type FLOAT needs 24 bytes, but 20 are there",
    ),
    "raw data too long": (
        described(dims(1), FLOAT, encode_bytes(9, bytes(5))),
        "tensor 't' of shape [1] and type FLOAT needs 4 bytes, but 5 are there",
    ),
    "no data at all": (
        described(dims(2), FLOAT),
        "tensor 't' of shape [2] needs 2 entries of float_data, but 0 are there",
    ),
    "raw data of no bytes": (
        described(dims(2), FLOAT, encode_bytes(9, b"")),
        "tensor 't' of shape [2] and type FLOAT needs 8 bytes, but 0 are there",
    ),
    "too many floats": (
        described(dims(1), FLOAT, encode_bytes(4, bytes(8))),
        "tensor 't' of shape [1] needs 1 entry of float_data, but 2 are there",
    ),
    "half of the complex numbers": (
        described(dims(2), encode_number(2, 14), encode_bytes(4, bytes(8))),
        "tensor 't' of shape [2] needs 4 entries of float_data, but 2 are there",
    ),
    "a petabyte in one byte": (
        described(dims(2**40), encode_number(2, 2), encode_bytes(9, b"\0")),
        f"tensor 't' of shape [{2**40}] and type UINT8 needs {2**40:,} bytes, but 1 is there",
    ),
    "an exabyte": (
        described(dims(2**60), encode_number(2, 2), encode_bytes(9, b"\0")),
        f"tensor 't' of shape [{2**60}] would be larger than {2**48:,} bytes",
    ),
    "dimensions that overflow": (
        described(dims(2**32, 2**32, 4), FLOAT, encode_bytes(9, b"")),
        f"tensor 't' of shape [{2**32}, {2**32}, 4] would be larger than {2**48:,} bytes",
    ),
    "dimensions that overflow around a zero": (
        described(dims(2**32, 0, 2**32), FLOAT),
        f"tensor 't' of shape [{2**32}, 0, {2**32}] would be larger than {2**48:,} bytes",
    ),
    "a negative dimension": (
        described(dims(3, -2), FLOAT, encode_bytes(9, bytes(24))),
        "tensor 't' has a negative dimension: [3, -2]",
    ),
    "too many dimensions": (
        described(dims(*[1] * 33), FLOAT, encode_bytes(9, bytes(4))),
        "tensor 't' has 33 dimensions; at most 32 are accepted",
    ),
    "no type": (described(dims(1), encode_bytes(9, bytes(4))), "tensor 't' has no element type"),
    "an unknown type": (
        described(dims(1), encode_number(2, 99), encode_bytes(9, bytes(4))),
        "tensor 't' has element type 99; expected 1 to 28",
    ),
    "two value fields": (
        described(dims(1), FLOAT, encode_bytes(9, bytes(4)), encode_bytes(4, bytes(4))),
        "tensor 't' has values in float_data and raw_data; expected one of them",
    ),
    "values of another type": (
        described(dims(1), FLOAT, encode_bytes(7, b"\x01")),
        "tensor 't' of type FLOAT has its values in int64_data; expected float_data or raw_data",
    ),
    "raw strings": (
        described(dims(1), encode_number(2, 8), encode_bytes(9, b"a")),
        "tensor 't' of type STRING has its values in raw_data; expected string_data",
    ),
    "too few strings": (
        described(dims(2), encode_number(2, 8), encode_bytes(6, b"a")),
        "tensor 't' of shape [2] needs 2 entries of string_data, but 1 is there",
    ),
    "fewer bytes than integers": (
        described(dims(50), encode_number(2, 7), encode_bytes(7, bytes(9))),
        "tensor 't' of shape [50] needs 50 entries of int64_data, but at most 9 are there",
    ),
    "segments": (
        described(dims(1), FLOAT, encode_bytes(3, b"\x08\x00"), encode_bytes(9, bytes(4))),
        "tensor 't' is stored in segments, which ONNX never came to define",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_tensor_that_cannot_be_right_is_refused(
    case: str, model: Make, write: Write, refusal: Refusal
) -> None:
    message, expected = BROKEN[case]
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(5, message)))
    assert refusal(lambda: open_onnx(path)) == f"m.onnx: {expected}"


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (
            b"\x80\x01" * 3,
            "tensor 't' of shape [4] needs 4 entries of int64_data, but 3 are there",
        ),
        (b"\x80" * 5, "tensor 't' cannot be read: a packed number has no end at byte PLACE"),
        (
            b"\x80" * 11 + b"\x01" * 3,
            "tensor 't' cannot be read: a packed number has more than 10 bytes at byte PLACE",
        ),
    ],
)
def test_packed_integers_that_do_not_add_up_are_refused_when_they_are_read(
    packed: bytes, expected: str, model: Make, write: Write, refusal: Refusal
) -> None:
    message = described(dims(4), encode_number(2, 7), encode_bytes(7, packed))
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(5, message)))
    tensor = open_onnx(path).graph.initializers["t"]
    place = path.read_bytes().index(packed)
    assert refusal(tensor.numpy) == f"m.onnx: {expected}".replace("PLACE", str(place))


def test_a_very_long_name_is_cut_and_control_characters_are_escaped(
    model: Make, write: Write, refusal: Refusal
) -> None:
    name = b"\x1b[31m" + b"n" * 5000
    path = write(
        model().SerializeToString() + encode_bytes(7, encode_bytes(5, described(dims(1), FLOAT, name=name)))
    )
    shown = refusal(lambda: open_onnx(path))
    assert shown.startswith("m.onnx: tensor '\\x1b[31mnnn")
    assert len(shown) < 200


def test_a_tensor_in_an_attribute_is_named_by_its_owner(model: Make, write: Write, refusal: Refusal) -> None:
    broken = helper.make_tensor("", TensorProto.FLOAT, (1,), [1.0])
    broken.dims[0] = 9
    node = helper.make_node("Constant", [], ["y"], name="c", value=broken)
    file = open_onnx(write(model([node])))
    assert refusal(lambda: file.graph.nodes[0].attributes["value"]) == (
        "m.onnx: the tensor of the attribute 'value' of the Constant node 'c' of shape [9] needs 9 entries "
        "of float_data, but 1 is there"
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            encode_bytes(1, described(dims(1), FLOAT, encode_bytes(9, bytes(4)))) + encode_number(3, 2),
            "the sparse tensor of an initializer lacks its values or its indices",
        ),
        (
            encode_bytes(1, described(dims(1), FLOAT, encode_bytes(9, bytes(4)))) * 2,
            "the sparse tensor of an initializer has its values or indices twice",
        ),
        (
            b"".join(encode_bytes(n, described(dims(1), FLOAT, encode_bytes(9, bytes(4)))) for n in (1, 2))
            + encode_number(3, 1),
            "sparse tensor 't' has indices of type FLOAT; expected INT64",
        ),
        (
            encode_bytes(1, described(dims(1), FLOAT, encode_bytes(9, bytes(4))))
            + encode_bytes(2, described(dims(1), encode_number(2, 7), encode_bytes(9, bytes(8)))),
            "sparse tensor 't' has no shape",
        ),
    ],
)
def test_a_sparse_tensor_that_lacks_a_part_is_refused(
    message: bytes, expected: str, model: Make, write: Write, refusal: Refusal
) -> None:
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(15, message)))
    assert refusal(lambda: open_onnx(path)) == f"m.onnx: {expected}"


def test_packed_dimensions_are_read_too(model: Make, write: Write) -> None:
    message = encode_bytes(1, encode_varint(2) + encode_varint(300)) + described(
        encode_number(2, 3), encode_bytes(9, bytes(600))
    )
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(5, message)))
    assert open_onnx(path).graph.initializers["t"].shape == (2, 300)


def test_the_packed_dimensions_of_a_sparse_tensor_are_read_too(model: Make, write: Write) -> None:
    values = described(dims(1), FLOAT, encode_bytes(9, bytes(4)))
    indices = described(dims(1), encode_number(2, 7), encode_bytes(9, bytes(8)))
    sparse = encode_bytes(1, values) + encode_bytes(2, indices) + encode_bytes(3, b"\x02\x03")
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(15, sparse)))
    assert open_onnx(path).graph.sparse_initializers["t"].shape == (2, 3)
