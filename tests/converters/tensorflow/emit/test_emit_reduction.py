"""Reductions and matrix products, against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, asked, fixed, judged

from converters.tensorflow.emit import missing
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph

RNG = np.random.default_rng(9)
PICTURES = RNG.normal(size=(2, 5, 4, 3)).astype(np.float32)
T = {"T": "float32"}
REDUCED = {"T": "float32", "Tidx": "int32"}
AXES = [[0], [1, 2], [-1], 3, [-3, 2], [2], [1, 2, 3], [0, 1, 2, 3], []]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("op", ["Mean", "Sum", "Max", "Min", "Prod", "EuclideanNorm"])
def test_reductions_over_any_axes(run, op, axes, keep, convolved):
    asked(run, op, PICTURES, fixed(axes), convolved=convolved, keep_dims=keep, **REDUCED)


@pytest.mark.parametrize("op", ["Mean", "Sum"])
def test_reductions_whose_axes_are_an_input_of_the_operator(run, op):
    done = asked(run, op, PICTURES, fixed([1, 2]), opset=18, convolved=True, keep_dims=False, **REDUCED)
    assert done.ops[-1] == f"Reduce{op}"
    assert done.ops.count("Transpose") == 1


@pytest.mark.parametrize("op", ["Sum", "Max", "Min", "Prod", "Mean"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "int16", "uint8"])
def test_integers_are_reduced_as_integers(run, op, dtype):
    x = RNG.integers(1, 9, (4, 3)).astype(dtype)
    asked(run, op, x, fixed([1]), T=dtype, Tidx="int32", keep_dims=False)


@pytest.mark.parametrize("op", ["All", "Any"])
@pytest.mark.parametrize("axes", [[0], [1], [0, 1], []], ids=str)
def test_truth_values_are_reduced(run, op, axes):
    x = np.array([[True, False, True], [True, True, True]])
    asked(run, op, x, fixed(axes), Tidx="int32", keep_dims=False)


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_the_place_of_the_extreme(run, op, axis, convolved):
    kinds = {"T": "float32", "Tidx": "int32", "output_type": "int64" if axis else "int32"}
    asked(run, op, PICTURES, fixed(axis), convolved=convolved, **kinds)


def test_the_first_of_equal_extremes_is_taken(run):
    x = np.array([[1, 3, 3], [2, 2, 1]], np.float32)
    done = asked(run, "ArgMax", x, fixed(1), T="float32", Tidx="int32", output_type="int64")
    assert done.got[0].tolist() == [1, 0]


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize(
    "flags", [{}, {"exclusive": True}, {"reverse": True}, {"exclusive": True, "reverse": True}]
)
def test_sums_so_far(run, axis, flags):
    asked(run, "Cumsum", PICTURES, fixed(axis), convolved=True, **REDUCED, **flags)
    whole = RNG.integers(-9, 9, (4, 3)).astype(np.int16)
    asked(run, "Cumsum", whole, fixed(1), T="int16", Tidx="int32", **flags)


def test_half_the_sum_of_squares(run):
    asked(run, "L2Loss", PICTURES, **T)


def test_axes_that_the_data_lacks_or_the_graph_computes_are_named():
    graph = Graph()
    graph.placeholder("x", None, 3)
    graph.placeholder("axes", 1, dtype="int32")
    graph.value("far", np.array([2], np.int32))
    for name, axes in (("computed", "axes"), ("lacking", "far")):
        graph.add(name, "Sum", "x", axes, **REDUCED)
    for output, reason in (
        ("computed", "its axis is not a constant"),
        ("lacking", "its axis 2 is not one of the 2 of its data"),
    ):
        frozen = freeze(SourceGraph("frozen graph", __file__, (), graph.graph), outputs=[f"{output}:0"])
        assert [found.reason for found in missing(frozen)] == [reason]


@pytest.mark.parametrize("flip_a", [False, True])
@pytest.mark.parametrize("flip_b", [False, True])
@pytest.mark.parametrize("constant", [False, True])
def test_matrices_are_multiplied_either_way_up(run, flip_a, flip_b, constant):
    a = RNG.normal(size=(4, 5) if flip_a else (5, 4)).astype(np.float32)
    b = RNG.normal(size=(3, 4) if flip_b else (4, 3)).astype(np.float32)
    other = fixed(b, "float32") if constant else b
    done = asked(run, "MatMul", a, other, batch=False, transpose_a=flip_a, transpose_b=flip_b, **T)
    assert done.ops.count("Transpose") == flip_a + (flip_b and not constant)


@pytest.mark.parametrize("op", ["BatchMatMul", "BatchMatMulV2"])
@pytest.mark.parametrize(("flip_a", "flip_b"), [(False, False), (True, False), (False, True), (True, True)])
def test_stacks_of_matrices_are_multiplied(run, op, flip_a, flip_b):
    a = RNG.normal(size=(2, 3, 4, 5) if flip_a else (2, 3, 5, 4)).astype(np.float32)
    b = RNG.normal(size=(2, 3, 6, 4) if flip_b else (2, 3, 4, 6)).astype(np.float32)
    asked(run, op, a, b, adj_x=flip_a, adj_y=flip_b, **T)
    asked(run, op, a, b, adj_x=flip_a, adj_y=flip_b, convolved=True, **T)


def test_stacks_of_matrices_are_broadcast(run):
    a, b = (RNG.normal(size=shape).astype(np.float32) for shape in ((2, 1, 5, 4), (3, 4, 6)))
    asked(run, "BatchMatMulV2", a, b, batch=False, **T)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        (b"ij,jk->ik", [(2, 3), (3, 4)]),
        (b"bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        (b"...ij,jk->...ik", [(2, 5, 3), (3, 4)]),
        (b"ijk->kj", [(2, 3, 4)]),
    ],
)
def test_equations_are_taken_over(run, equation, shapes):
    graph, feeds = Graph(), {}
    for place, shape in enumerate(shapes):
        graph.placeholder(f"x{place}", *shape)
        feeds[f"x{place}"] = RNG.normal(size=shape).astype(np.float32)
    graph.add("product", "Einsum", *feeds, equation=equation, N=len(shapes), **T)
    graph.reshaped("y", "product", "float32", -1)
    judged(run, graph, feeds, "y")
