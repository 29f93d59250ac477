"""Weights that PyTorch stores in parts and multiplies together when the network runs.

Reference:
    torch.nn.utils: weight_norm, spectral_norm, prune.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.weights import Variable

Array = NDArray[Any]


def whole_weight(layer: str, roles: Mapping[str, Variable]) -> Variable | None:
    """The weight that a layer's parts make; None when it is not stored in parts.

    Args:
        layer: The layer's name.
        roles: Its variables by role: "weight_g", "weight_v".
    """
    for parts, make in _WAYS:
        if all(part in roles for part in parts):
            found = [roles[part] for part in parts]
            return Variable(f"{layer}.weight", found[0].dtype, found[0].shape, partial(_made, make, found))
    return None


def _made(make: Callable[..., Array], parts: list[Variable]) -> Array:
    first, *rest = (part.read() for part in parts)
    # More digits than the weight has, so that the order of the sums makes no difference to it.
    made: Array = make(*(each.astype(np.float64) for each in (first, *rest)))
    rounded: Array = made.astype(first.dtype)
    return rounded


def _weight_norm(direction: Array, length: Array) -> Array:
    """A length for each output channel, and a direction: the length's axis is the one that it has."""
    axes = tuple(axis for axis in range(direction.ndim) if axis >= length.ndim or length.shape[axis] == 1)
    norm: Array = np.sqrt(np.square(direction).sum(axis=axes, keepdims=True))
    return direction * (length / np.where(norm == 0, 1, norm))


def _spectral_norm(weight: Array, left: Array, right: Array) -> Array:
    """A weight over its largest singular value, as the vectors that are stored beside it give that."""
    first = weight if len(left) == len(weight) else weight.swapaxes(0, 1)
    largest = left @ first.reshape(len(left), -1) @ right
    normal: Array = weight / largest
    return normal


def _pruned(weight: Array, mask: Array) -> Array:
    return weight * mask


# The roles of the parts, that with the shape of the weight first, and how the weight is made of them.
_WAYS: tuple[tuple[tuple[str, ...], Callable[..., Array]], ...] = (
    (("weight_v", "weight_g"), _weight_norm),
    (("weight.original1", "weight.original0"), _weight_norm),
    (("weight_orig", "weight_u", "weight_v"), _spectral_norm),
    (("weight.original", "weight.0._u", "weight.0._v"), _spectral_norm),
    (("weight_orig", "weight_mask"), _pruned),
)
