from __future__ import annotations

import numpy as np
import pytest

from converters.tensorflow.crc32c import crc32c, mask, unmask


def by_definition(data: bytes) -> int:
    """CRC-32C bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_the_published_vectors_hold(data, expected):
    assert crc32c(data) == expected


# The method changes at 4 bytes and at 8 × 4 × 6777 bytes; blocks have 8 × 6293 bytes.
@pytest.mark.parametrize("size", [1, 3, 4, 5, 8, 63, 1000, 50_001, 216_863, 216_864, 216_865, 261_111])
def test_every_length_agrees_with_the_definition(size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    assert crc32c(data) == by_definition(data.tobytes())


def test_a_flipped_bit_anywhere_in_a_large_block_changes_the_result():
    data = np.random.default_rng(1).integers(0, 256, 400_000, dtype=np.uint8)
    right = crc32c(data)
    for place in (0, 1, 50_343, 50_344, 200_000, 399_998, 399_999):
        data[place] ^= 16
        assert crc32c(data) != right
        data[place] ^= 16
    assert crc32c(data) == right


def test_bytes_that_do_not_begin_at_a_word_give_the_same():
    data = np.random.default_rng(2).integers(0, 256, 300_003, dtype=np.uint8)
    assert crc32c(data[3:]) == crc32c(data[3:].copy())


def test_masking_is_undone_by_unmasking():
    for crc in (0, 1, 0xFFFFFFFF, 0xE3069283):
        assert unmask(mask(crc)) == crc
    assert mask(0) == 0xA282EAD8
