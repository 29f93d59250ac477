"""Resizing, padding, and moving numbers between space, channels and samples, against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, judged
from tf_graphs import source

from converters.tensorflow.emit import missing
from converters.tensorflow.freeze import freeze

CORNERS = [
    {"align_corners": False, "half_pixel_centers": False},
    {"align_corners": True, "half_pixel_centers": False},
    {"align_corners": False, "half_pixel_centers": True},
]
SIZES = [(8, 10), (4, 5), (12, 15), (7, 3), (2, 9), (1, 1), (3, 5)]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("op", ["ResizeBilinear", "ResizeNearestNeighbor"])
@pytest.mark.parametrize("size", SIZES)
def test_resizing_in_every_corner_mode(run, op, corners, size):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 2)
    graph.value("size", np.array(size, np.int32))
    graph.add("r", op, "x", "size", T="float32", **corners)
    judged(run, graph, {"x": drawn(3, 4, 5, 2)}, "r")


@pytest.mark.parametrize("before", range(1, 14, 4))
@pytest.mark.parametrize("after", range(1, 30, 3))
@pytest.mark.parametrize("corners", CORNERS)
def test_the_nearest_pixel_is_tensorflows_at_any_factor(run, before, after, corners):
    graph = Graph()
    graph.placeholder("x", None, before, 1, 1)
    graph.value("size", np.array([after, 1], np.int32))
    graph.add("r", "ResizeNearestNeighbor", "x", "size", T="float32", **corners)
    judged(run, graph, {"x": np.arange(before, dtype=np.float32).reshape(1, -1, 1, 1)}, "r")


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("op", ["ResizeBilinear", "ResizeNearestNeighbor"])
def test_a_size_that_depends_on_the_input(run, op, corners):
    graph = Graph()
    graph.placeholder("x", None, None, None, 2)
    graph.placeholder("size", 2, dtype="int32")
    graph.add("r", op, "x", "size", T="float32", **corners)
    judged(run, graph, {"x": drawn(2, 4, 5, 2), "size": np.array([8, 10], np.int32)}, "r")


def test_resizing_whole_numbers_gives_floats(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 2, dtype="uint8")
    graph.value("size", np.array([8, 10], np.int32))
    graph.add("r", "ResizeBilinear", "x", "size", T="uint8", **CORNERS[0])
    x = np.random.default_rng(0).integers(0, 255, (2, 4, 5, 2)).astype(np.uint8)
    judged(run, graph, {"x": x}, "r")


@pytest.mark.parametrize("op", ["SpaceToDepth", "DepthToSpace"])
@pytest.mark.parametrize("block", [2, 3])
def test_space_and_depth(run, op, block):
    graph = Graph()
    graph.placeholder("x", None, 6, 12, 2 * block * block)
    graph.add("y", op, "x", T="float32", block_size=block, data_format=b"NHWC")
    answer = judged(run, graph, {"x": drawn(2, 6, 12, 2 * block * block)}, "y")
    assert answer.ops == ["Transpose", op, "Transpose"]


def blocks(graph, block, pads):
    graph.value("block", np.array(block, np.int32))
    graph.value("pads", np.array(pads, np.int32))
    return {"T": "float32", "Tblock_shape": "int32"}


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize(
    ("shape", "block", "pads"),
    [
        ((5, 6, 3), [2, 3], [[0, 1], [1, 2]]),
        ((4, 6, 3), [2, 3], [[0, 0], [0, 0]]),
        ((5, 2), [3], [[1, 0]]),
        ((4,), [2], [[1, 1]]),
    ],
)
def test_space_to_batch(run, batch, shape, block, pads):
    graph = Graph()
    graph.placeholder("x", batch, *shape)
    attrs = blocks(graph, block, pads)
    graph.add("y", "SpaceToBatchND", "x", "block", "pads", Tpaddings="int32", **attrs)
    judged(run, graph, {"x": drawn(2, *shape)}, "y")


@pytest.mark.parametrize("batch", [None, 12])
@pytest.mark.parametrize(
    ("shape", "block", "crops"),
    [((3, 4, 3), [2, 3], [[0, 1], [1, 2]]), ((3, 4, 3), [2, 3], [[0, 0], [0, 0]]), ((5,), [3], [[1, 0]])],
)
def test_batch_to_space(run, batch, shape, block, crops):
    graph = Graph()
    graph.placeholder("x", batch, *shape)
    attrs = blocks(graph, block, crops)
    graph.add("y", "BatchToSpaceND", "x", "block", "pads", Tcrops="int32", **attrs)
    judged(run, graph, {"x": drawn(12, *shape)}, "y")


def test_there_and_back_with_something_between(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 6, 3)
    attrs = blocks(graph, [2, 2], [[0, 0], [0, 0]])
    graph.add("s", "SpaceToBatchND", "x", "block", "pads", Tpaddings="int32", **attrs)
    graph.add("r", "Relu", "s", T="float32")
    graph.add("y", "BatchToSpaceND", "r", "block", "pads", Tcrops="int32", **attrs)
    judged(run, graph, {"x": drawn(2, 4, 6, 3)}, "y")


def test_the_older_ops_of_both(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    graph.value("pads", np.array([[0, 0], [1, 0]], np.int32))
    graph.add("s", "SpaceToBatch", "x", "pads", T="float32", Tpaddings="int32", block_size=2)
    graph.add("r", "Relu", "s", T="float32")
    graph.add("y", "BatchToSpace", "r", "pads", T="float32", Tidx="int32", block_size=2)
    judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "y", "s")


def test_a_size_that_is_not_known_is_named():
    graph = Graph()
    graph.placeholder("x", None, None, 6, 3)
    attrs = blocks(graph, [2, 2], [[0, 0], [0, 0]])
    graph.add("y", "SpaceToBatchND", "x", "block", "pads", Tpaddings="int32", **attrs)
    (gap,) = missing(freeze(source(graph)))
    assert gap.reason == "the size of its input is not known"


PADS = np.array([[0, 0], [1, 2], [0, 3], [2, 0]], np.int32)


def padded(graph, x, op, **attrs):
    graph.value("pads", PADS)
    return graph.add("p", op, x, "pads", T="float32", Tpaddings="int32", **attrs)


@pytest.mark.parametrize("opset", [17, 18, 21])
def test_padding_with_zeros(run, opset):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    padded(graph, "x", "Pad")
    judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "p", opset=opset)


def test_padding_channels_first(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    padded(graph, graph.convolved("c", "x", 3), "Pad")
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "p")
    assert answer.ops == ["Transpose", "Conv", "Pad", "Transpose"]


def test_padding_with_a_number(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    graph.value("pads", PADS)
    graph.value("filled", np.float32(-1.5))
    graph.add("p", "PadV2", "x", "pads", "filled", T="float32", Tpaddings="int32")
    judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "p")


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_padding_that_depends_on_the_input(run, dtype):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    graph.placeholder("pads", 4, 2, dtype=dtype)
    graph.add("p", "Pad", graph.convolved("c", "x", 3), "pads", T="float32", Tpaddings=dtype)
    judged(run, graph, {"x": drawn(2, 4, 5, 3), "pads": PADS.astype(dtype)}, "p")


@pytest.mark.parametrize("mode", [b"REFLECT", b"SYMMETRIC"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_mirrored_borders(run, mode, first, wide):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    graph.value("pads", PADS if wide else np.minimum(PADS, 1))
    x = graph.convolved("c", "x", 3) if first else "x"
    graph.add("p", "MirrorPad", x, "pads", T="float32", Tpaddings="int32", mode=mode)
    judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "p")


def test_no_padding_is_no_node(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    graph.value("pads", np.zeros((4, 2), np.int32))
    graph.add("p", "Pad", "x", "pads", T="float32", Tpaddings="int32")
    graph.add("y", "Relu", "p", T="float32")
    assert judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "y").ops == ["Relu"]
