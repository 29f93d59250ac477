"""Products of matrices.

Transposed factors are an attribute of Gemm, so that no weight is stored twice.
"""

from __future__ import annotations

import numpy as np

from inspector.gradients.einsum import Einsum
from inspector.gradients.expressions import expand_like, size_at
from inspector.gradients.kinds import BATCHES
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value, unbroadcast


@vjp("Gemm", since=7)
def gemm(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Y = αA'B' + βC, where ' is an optional transposition."""
    a, b = node.input, node.given(1)
    alpha, beta = node.attr("alpha", 1.0), node.attr("beta", 1.0)
    a_turned, b_turned = node.attr("transA", 0), node.attr("transB", 0)
    results: list[Value | None] = [None, None, None]
    if node.wants(0):
        results[0] = (
            node.op("Gemm", b, grad, alpha=alpha, transA=b_turned, transB=1)
            if a_turned
            else node.op("Gemm", grad, b, alpha=alpha, transB=1 - b_turned)
        )
    if node.wants(1):
        results[1] = (
            node.op("Gemm", grad, a, alpha=alpha, transA=1, transB=a_turned)
            if b_turned
            else node.op("Gemm", a, grad, alpha=alpha, transA=1 - a_turned)
        )
    if node.wants(2):
        results[2] = unbroadcast(grad if beta == 1 else grad * beta, node.given(2))
    return tuple(results)


@vjp("MatMul")
def matmul(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """DA = dY·Bᵀ, dB = Aᵀ·dY, summed over the axes along which a factor was broadcast."""
    a, b = node.input, node.given(1)
    if a.rank == b.rank == 2:
        return (
            node.op("Gemm", grad, b, transB=1) if node.wants(0) else None,
            node.op("Gemm", a, grad, transA=1) if node.wants(1) else None,
        )
    # A vector is a matrix of one row or column, whose axis the product lacks.
    left = a.op("Unsqueeze", axes=(0,)) if a.rank == 1 else a
    right = b.op("Unsqueeze", axes=(1,)) if b.rank == 1 else b
    whole = grad
    if b.rank == 1:
        whole = whole.op("Unsqueeze", axes=(-1,))
    if a.rank == 1:
        whole = whole.op("Unsqueeze", axes=(-2,))
    return (
        unbroadcast(whole.op("MatMul", _turned(right)), left).reshape_like(a) if node.wants(0) else None,
        unbroadcast(_turned(left).op("MatMul", whole), right).reshape_like(b) if node.wants(1) else None,
    )


@vjp("Einsum")
def einsum(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """Laue, Mitterreiter and Giesen, Computing higher order derivatives (2018), section 3."""
    factors = [node.given(at) for at in range(len(node.inputs))]
    terms = Einsum.parsed(node, [factor.rank for factor in factors])
    _check_sizes(node, factors, terms)
    # A letter twice in a factor takes its diagonal: that is a product with the identity.
    diagonals = [
        node.array(np.eye(size_at(node, factors[at], axis), dtype=grad.dtype)) for at, axis in terms.diagonals
    ]
    return tuple(
        _factor(node, grad, [*factors, *diagonals], terms, at) if node.wants(at) else None
        for at in range(len(factors))
    )


def _check_sizes(node: Node, factors: list[Value], terms: Einsum) -> None:
    """Refuse sizes that do not fit: a batch that is free does not where another factor spells it out."""
    for at in range(len(BATCHES)):
        sizes: dict[str, int] = {}
        for term, factor in zip(terms.factors, factors, strict=False):
            for letter, size in zip(term, factor.sizes[at] if factor.sizes else (), strict=False):
                if size != 1 and sizes.setdefault(letter, size) != size:
                    raise node.refuse("has no gradient with factors of different sizes along one axis")


def _factor(node: Node, grad: Value, factors: list[Value], terms: Einsum, at: int) -> Value:
    """The gradient of one factor: the product of the result's gradient and all other factors."""
    wanted = terms.factors[at]
    others = [
        (term, value)
        for place, (term, value) in enumerate(zip(terms.factors, factors, strict=True))
        if place != at
    ]
    seen = "".join([terms.result, *(term for term, _ in others)])
    there = "".join(letter for letter in wanted if letter in seen)
    equation = ",".join([terms.result, *(term for term, _ in others)]) + "->" + there
    made = node.op("Einsum", grad, *(value for _, value in others), equation=equation)
    if there != wanted:
        # What only this factor has was summed over: every place gets the same.
        made = made.op(
            "Unsqueeze", axes=tuple(place for place, letter in enumerate(wanted) if letter not in there)
        )
        return expand_like(unbroadcast(made, factors[at]), factors[at])
    return unbroadcast(made, factors[at])


def _turned(matrix: Value) -> Value:
    """The matrices with their last two axes exchanged."""
    rank = matrix.rank
    return matrix.transpose((*range(rank - 2), rank - 1, rank - 2))
