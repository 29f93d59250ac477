"""Products of matrices."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, rule, widened

# How many numbers of a weight are widened at once: 16 MiB.
_BLOCK = 1 << 21


@rule("MatMul", narrow=True)
def matrix_product(operation: Operation, a: Array, b: Array) -> Array:
    """The product of two matrices, each of them possibly transposed."""
    a = a.T if operation.flag("transpose_a") else a
    b = b.T if operation.flag("transpose_b") else b
    return _product(a, b)


@rule("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", narrow=True)
def batch_matrix_product(operation: Operation, a: Array, b: Array) -> Array:
    """The products of the matrices on the last two axes."""
    a = a.swapaxes(-1, -2) if operation.flag("adj_x") else a
    b = b.swapaxes(-1, -2) if operation.flag("adj_y") else b
    return _product(a, b) if b.ndim == 2 else widened(a) @ widened(b)


@rule("Einsum")
def einstein_sum(operation: Operation, *values: Array) -> Array:
    """A sum of products in Einstein's notation."""
    return np.asarray(np.einsum(operation.text("equation"), *values, optimize=True))


def _product(a: Array, b: Array) -> Array:
    """The product with a matrix `b` that may be large: in pieces, so that no wide copy of it is made."""
    if a.dtype.kind not in "f" or b.size <= _BLOCK:
        return widened(a) @ widened(b)
    result = np.zeros((*a.shape[:-1], b.shape[-1]))
    rows = max(1, _BLOCK // b.shape[-1])
    for start in range(0, b.shape[0], rows):
        result += widened(a[..., start : start + rows]) @ widened(b[start : start + rows])
    return result
