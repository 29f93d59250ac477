from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto

from inspector.onnxfile import DataType
from inspector.onnxfile.encodings import decode

SMALL_FLOATS = {
    DataType.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    DataType.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    DataType.FLOAT8E5M2: ml_dtypes.float8_e5m2,
    DataType.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
    DataType.FLOAT8E8M0: ml_dtypes.float8_e8m0fnu,
}


def test_the_types_are_those_of_onnx() -> None:
    theirs = {name: number for name, number in TensorProto.DataType.items() if number}
    ours = {dtype.name: dtype.value for dtype in DataType}
    assert ours.items() >= theirs.items()


@pytest.mark.parametrize("dtype", SMALL_FLOATS, ids=lambda dtype: dtype.name)
def test_every_code_of_an_eight_bit_float_has_its_value(dtype: DataType) -> None:
    codes = np.arange(256, dtype=np.uint8)
    expected = codes.view(SMALL_FLOATS[dtype]).astype(np.float32)
    np.testing.assert_array_equal(decode(codes, dtype, 256), expected)


@pytest.mark.parametrize(
    ("dtype", "theirs"),
    [(DataType.FLOAT6E2M3, ml_dtypes.float6_e2m3fn), (DataType.FLOAT6E3M2, ml_dtypes.float6_e3m2fn)],
)
@pytest.mark.parametrize("count", [61, 62, 63, 64])
def test_six_bit_floats_are_unpacked_four_from_three_bytes(
    dtype: DataType, theirs: np.dtype[np.generic], count: int
) -> None:
    bits = "".join(f"{code:06b}"[::-1] for code in range(count))
    bits += "0" * (-len(bits) % 8)
    packed = np.array([int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8)], np.uint8)
    expected = np.arange(count, dtype=np.uint8).view(theirs).astype(np.float32)
    np.testing.assert_array_equal(decode(packed, dtype, count), expected)


def test_four_bit_floats_have_the_sixteen_values_of_the_standard() -> None:
    packed = np.array([low | (low + 1) << 4 for low in range(0, 16, 2)], np.uint8)
    positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    expected = np.array([*positive, *(-value for value in positive)], np.float32)
    np.testing.assert_array_equal(decode(packed, DataType.FLOAT4E2M1, 16), expected)


def test_four_bit_integers_are_taken_low_half_first_and_keep_their_sign() -> None:
    packed = np.array([0x8F, 0x07], np.uint8)
    np.testing.assert_array_equal(decode(packed, DataType.INT4, 3), np.array([-1, -8, 7], np.int8))
    np.testing.assert_array_equal(decode(packed, DataType.UINT4, 3), np.array([15, 8, 7], np.uint8))


def test_two_bit_integers_are_taken_lowest_bits_first_and_keep_their_sign() -> None:
    packed = np.array([0b11_10_01_00, 0b01], np.uint8)
    np.testing.assert_array_equal(decode(packed, DataType.INT2, 5), np.array([0, 1, -2, -1, 1], np.int8))
    np.testing.assert_array_equal(decode(packed, DataType.UINT2, 5), np.array([0, 1, 2, 3, 1], np.uint8))


def test_bfloat16_is_the_upper_half_of_a_float() -> None:
    expected = np.array([1.5, -0.0, np.inf, 3.140625], np.float32)
    stored = expected.astype(ml_dtypes.bfloat16).view(np.uint8)
    found = decode(stored, DataType.BFLOAT16, 4)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("dtype", "count", "size"), [(DataType.INT4, 3, 2), (DataType.UINT2, 5, 2)])
def test_the_last_byte_of_packed_elements_counts_whole(dtype: DataType, count: int, size: int) -> None:
    assert dtype.nbytes(count) == size


def test_every_type_has_a_size_and_a_numpy_type() -> None:
    assert [dtype for dtype in DataType if not dtype.bits] == [DataType.STRING]
    assert all(isinstance(dtype.numpy, np.dtype) for dtype in DataType)
