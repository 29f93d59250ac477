"""Products of matrices, transposed, scaled, broadcast, of vectors, and as equations."""

from __future__ import annotations

import numpy as np
from gradient_cases import Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import helper

EQUATIONS = (
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("bij,bkj->bik", ((2, 3, 4), (2, 2, 4))),
    ("bhid,bhjd->bhij", ((1, 2, 3, 2), (1, 2, 2, 2))),
    ("...ij,...jk->...ik", ((2, 2, 3), (2, 3, 2))),
    ("ij,j", ((2, 3), (3,))),
    ("ij->i", ((2, 3),)),
    ("i,j,k->jki", ((2,), (3,), (2,))),
    ("ij,k->k", ((2, 3), (4,))),
    ("a b, b c -> c a", ((2, 3), (3, 2))),
    ("...ij,...jk->...k", ((1, 2, 3), (4, 3, 4))),
    ("...ij,...jk->...k", ((4, 2, 3), (1, 3, 4))),
    ("bii->bi", ((2, 3, 3),)),
    ("ii->", ((3, 3),)),
    ("iij,ijj->i", ((2, 2, 3), (2, 3, 3))),
    ("iii->i", ((3, 3, 3),)),
    ("...ii->...i", ((2, 3, 3),)),
)


@case("Gemm")
def gemm(draw: Draw) -> Case:
    a_turned, b_turned = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    rows, inner, columns = (draw(st.integers(1, 4)) for _ in range(3))
    inputs = {
        "a": normal(draw, *((inner, rows) if a_turned else (rows, inner))),
        "b": normal(draw, *((columns, inner) if b_turned else (inner, columns))),
        "c": normal(draw, *draw(st.sampled_from([(), (columns,), (rows, 1), (1, columns), (rows, columns)]))),
    }
    names = draw(st.sampled_from([["a", "b"], ["a", "b", "c"], ["a", "b", "c"]]))
    node = helper.make_node(
        "Gemm",
        names,
        ["y"],
        alpha=draw(st.sampled_from([1.0, 0.5])),
        beta=draw(st.sampled_from([1.0, -2.0])),
        transA=a_turned,
        transB=b_turned,
    )
    return network([node], {name: inputs[name] for name in names})


@case("MatMul")
def matmul(draw: Draw) -> Case:
    shapes = (
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 2, 3), (3,)),
        ((3,), (2, 3, 2)),
        ((2, 2, 3), (3, 4)),
        ((3, 2), (2, 2, 4)),
        ((1, 2, 3), (2, 3, 2)),
        ((2, 1, 2, 3), (2, 3, 2)),
    )
    left, right = draw(st.sampled_from(shapes))
    a, b = normal(draw, *left), normal(draw, *right)
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    if draw(st.booleans()):
        return network([node], {"a": a}, constants={"b": b})
    return network([node], {"a": a, "b": b})


@case("MatMul")
def attention_scores(draw: Draw) -> Case:
    """As exporters write attention: products of transposed heads, with a free batch."""
    nodes = [
        helper.make_node("MatMul", ["x", "wq"], ["q"]),
        helper.make_node("MatMul", ["x", "wk"], ["k"]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "q"], ["y"]),
    ]
    constants = {"wq": normal(draw, 4, 4), "wk": normal(draw, 4, 4)}
    return network(nodes, {"x": normal(draw, 2, 3, 4)}, constants=constants, free=True)


@case("Einsum")
def einsum(draw: Draw) -> Case:
    equation, shapes = draw(st.sampled_from(EQUATIONS))
    inputs = {name: normal(draw, *shape) for name, shape in zip("abc", shapes, strict=False)}
    node = helper.make_node("Einsum", list(inputs), ["y"], equation=equation)
    return network([node], inputs, truth=lambda feeds: np.einsum(equation.replace(" ", ""), *feeds.values()))
