"""Numbers for files put together by hand."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(3)


def numbers(*shape, dtype=np.float32):
    return RNG.uniform(-3, 3, shape).astype(dtype)


def ints(*values, dtype=np.int32):
    return np.asarray(values, dtype)


SHAPE = (1, 4, 5, 3)
