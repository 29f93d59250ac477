"""Picking elements, and numbers rounded as in 8-bit inference, against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, asked, emitted, fixed, judged

from converters.runtime import Runtime
from converters.tensorflow.emit import missing
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph

RNG = np.random.default_rng(11)
PICTURES = RNG.normal(size=(2, 4, 6, 3)).astype(np.float32)
T = {"T": "float32"}
GATHER = {"Tparams": "float32", "Tindices": "int32", "Taxis": "int32"}


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("indices", [1, [0, 1, 1], [[0, 1], [1, 0]]], ids=str)
def test_places_of_an_axis(run, axis, indices, convolved):
    array = np.array(indices, np.int32)
    asked(run, "GatherV2", PICTURES, fixed(indices), fixed(axis), convolved=convolved, **GATHER)
    asked(run, "GatherV2", PICTURES, array, fixed(axis), convolved=convolved, **GATHER)


def test_rows_of_a_table(run):
    table = fixed(RNG.normal(size=(50, 8)), "float32")
    words = RNG.integers(0, 50, (3, 7)).astype(np.int32)
    asked(run, "Gather", table, words, Tparams="float32", Tindices="int32")
    asked(run, "GatherV2", table, words, fixed(0), **GATHER)


@pytest.mark.parametrize("batch_dims", [1, 2, -1])
def test_each_sample_has_its_own_places(run, batch_dims):
    shape = (2, 4, 3) if batch_dims == 2 else (2, 3)
    indices = RNG.integers(0, 4, shape).astype(np.int32)
    axis = fixed(2 if batch_dims == 2 else 1)
    asked(run, "GatherV2", PICTURES, indices, axis, batch_dims=batch_dims, **GATHER)


@pytest.mark.parametrize("indices", [[[0, 1]], [[[1]], [[0]]], [[0, 3, 5, 2], [1, 0, 0, 0]]], ids=str)
def test_elements_by_a_number_for_each_axis(run, indices):
    kinds = {"Tparams": "float32", "Tindices": "int32"}
    asked(run, "GatherNd", PICTURES, np.array(indices, np.int32), convolved=True, **kinds)


def test_numbers_are_added_up_at_places(run):
    indices = np.array([[4], [3], [1], [4]], np.int32)
    updates = np.array([9, 10, 11, 12], np.float32)
    asked(run, "ScatterNd", indices, updates, fixed([8]), batch=False, T="float32", Tindices="int32")


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize(
    ("sizes", "depth"),
    [([5], 1), ([5, 3], 1), ([5, 3], 2), ([4, 5, 2], 2), ([4, 5, 2, 3], 2), ([2, 3, 4], 3)],
)
def test_parts_are_added_up_at_places_of_several_axes(run, sizes, depth, dtype):
    # Twelve places of few, so that some come more than once.
    indices = np.stack([RNG.integers(0, size, (4, 3)) for size in sizes[:depth]], axis=-1).astype(np.int32)
    updates = RNG.normal(0, 9, (4, 3, *sizes[depth:])).astype(dtype)
    kinds = {"T": dtype, "Tindices": "int32"}
    done = asked(run, "ScatterNd", indices, updates, fixed(sizes), batch=False, **kinds)
    assert "ScatterND" not in done.ops
    # Sizes that only a run tells.
    asked(run, "ScatterNd", indices, updates, np.array(sizes, np.int32), batch=False, **kinds)


def test_rows_are_added_up_where_their_number_is_that_of_the_batch(run):
    graph = Graph()
    graph.placeholder("x", None, 6)
    graph.placeholder("places", None, 2, dtype="int32")
    graph.placeholder("rows", None, 3)
    graph.value("begin", np.array([0], np.int32))
    graph.value("end", np.array([1], np.int32))
    graph.value("inner", np.array([2, 3], np.int32))
    graph.value("axis", np.array(0, np.int32))
    graph.add("shape", "Shape", "x", T="float32", out_type="int32")
    graph.add("batch", "StridedSlice", "shape", "begin", "end", "end", T="int32", Index="int32")
    graph.add("sizes", "ConcatV2", "batch", "inner", "axis", T="int32", Tidx="int32", N=2)
    graph.add("op", "ScatterNd", "places", "rows", "sizes", T="float32", Tindices="int32")
    feeds = {
        "x": np.zeros((4, 6), np.float32),
        "places": np.array([[3, 1], [0, 0], [3, 1], [2, 1], [3, 0]], np.int32),
        "rows": RNG.normal(size=(5, 3)).astype(np.float32),
    }
    done = judged(run, graph, feeds, "op")
    assert "ScatterElements" in done.ops


def test_no_number_is_lost_where_very_many_are_added_to_one(run):
    count = 2_000_000
    places = np.ones((count, 1), np.int32)
    places[::4] = 0
    feeds = {"in0": places, "in1": np.ones(count, np.float32)}
    done = asked(run, "ScatterNd", *feeds.values(), fixed([2]), batch=False, T="float32", Tindices="int32")
    session = Runtime(done.model.SerializeToString())
    # Threads that lose numbers do so by chance.
    for _ in range(5):
        sums = session.run({f"{name}:0": array for name, array in feeds.items()})["op:0"]
        assert sums.tolist() == [count // 4, 3 * count // 4]


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize(("on", "off"), [(1, 0), (5, -1)])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_place_is_marked_and_none_for_numbers_without_one(run, axis, on, off, dtype):
    indices = np.array([[0, 2, -1], [3, 1, 4]], np.int32)
    values = fixed(on, dtype), fixed(off, dtype)
    asked(run, "OneHot", indices, fixed(4), *values, T=dtype, TI="int32", axis=axis)


@pytest.mark.parametrize("convolved", [False, True])
def test_the_largest_numbers_with_their_places(run, convolved):
    asked(run, "TopKV2", PICTURES, fixed(2), outputs=2, convolved=convolved, **T)
    asked(run, "TopKV2", PICTURES, np.array(2, np.int32), outputs=2, convolved=convolved, sorted=True, **T)


def test_the_older_op_for_the_largest_numbers_states_how_many():
    # No TensorFlow of today runs it.
    graph = Graph()
    graph.placeholder("x", None, 3)
    graph.add("top", "TopK", "x", k=2, **T)
    session = Runtime(emitted(graph, ["x"], ["top:0", "top:1"]).SerializeToString())
    values = session.run({"x:0": np.array([[1, 3, 2], [5, 4, 6]], np.float32)})
    assert values["top:0"].tolist() == [[3, 2], [6, 5]]
    assert values["top:1"].tolist() == [[1, 2], [2, 0]]


def test_equal_numbers_come_in_their_own_order(run):
    x = np.array([[1, 3, 3, 1, 3]], np.float32)
    done = asked(run, "TopKV2", x, fixed(5), outputs=2, sorted=True, **T)
    assert done.got[1].tolist() == [[1, 2, 4, 0, 3]]


@pytest.mark.parametrize("dtype", ["float32", "bool"])
def test_where_something_is_not_zero(run, dtype):
    x = RNG.integers(0, 2, (3, 4, 2)).astype(dtype)
    asked(run, "Where", x, T=dtype)


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("axes", [[0], [1], [-1], [1, 3], []], ids=str)
def test_axes_are_reversed(run, axes, convolved):
    asked(run, "ReverseV2", PICTURES, fixed(axes), convolved=convolved, T="float32", Tidx="int32")


@pytest.mark.parametrize(("batch", "time"), [(0, 1), (1, 0), (0, 2), (3, 1)])
def test_sequences_are_reversed_as_far_as_they_go(run, batch, time):
    lengths = RNG.integers(0, PICTURES.shape[time] + 1, PICTURES.shape[batch]).astype(np.int32)
    kinds = {"T": "float32", "Tlen": "int32", "batch_dim": batch, "seq_dim": time}
    asked(run, "ReverseSequence", PICTURES, lengths, batch=False, **kinds)
    asked(run, "ReverseSequence", PICTURES, lengths, batch=False, convolved=True, **kinds)


X = np.concatenate([RNG.normal(0, 4, 500), [0, 6, -6, 100, -100]]).astype(np.float32).reshape(-1, 5)


@pytest.mark.parametrize(("low", "high"), [(-6.0, 6.0), (0.0, 6.0), (-0.7, 3.1), (-4.0, -1.0), (1.0, 2.0)])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("bits", [8, 4])
def test_numbers_are_rounded_to_a_few(run, low, high, narrow, bits):
    given = {"num_bits": bits, "narrow_range": narrow}
    if low <= 0 <= high:
        asked(run, "FakeQuantWithMinMaxArgs", X, min=low, max=high, **given)
    bounds = fixed(low, "float32"), fixed(high, "float32")
    asked(run, "FakeQuantWithMinMaxVars", X, *bounds, **given)


@pytest.mark.parametrize("convolved", [False, True])
def test_each_channel_is_rounded_by_bounds_of_its_own(run, convolved):
    bounds = fixed([-1, -2, 0], "float32"), fixed([1, 3, 0.5], "float32")
    asked(run, "FakeQuantWithMinMaxVarsPerChannel", PICTURES, *bounds, convolved=convolved)


def test_equal_bounds_leave_zeros(run):
    zero = fixed(0, "float32")
    asked(run, "FakeQuantWithMinMaxVars", X, zero, zero)


def test_what_is_not_covered_is_named():
    graph = Graph()
    graph.placeholder("x", None, 4, 6)
    graph.placeholder("where", None, 3, dtype="int32")
    graph.placeholder("edge", 1)
    graph.value("two", np.array(2, np.int32))
    graph.value("low", np.float32(2))
    graph.value("high", np.float32(1))
    graph.add("apart", "GatherV2", "x", "where", "two", batch_dims=1, **GATHER)
    graph.add("open", "FakeQuantWithMinMaxVars", "x", "edge", "high")
    graph.add("crossed", "FakeQuantWithMinMaxVars", "x", "low", "high")
    for output, reason in (
        ("apart", "the axis that it gathers from is not the first one behind those of the batch"),
        ("open", "its lower bound is not a constant"),
        ("crossed", "its lower bound is above the upper one"),
    ):
        frozen = freeze(SourceGraph("frozen graph", __file__, (), graph.graph), outputs=[f"{output}:0"])
        assert [found.reason for found in missing(frozen)] == [reason]
