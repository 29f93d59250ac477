"""Slices with all that a bit mask can say, against Python's own and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, asked, fixed, judged

from converters.tensorflow.emit import missing
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph

X = np.arange(2 * 6 * 5 * 3, dtype=np.float32).reshape(2, 6, 5, 3)
TYPES = {"T": "float32", "Index": "int32"}
E, N = Ellipsis, np.newaxis
SLICES = [
    np.s_[:, 1:4],
    np.s_[:, 1:-1, ::2],
    np.s_[:, ::-1],
    np.s_[:, -2::-1, 4:0:-2],
    np.s_[:, 2],
    np.s_[:, -1, -2],
    np.s_[0],
    np.s_[-1, ..., 0],
    np.s_[..., 1],
    np.s_[..., -1:],
    np.s_[..., ::-1],
    np.s_[..., 0:2, 1],
    np.s_[:, N],
    np.s_[..., N],
    np.s_[N, ..., 2:],
    np.s_[:, :, N, 3, :, N],
    np.s_[:, 0, ..., N, 0],
    np.s_[:, 0, 0, 0],
    np.s_[:, 10:],
    np.s_[:, :-20:-1],
    np.s_[:, 3:1],
    np.s_[-1:],
    np.s_[:],
    np.s_[...],
    np.s_[:, :, :, :, ...],
]


def spec(entries: object) -> tuple[list[int], list[int], list[int], dict[str, int]]:
    """Begin, end, stride and masks, as TensorFlow's own Python writes them."""
    entries = entries if isinstance(entries, tuple) else (entries,)
    begin, end, stride = [], [], []
    masks = dict.fromkeys(("begin", "end", "ellipsis", "new_axis", "shrink_axis"), 0)
    for place, entry in enumerate(entries):
        first, last, step = 0, 0, 1
        if entry is E:
            masks["ellipsis"] |= 1 << place
        elif entry is N:
            masks["new_axis"] |= 1 << place
        elif isinstance(entry, int):
            first, last = entry, entry + 1
            masks["shrink_axis"] |= 1 << place
        else:
            step = 1 if entry.step is None else entry.step
            for name, bound in (("begin", entry.start), ("end", entry.stop)):
                if bound is None:
                    masks[name] |= 1 << place
            first, last = entry.start or 0, entry.stop or 0
        begin.append(first)
        end.append(last)
        stride.append(step)
    return begin, end, stride, {f"{name}_mask": mask for name, mask in masks.items()}


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("entries", SLICES, ids=str)
def test_slices_say_what_python_says(run, entries, convolved):
    begin, end, stride, masks = spec(entries)
    bounds = [fixed(numbers) for numbers in (begin, end, stride)]
    done = asked(run, "StridedSlice", X, *bounds, convolved=convolved, **TYPES, **masks)
    if not convolved:
        np.testing.assert_array_equal(done.got[0], X[entries])


@pytest.mark.parametrize("entries", SLICES, ids=str)
@pytest.mark.parametrize("computed", [(1,), (2,), (1, 2)], ids=["begin", "end", "both"])
def test_bounds_may_be_computed(run, entries, computed):
    *bounds, masks = spec(entries)
    graph = Graph()
    graph.placeholder("x", None, 6, 5, 3)
    feeds, names = {"x": X}, ["x"]
    for place, numbers in enumerate(bounds, start=1):
        array = np.array(numbers, np.int32)
        if place in computed:
            graph.placeholder(f"b{place}", len(numbers), dtype="int32")
            feeds[f"b{place}"] = array
        else:
            graph.value(f"b{place}", array)
        names.append(f"b{place}")
    graph.add("part", "StridedSlice", *names, **TYPES, **masks)
    judged(run, graph, feeds, "part")


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize(
    ("begin", "size"),
    [
        ([0, 1, 2, 0], [2, 3, 2, 2]),
        ([0, 0, 0, 1], [-1, -1, -1, -1]),
        ([0, 2, 0, 0], [-1, 3, -1, 3]),
        ([0] * 4, [-1] * 4),
    ],
)
def test_slices_of_a_size(run, begin, size, convolved):
    asked(run, "Slice", X, fixed(begin), fixed(size), convolved=convolved, **TYPES)
    if not convolved:
        asked(run, "Slice", X, np.array(begin, np.int32), fixed(size), batch=False, **TYPES)


def test_a_slice_of_a_computed_size_and_steps_that_are_computed_are_named():
    graph = Graph()
    graph.placeholder("x", None)
    graph.placeholder("n", 1, dtype="int32")
    graph.value("zero", np.array([0], np.int32))
    graph.add("part", "Slice", "x", "zero", "n", **TYPES)
    graph.add("strided", "StridedSlice", "x", "zero", "zero", "n", **TYPES)
    graph.value("two", np.array([0, 0], np.int32))
    graph.add("too_many", "StridedSlice", "x", "two", "two", "two", **TYPES)
    for output, reason in (
        ("part", "its size is not a constant"),
        ("strided", "its stride is not a constant"),
        ("too_many", "it slices more axes than the 1 of its data"),
    ):
        frozen = freeze(SourceGraph("frozen graph", __file__, (), graph.graph), outputs=[f"{output}:0"])
        assert [found.reason for found in missing(frozen)] == [reason]
