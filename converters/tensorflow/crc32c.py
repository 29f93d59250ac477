"""CRC-32C (Castagnoli), the checksum of TensorFlow's files, at memory speed with numpy alone.

A CRC is the remainder of the data, read as a polynomial over GF(2), on division by P. Any multiple of P may
be added without changing the remainder, and among the multiples there is one with only four terms, a whole
number of 64-bit words apart. Adding it clears a word by three XORs further on: thousands of words at once.

Reference: RFC 3720, appendix B.4 (the polynomial and its test vectors).
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = "bytes | bytearray | memoryview | NDArray[np.uint8]"

_POLYNOMIAL = 0x82F63B78  # bit 31 is the term x^0, as the bits lie in memory
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8

# x^(64*6777) + x^(64*(6777-6293)) + x^(64*(6777-6677)) + 1 is a multiple of P (found by search): a word may
# be cleared by adding it to the words this far behind it.
_TAPS = (6293, 6677, 6777)
_BLOCK = _TAPS[0]
_HISTORY = _TAPS[2]


def crc32c(data: Bytes) -> int:
    """Return the CRC-32C of `data`.

    Args:
        data: Bytes, or an array of uint8 of any length; it is not copied as a whole.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'

    Reference: RFC 3720, appendix B.4.
    """
    view = np.frombuffer(data, np.uint8) if not isinstance(data, np.ndarray) else data
    if view.size < 4:
        return _ONES ^ _bytewise(_ONES, view.tobytes())
    if view.size < 4 * 8 * _HISTORY:
        head = view[:4] ^ np.uint8(0xFF)  # the initial value of the register, all ones
        return _ONES ^ _folded(np.concatenate((head, view[4:])))
    return _ONES ^ _folded(_shortened(view))


def unmask(masked: int) -> int:
    """Return the CRC behind a stored one: TensorFlow rotates it and adds a constant.

    Reference: tensorflow/core/lib/hash/crc32c.h, `Unmask`.
    """
    rotated = (masked - _MASK_DELTA) & _ONES
    return (rotated >> 17 | rotated << 15) & _ONES


def mask(crc: int) -> int:
    """Return the form in which TensorFlow stores `crc`; the inverse of `unmask`."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


def _shortened(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A few KiB with the same remainder as all of `view` with the register's initial value added."""
    step = 8 * _BLOCK
    # The words before `history` were cleared; it holds what their clearing added to those that follow.
    window = np.zeros(_HISTORY + _BLOCK, np.uint64)
    fresh = window[_HISTORY:].view(np.uint8)
    keep = 8 * _HISTORY
    at, first = 0, True
    while view.size - at > keep + step:
        fresh[:] = view[at : at + step]
        if first:
            fresh[:4] ^= 0xFF
            first = False
        for tap in _TAPS:
            window[_HISTORY:] ^= window[_HISTORY - tap : _HISTORY - tap + _BLOCK]
        window[:_HISTORY] = window[_BLOCK:].copy()
        at += step
    # What is left is not cleared: only add to it what the cleared words carry over.
    rest = np.zeros(_HISTORY + (view.size - at + 7) // 8, np.uint64)
    rest[_HISTORY:].view(np.uint8)[: view.size - at] = view[at:]
    for tap in _TAPS:
        rest[_HISTORY : _HISTORY + tap] ^= window[_HISTORY - tap : _HISTORY]
    return rest[_HISTORY:].view(np.uint8)[: view.size - at]


def _folded(data: NDArray[np.uint8]) -> int:
    """The remainder of `data`, by halving: each pair of neighbours becomes one 32-bit remainder."""
    words = 1 << max(0, ((data.size + 3) // 4 - 1).bit_length())
    padded = np.zeros(4 * words, np.uint8)  # zeros in front change nothing
    padded[4 * words - data.size :] = data
    remainders = padded.view("<u4").astype(np.uint32)
    level = 5
    while remainders.size > 1:
        remainders = _times(remainders[0::2], level) ^ remainders[1::2]
        level += 1
    return int(_times(remainders, 5)[0])


def _times(values: NDArray[np.uint32], level: int) -> NDArray[np.uint32]:
    """Every value times x^(2^level), modulo P; values and result uint32 (n,)."""
    tables = _tables(level)
    result: NDArray[np.uint32] = tables[0][values & 0xFF]
    for byte in (1, 2, 3):
        result ^= tables[byte][(values >> np.uint32(8 * byte)) & 0xFF]
    return result


@cache
def _tables(level: int) -> NDArray[np.uint32]:
    """Per byte of a 32-bit value, the product of its 256 values and x^(2^level): uint32 (4, 256)."""
    factor = _power(level)
    basis = [_product(1 << bit, factor) for bit in range(32)]
    tables = np.zeros((4, 256), np.uint32)
    for bit, product in enumerate(basis):
        which = (np.arange(256) >> (bit % 8)) & 1 == 1
        tables[bit // 8, which] ^= np.uint32(product)
    return tables


@cache
def _power(level: int) -> int:
    """x^(2^level) modulo P."""
    if level == 0:
        return 1 << 30
    root = _power(level - 1)
    return _product(root, root)


def _product(a: int, b: int) -> int:
    """A times b modulo P."""
    result = 0
    for bit in range(31, -1, -1):
        if b >> bit & 1:
            result ^= a
        a = a >> 1 ^ (_POLYNOMIAL if a & 1 else 0)
    return result


def _bytewise(register: int, data: bytes) -> int:
    """The register after a few bytes, by the definition."""
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register
