"""The Attention operator; attention written in single operators needs no rule of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inspector.gradients.expressions import size_at
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value

# From (batch, length, groups, heads, size) to (batch, groups, heads, length, size), and back.
_TO_HEADS, _FROM_HEADS = (0, 2, 3, 1, 4), (0, 3, 1, 2, 4)


@vjp("Attention", since=23)
def attention(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Through the weighted mean, the softmax and the scores; the weights are computed anew.

    Reference:
        T. Dao et al., "FlashAttention: fast and memory-efficient exact attention with IO-awareness", 2022,
        appendix B.2.
    """
    heads = _heads(node)
    q, k, v = (heads.split(node, node.given(at), is_query=at == 0) for at in range(3))
    scale = node.attr("scale", 0.0) or 1 / math.sqrt(size_at(node, q, 4))
    weights, slope = _weights(node, heads, (q * scale).op("MatMul", _transposed(k)))
    by_y = heads.split(node, grad, is_query=True)
    by_v = _transposed(weights).op("MatMul", by_y)
    product = by_y.op("MatMul", _transposed(v)) * weights
    by_scores = product - weights * product.sum((4,))
    by_raw = (by_scores if slope is None else by_scores * slope) * scale
    return (
        heads.joined(by_raw.op("MatMul", k), node.input),
        heads.joined(_transposed(by_raw).op("MatMul", q).sum((2,)), node.given(1)),
        heads.joined(by_v.sum((2,)), node.given(2)),
        _by_mask(node, heads, by_scores),
    )


@dataclass(frozen=True)
class _Heads:
    """How queries share keys: `groups` keys with their values, each used by `shared` heads of queries."""

    groups: int
    shared: int

    def split(self, node: Node, value: Value, *, is_query: bool) -> Value:
        """Queries, keys or values as (batch, groups, heads of the group, length, size of a head)."""
        shape, shared = value.known_shape, self.shared if is_query else 1
        if len(shape) == 4:
            return value.reshape((shape[0], self.groups, shared, *shape[2:]))
        size = size_at(node, value, 2) // (self.groups * shared)
        return value.reshape((*shape[:2], self.groups, shared, size)).transpose(_TO_HEADS)

    def joined(self, split: Value, like: Value) -> Value:
        """The opposite of `split`."""
        return (split if like.rank == 4 else split.transpose(_FROM_HEADS)).reshape_like(like)


def _heads(node: Node) -> _Heads:
    """The heads of a node, whose variant must be one without a cache."""
    if any(node.has_input(at) for at in (4, 5, 6)):
        raise node.refuse("has no gradient with a cache of past keys")
    if any(grad is not None for grad in node.grads[1:]):
        raise node.refuse("has no gradient of its second to fourth output")
    if node.input.rank == 4:
        count, groups = size_at(node, node.input, 1), size_at(node, node.given(1), 1)
    else:
        count, groups = node.attr("q_num_heads", 1), node.attr("kv_num_heads", 1)
    return _Heads(groups, count // groups)


def _weights(node: Node, heads: _Heads, raw: Value) -> tuple[Value, Value | None]:
    """How much each query takes of each key, and the derivative of the scores' soft cap, if they have one."""
    softcap, slope, scores = node.attr("softcap", 0.0), None, raw
    if softcap:
        capped = (raw / softcap).op("Tanh")
        scores, slope = capped * softcap, 1 - capped * capped
    if node.attr("is_causal", 0):
        scores = scores + _later_keys(node, raw)
    if not node.has_input(3):
        return scores.op("Softmax", axis=-1), slope
    mask = _mask(node, heads)
    if mask.dtype.kind == "b":
        seen, hidden = (node.array(np.full((), number, raw.dtype)) for number in (0, -np.inf))
        mask = mask.where(seen, hidden)
    weights = (scores + mask).op("Softmax", axis=-1)
    # A query that may look at nothing takes nothing.
    return weights.op("IsNaN").where(0.0, weights), slope


def _later_keys(node: Node, scores: Value) -> Value:
    """Minus infinity for each key that comes after the query, else 0."""
    sizes = np.array([size_at(node, scores, axis) for axis in (3, 4)], np.int64)
    everywhere = node.op("ConstantOfShape", sizes, value=np.full(1, -np.inf, scores.dtype))
    return everywhere.op("Trilu", np.array(1, np.int64), upper=1)


def _mask(node: Node, heads: _Heads) -> Value:
    """The mask with an axis for the groups, broadcast like the scores."""
    mask = node.given(3)
    shape = (1,) * (4 - mask.rank) + mask.known_shape
    keys = size_at(node, node.given(1), 1 if node.input.rank == 3 else 2)
    if shape[3] not in (1, keys):
        raise node.refuse("has no gradient with a mask that is shorter than the keys")
    apart = (1, 1) if shape[1] == 1 else (heads.groups, heads.shared)
    return mask.reshape((shape[0], *apart, *shape[2:]))


def _by_mask(node: Node, heads: _Heads, by_scores: Value) -> Value | None:
    """The gradient of a mask of floats, which is added to the scores."""
    if not node.has_input(3) or node.given(3).dtype.kind != "f":
        return None
    return by_scores.unbroadcast(_mask(node, heads)).reshape_like(node.given(3))


def _transposed(matrices: Value) -> Value:
    return matrices.transpose((0, 1, 2, 4, 3))
