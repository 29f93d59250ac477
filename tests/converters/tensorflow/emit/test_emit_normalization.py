"""Normalization, one op at a time, against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, agree, judged
from tf_graphs import source

from converters.runtime import Runtime
from converters.tensorflow.emit import emit
from converters.tensorflow.freeze import freeze


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def statistics(graph, channels):
    for index, name in enumerate(("scale", "offset", "mean")):
        graph.value(name, drawn(channels, seed=index + 3))
    graph.value("variance", np.abs(drawn(channels, seed=9)) + np.float32(0.5))
    return "scale", "offset", "mean", "variance"


def normalized(graph, x, op="FusedBatchNormV3", **attrs):
    given = {"T": "float32", "epsilon": 0.001, "is_training": False, "data_format": b"NHWC"}
    more = {} if op == "FusedBatchNorm" else {"U": "float32"}
    return graph.add("n", op, x, *statistics(graph, 3), **{**given, **more, **attrs})


def convolved(graph, x="x"):
    graph.value("kernel", drawn(3, 3, 2, 3))
    attrs = {"T": "float32", "strides": [1, 1, 1, 1], "padding": b"SAME", "data_format": b"NHWC"}
    graph.add("conv/c", "Conv2D", x, "kernel", **attrs)
    graph.value("bias", drawn(3, seed=5))
    return graph.add("conv/b", "BiasAdd", "conv/c", "bias", T="float32", data_format=b"NHWC")


@pytest.mark.parametrize("op", ["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"])
def test_stored_statistics(run, op):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    normalized(graph, "x", op)
    answer = judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "n")
    assert answer.ops == ["Transpose", "BatchNormalization", "Transpose"]


@pytest.mark.parametrize("opset", [17, 18])
def test_statistics_of_the_batch_at_hand(run, opset):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    normalized(graph, "x", is_training=True)
    judged(run, graph, {"x": drawn(2, 4, 5, 3)}, "n", opset=opset)


@pytest.mark.parametrize("lasting", [b"NHWC", b"NCHW"])
def test_statistics_of_the_batch_at_hand_with_a_scale_that_is_no_constant(run, lasting):
    # What layer normalization of Keras 2 is: samples as channels, and a scale as long as the batch.
    graph = Graph()
    shape = (None, 4, 5, 3) if lasting == b"NHWC" else (1, None, 20, 1)
    graph.placeholder("x", *shape)
    for name in ("scale", "offset"):
        graph.placeholder(name, None)
    graph.value("none", np.zeros(0, np.float32))
    attrs = {"T": "float32", "U": "float32", "epsilon": 0.001, "is_training": True, "data_format": lasting}
    graph.add("n", "FusedBatchNormV3", "x", "scale", "offset", "none", "none", **attrs)
    fed = {"x": drawn(*(size or 3 for size in shape))}
    judged(run, graph, {**fed, "scale": drawn(3, seed=4), "offset": drawn(3, seed=5)}, "n")


def test_volumes(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 2, 3)
    normalized(graph, "x", data_format=b"NDHWC")
    judged(run, graph, {"x": drawn(2, 4, 5, 2, 3)}, "n")


@pytest.mark.parametrize("scaled", [False, True])
def test_the_form_of_the_first_graphs(run, scaled):
    graph = Graph()
    graph.placeholder("x", None, 4, 5, 3)
    scale, offset, mean, variance = statistics(graph, 3)
    attrs = {"T": "float32", "variance_epsilon": 0.01, "scale_after_normalization": scaled}
    graph.add("n", "BatchNormWithGlobalNormalization", "x", mean, variance, offset, scale, **attrs)
    # TensorFlow itself no longer computes it.
    (got,) = run_native(graph, {"x:0": drawn(2, 4, 5, 3)}).values()
    held = [drawn(3, seed=3), drawn(3, seed=4), drawn(3, seed=5), np.abs(drawn(3, seed=9)) + np.float32(0.5)]
    factor = (held[0] if scaled else 1) / np.sqrt(held[3] + np.float32(0.01))
    agree("n", got, ((drawn(2, 4, 5, 3) - held[2]) * factor + held[1]).astype(np.float32))


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_neighbouring_channels(run, radius):
    graph = Graph()
    graph.placeholder("x", None, 3, 4, 7)
    attrs = {"bias": 1.5, "alpha": 0.3, "beta": 0.7}
    graph.add("l", "LRN", "x", T="float32", depth_radius=radius, **attrs)
    judged(run, graph, {"x": drawn(3, 3, 4, 7)}, "l")


def run_native(graph, feeds, **options):
    assembled = emit(freeze(source(graph)), **options)
    return Runtime(assembled.with_outputs(()).SerializeToString(), assembled.weights).run(feeds)


def test_folding_leaves_one_convolution_with_the_same_answers(run):
    graph = Graph()
    graph.placeholder("x", None, 5, 6, 2)
    normalized(graph, convolved(graph))
    x = drawn(2, 5, 6, 2, seed=1)
    expected = judged(run, graph, {"x": x}, "n").expected[0]
    model = emit(freeze(source(graph)), fold=True)
    assert [node.op_type for node in model.nodes.graph.node] == ["Transpose", "Conv", "Transpose"]
    agree("n", run_native(graph, {"x:0": x}, fold=True)["n:0"], expected)


@pytest.mark.parametrize("op", ["Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative"])
@pytest.mark.parametrize("biased", [True, False])
def test_folding_takes_the_arithmetic_of_tflearn_too(run, op, biased):
    graph = Graph()
    graph.placeholder("x", 2, 5, 6, 2)
    attrs = {"T": "float32", "strides": [1, 1, 1, 1], "padding": b"SAME", "data_format": b"NHWC"}
    channels = 4 if op == "DepthwiseConv2dNative" else 3
    graph.value(
        "kernel",
        drawn(3, 3, 2, 2 if channels == 4 else 3) if op != "Conv2DBackpropInput" else drawn(3, 3, 3, 2),
    )
    graph.value("sizes", np.array([2, 5, 6, 3], np.int32))
    read = ("sizes", "kernel", "x") if op == "Conv2DBackpropInput" else ("x", "kernel")
    last = graph.add("c", op, *read, **attrs)
    if biased:
        graph.value("bias", drawn(channels, seed=5))
        last = graph.add("b", "BiasAdd", last, "bias", T="float32", data_format=b"NHWC")
    graph.value("factor", drawn(channels, seed=6))
    graph.value("shift", drawn(channels, seed=7))
    graph.add("m", "Mul", last, "factor", T="float32")
    graph.add("y", "AddV2", "m", "shift", T="float32")
    x = drawn(2, 5, 6, 2, seed=1)
    plain = judged(run, graph, {"x": x}, "y")
    assert plain.ops.count("Mul") == 1
    model = emit(freeze(source(graph)), fold=True)
    assert len(model.nodes.graph.node) == 3
    agree("y", run_native(graph, {"x:0": x}, fold=True)["y:0"], plain.expected[0])


def test_folding_leaves_a_convolution_that_something_else_reads(run):
    graph = Graph()
    graph.placeholder("x", None, 5, 6, 2)
    before = convolved(graph)
    normalized(graph, before)
    x = drawn(2, 5, 6, 2, seed=1)
    expected = judged(run, graph, {"x": x}, "n", before).expected
    graph.add("y", "AddV2", before, "n", T="float32")
    got = run_native(graph, {"x:0": x}, fold=True)["y:0"]
    agree("y", got, expected[0] + expected[1])
