from __future__ import annotations

import numpy as np
import pytest
from tf_files import GraphBuilder

from converters.tensorflow.constants import LIMIT, compute, is_computable
from converters.tensorflow.topology import read_topology

I32, I64 = np.int32, np.int64
GRID = np.arange(24, dtype=I32).reshape(2, 3, 4)
REDUCE = {"T": "int32", "Tidx": "int32"}

CASES = [
    ("Add", [np.array([1, 2], I32), np.array([2**31 - 1, 3], I32)], {"T": "int32"}),
    ("AddV2", [np.array([[1], [2]], I32), np.array([3, 4], I32)], {"T": "int32"}),
    ("Sub", [np.array([1, 9], I64), np.array([5, 5], I64)], {"T": "int64"}),
    ("Mul", [np.array([1, 9], I32), np.array(5, I32)], {"T": "int32"}),
    ("FloorDiv", [np.array([-7, 7], I32), np.array(2, I32)], {"T": "int32"}),
    ("FloorMod", [np.array([-7, 7], I32), np.array(3, I32)], {"T": "int32"}),
    ("Maximum", [np.array([1, 9], I32), np.array(5, I32)], {"T": "int32"}),
    ("Minimum", [np.array([1, 9], I32), np.array(5, I32)], {"T": "int32"}),
    ("Prod", [GRID[1], np.array([1], I32)], {**REDUCE, "keep_dims": True}),
    ("Sum", [GRID, np.array([0, 2], I32)], {**REDUCE, "keep_dims": False}),
    ("All", [GRID > 3, np.array([0], I32)], {"Tidx": "int32", "keep_dims": False}),
    ("Any", [GRID > 13, np.array(0, I32)], {"Tidx": "int32", "keep_dims": False}),
    ("Range", [np.array(2, I32), np.array(11, I32), np.array(3, I32)], {"Tidx": "int32"}),
    ("LogicalNot", [np.array([True, False])], {}),
    ("LogicalAnd", [np.array([True, False]), np.array(True)], {}),
    ("LogicalOr", [np.array([True, False]), np.array(False)], {}),
    ("Equal", [np.float32([1, 2]), np.float32([1, 3])], {"T": "float32"}),
    ("NotEqual", [np.float32([1, 2]), np.float32([1, 3])], {"T": "float32"}),
    ("Less", [np.float32([1, 2]), np.float32([1, 3])], {"T": "float32"}),
    ("LessEqual", [np.float32([1, 4]), np.float32([1, 3])], {"T": "float32"}),
    ("Greater", [np.float32([1, 4]), np.float32([1, 3])], {"T": "float32"}),
    ("GreaterEqual", [np.float32([1, 2]), np.float32([1, 3])], {"T": "float32"}),
    ("Cast", [np.float32([1.9, -1.9, 0])], {"SrcT": "float32", "DstT": "int32"}),
    ("Shape", [GRID], {"T": "int32", "out_type": "int64"}),
    ("Size", [GRID], {"T": "int32", "out_type": "int32"}),
    ("Rank", [GRID], {"T": "int32"}),
    ("Pack", [np.array([1, 2], I32), np.array([3, 4], I32)], {"T": "int32", "N": 2, "axis": 1}),
    ("ConcatV2", [GRID, GRID, np.array(-1, I32)], {"T": "int32", "Tidx": "int32", "N": 2}),
    ("Concat", [np.array(1, I32), GRID, GRID], {"T": "int32", "N": 2}),
    ("Slice", [GRID, np.array([0, 1, 1], I32), np.array([1, -1, 2], I32)], {"T": "int32", "Index": "int32"}),
    ("Reshape", [GRID, np.array([4, -1], I32)], {"T": "int32", "Tshape": "int32"}),
    ("ExpandDims", [GRID, np.array(-2, I32)], {"T": "int32", "Tdim": "int32"}),
    ("Squeeze", [GRID[:1, :1]], {"T": "int32"}),
    ("Fill", [np.array([2, 3], I32), np.array(7, I32)], {"T": "int32", "index_type": "int32"}),
    (
        "GatherV2",
        [GRID, np.array([2, 0], I32), np.array(1, I32)],
        {"Tparams": "int32", "Tindices": "int32", "Taxis": "int32"},
    ),
    ("Gather", [GRID, np.array([1], I32)], {"Tparams": "int32", "Tindices": "int32"}),
]
for masks in ({"begin_mask": 1, "end_mask": 2}, {"shrink_axis_mask": 5}, {}):
    strided = [GRID, np.array([1, 0, 2], I32), np.array([2, 3, 4], I32), np.array([1, 2, 1], I32)]
    CASES.append(("StridedSlice", strided, {"T": "int32", "Index": "int32", **masks}))


def node_of(op, values, attrs):
    graph = GraphBuilder()
    names = [graph.const(f"c{n}", value, dtype=value.dtype.name) for n, value in enumerate(values)]
    graph.add("y", op, *names, **attrs)
    return graph, read_topology(graph.graph, "a graph").nodes["y"]


@pytest.mark.parametrize(("op", "values", "attrs"), CASES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)])
def test_a_rule_computes_what_tensorflow_computes(op, values, attrs, run):
    graph, node = node_of(op, values, attrs)
    (expected,) = run(graph.graph.SerializeToString(), {}, ["y:0"])
    got = compute(node, values)
    assert got is not None
    assert got.dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(got, expected)


def test_every_rule_is_compared_with_tensorflow():
    from converters.tensorflow import constants

    assert {case[0] for case in CASES} == set(constants._RULES)


@pytest.mark.parametrize(
    ("op", "values", "attrs"),
    [
        ("AddV2", [np.float32([1]), np.float32([2])], {"T": "float32"}),
        ("Relu", [np.float32([1])], {"T": "float32"}),
        ("Equal", [np.zeros((LIMIT + 1, 1), bool), np.zeros((1, 2), bool)], {"T": "bool"}),
        ("Range", [np.array(0, I32), np.array(1 << 30, I32), np.array(1, I32)], {"Tidx": "int32"}),
        ("Range", [np.array(0, I32), np.array(9, I32), np.array(0, I32)], {"Tidx": "int32"}),
        ("Cast", [np.float32([1])], {"DstT": "object"}),
        ("GatherV2", [GRID, np.array([9], I32), np.array(0, I32)], {}),
        ("Reshape", [GRID, np.array([5], I32)], {}),
        ("Squeeze", [GRID, GRID], {}),
        ("StridedSlice", [GRID, *[np.array([0], I32)] * 3], {"ellipsis_mask": 1}),
    ],
)
def test_what_is_inexact_wrong_or_too_large_is_left_alone(op, values, attrs):
    _, node = node_of(op, values, attrs)
    assert compute(node, values) is None
    assert is_computable(node) == (op != "Relu")
