"""Pooling, one op at a time, against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, judged
from tf_graphs import source

from converters.tensorflow.emit import missing
from converters.tensorflow.freeze import freeze


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pooled(graph, op, window, stride, padding):
    spatial = 3 if op.endswith("3D") else 2
    return graph.add(
        "p",
        op,
        "x",
        T="float32",
        ksize=[1, *[window] * spatial, 1],
        strides=[1, *[stride] * spatial, 1],
        padding=padding,
        data_format=b"NHWC" if spatial == 2 else b"NDHWC",
    )


@pytest.mark.parametrize("op", ["MaxPool", "AvgPool"])
@pytest.mark.parametrize("padding", [b"SAME", b"VALID"])
@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("size", [(7, 8), (6, 9)])
def test_pooling_equals_tensorflows_and_averages_leave_out_the_padding(
    run, op, padding, window, stride, size
):
    graph = Graph()
    graph.placeholder("x", None, *size, 3)
    pooled(graph, op, window, stride, padding)
    answer = judged(run, graph, {"x": drawn(2, *size, 3)}, "p")
    assert len(answer.ops) == 3


@pytest.mark.parametrize("op", ["MaxPool3D", "AvgPool3D"])
@pytest.mark.parametrize("padding", [b"SAME", b"VALID"])
def test_pooling_of_volumes(run, op, padding):
    graph = Graph()
    graph.placeholder("x", None, 5, 6, 7, 2)
    pooled(graph, op, 3, 2, padding)
    judged(run, graph, {"x": drawn(2, 5, 6, 7, 2)}, "p")


@pytest.mark.parametrize("op", ["MaxPool", "AvgPool"])
@pytest.mark.parametrize("size", [6, 7])
def test_a_size_that_is_not_known(run, op, size):
    graph = Graph()
    graph.placeholder("x", None, None, None, 3)
    pooled(graph, op, 3, 2, b"SAME")
    judged(run, graph, {"x": drawn(2, size, size, 3)}, "p")


def test_a_window_that_is_an_input(run):
    graph = Graph()
    graph.placeholder("x", None, 6, 7, 3)
    graph.value("window", np.array([1, 3, 2, 1], np.int32))
    graph.value("steps", np.array([1, 2, 1, 1], np.int32))
    graph.add("p", "MaxPoolV2", "x", "window", "steps", T="float32", padding=b"SAME", data_format=b"NHWC")
    judged(run, graph, {"x": drawn(2, 6, 7, 3)}, "p")


def test_a_window_over_channels_is_named_as_not_covered():
    graph = Graph()
    graph.placeholder("x", None, 6, 7, 4)
    attrs = {"T": "float32", "padding": b"VALID", "data_format": b"NHWC"}
    graph.add("block/p", "MaxPool", "x", ksize=[1, 1, 1, 2], strides=[1, 1, 1, 2], **attrs)
    (gap,) = missing(freeze(source(graph)))
    assert (gap.op, gap.node, gap.layer) == ("MaxPool", "block/p", "block")
    assert gap.reason == "its ksize go over samples or channels"


def test_whole_numbers_are_named_as_not_covered():
    graph = Graph()
    graph.placeholder("x", None, 6, 7, 4, dtype="int32")
    attrs = {"T": "int32", "padding": b"VALID", "data_format": b"NHWC"}
    graph.add("p", "MaxPool", "x", ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], **attrs)
    (gap,) = missing(freeze(source(graph)))
    assert gap.reason == "it pools whole numbers"
