"""The evaluator as a whole: what it is given, what it gives, and what it refuses."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tf_files import GraphBuilder
from tf_graphs import mlp, source
from tf_operations import frozen

from converters.errors import SourceError, UnsupportedError
from converters.tensorflow.evaluate import Evaluator
from converters.tensorflow.freeze import freeze

X = np.float32([[1, -2, 0.5]])


def evaluator(graph: GraphBuilder) -> Evaluator:
    return Evaluator(frozen(graph.graph.SerializeToString(), {}, {}))


def relus(*names: str) -> GraphBuilder:
    """A chain of Relu nodes behind the placeholder `x`."""
    graph = GraphBuilder()
    before = graph.placeholder("x", None, 3)
    for name in names:
        before = graph.add(name, "Relu", before, T="float32")
    return graph


def test_floats_are_given_in_float64():
    values = Evaluator(freeze(source(mlp()))).run({"x:0": X}, ["net/MatMul:0", "net/Relu:0"])
    assert {name: value.dtype for name, value in values.items()} == dict.fromkeys(values, np.dtype("float64"))
    np.testing.assert_array_equal(values["net/MatMul:0"], [[-0.5, -0.5]])
    np.testing.assert_array_equal(values["net/Relu:0"], [[0, 0]])


def test_a_name_without_a_number_is_the_first_output():
    assert list(evaluator(relus("a")).run({"x": X}, ["a"])) == ["a"]


def test_the_input_itself_can_be_asked_for():
    np.testing.assert_array_equal(evaluator(relus("a")).run({"x:0": X}, ["x:0"])["x:0"], X)


def test_a_tensor_in_the_middle_can_be_given():
    values = evaluator(relus("a", "b")).run({"a:0": -X}, ["b:0"])
    np.testing.assert_array_equal(values["b:0"], np.maximum(-X, 0))


def test_arithmetic_is_not_that_of_float32():
    graph = GraphBuilder()
    graph.placeholder("x", None)
    graph.const("one", np.float32(1e8))
    graph.add("sum", "AddV2", "x", "one", T="float32")
    graph.add("back", "Sub", "sum", "one", T="float32")
    assert evaluator(graph).run({"x:0": np.float32([1])}, ["back:0"])["back:0"].tolist() == [1]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("float32", [60, 90, -90, -110], [np.exp(60.0), np.inf, np.exp(-90.0), 0]),
        ("float16", [11, 12, -16, -18], [np.exp(11.0), np.inf, np.exp(-16.0), 0]),
        ("float64", [90, 800, -110, -800], [np.exp(90.0), np.inf, np.exp(-110.0), 0]),
    ],
)
def test_what_the_graphs_own_type_cannot_hold_is_infinite_or_zero(kind, value, expected):
    graph = GraphBuilder()
    graph.placeholder("x", None, dtype=kind)
    graph.add("e", "Exp", "x", T=kind)
    values = evaluator(graph).run({"x:0": np.array(value, kind)}, ["e:0"])
    np.testing.assert_allclose(values["e:0"], expected, rtol=1e-12)


def test_whole_numbers_stay_exact_and_keep_their_type():
    graph = GraphBuilder()
    graph.placeholder("x", None, dtype="int64")
    graph.const("k", 3, dtype="int64")
    graph.add("m", "Mul", "x", "k", T="int64")
    value = evaluator(graph).run({"x:0": np.array([2**60 + 1])}, ["m:0"])["m:0"]
    assert (value.dtype, value.tolist()) == (np.dtype("int64"), [3 * (2**60 + 1)])


def test_a_large_weight_is_multiplied_in_pieces():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(5000, 1100)).astype(np.float32)
    graph = GraphBuilder()
    graph.placeholder("x", None, 5000)
    graph.const("w", weight)
    graph.add("y", "MatMul", "x", "w", T="float32")
    x = rng.normal(size=(2, 5000)).astype(np.float32)
    run = Evaluator(freeze(source(graph))).run
    tracemalloc.start()
    value = run({"x:0": x}, ["y:0"])["y:0"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(value, x.astype("f8") @ weight.astype("f8"), rtol=1e-9, atol=1e-9)
    assert peak < 1.5 * weight.nbytes


def test_values_are_let_go_after_their_last_reader():
    graph = relus(*(f"n{n}" for n in range(40)))
    x = np.ones((100_000, 3), np.float32)
    tracemalloc.start()
    evaluator(graph).run({"x:0": x}, ["n39:0"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2 * x.nbytes


def layouts(op: str, picture: np.ndarray, *others: np.ndarray, **attrs: object) -> tuple[np.ndarray, ...]:
    """What an op makes of a picture with the channels last, and with them first, with the axes moved back."""

    def run(layout: str, value: np.ndarray) -> np.ndarray:
        graph = GraphBuilder()
        names = [graph.placeholder("x", *value.shape)]
        names += [
            graph.const(f"c{place}", other, dtype=other.dtype.name) for place, other in enumerate(others)
        ]
        if op.endswith("BackpropInput"):
            names = [graph.const("s", [2, 12, 7, 3] if layout == "NHWC" else [2, 3, 12, 7], dtype="int32"),
                     names[1], names[0]]  # fmt: skip
        graph.add("y", op, *names, T="float32", **attrs)
        node = graph.graph.node[-1]
        node.attr["data_format"].s = layout.encode()
        node.attr["padding"].s = b"SAME"
        for name, sizes in (("strides", (2, 1)), ("ksize", (3, 2))):
            node.attr[name].list.i.extend([1, *sizes, 1] if layout == "NHWC" else [1, 1, *sizes])
        return evaluator(graph).run({"x:0": value}, ["y:0"])["y:0"]

    return run("NHWC", picture), run("NCHW", picture.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


KERNEL = np.random.default_rng(1).normal(size=(2, 3, 3, 4)).astype(np.float32)
VECTOR = np.abs(KERNEL[0, :, 0, 0])


@pytest.mark.parametrize(
    ("op", "channels", "others", "attrs"),
    [
        ("Conv2D", 3, [KERNEL], {}),
        ("DepthwiseConv2dNative", 3, [KERNEL], {}),
        ("Conv2DBackpropInput", 4, [KERNEL], {}),
        ("MaxPool", 3, [], {}),
        ("AvgPool", 3, [], {}),
        ("BiasAdd", 3, [VECTOR], {}),
        ("FusedBatchNormV3", 3, [VECTOR] * 4, {"is_training": False}),
        ("SpaceToDepth", 4, [], {"block_size": 2}),
        ("DepthToSpace", 4, [], {"block_size": 2}),
    ],
)
def test_channels_first_is_the_same_with_the_axes_moved(op, channels, others, attrs):
    """TensorFlow itself runs this layout on graphics processors only."""
    width = 8 if op == "SpaceToDepth" else 7
    picture = np.random.default_rng(2).normal(size=(2, 6, width, channels)).astype(np.float32)
    last, first = layouts(op, picture, *others, **attrs)
    np.testing.assert_allclose(first, last, rtol=1e-12)


def test_no_picture_gives_no_picture():
    last, _ = layouts("Conv2D", np.zeros((0, 6, 7, 3), np.float32), KERNEL)
    assert last.shape == (0, 3, 7, 4)


def test_fewer_kernel_channels_than_the_pictures_are_groups():
    rng = np.random.default_rng(2)
    picture, kernel = rng.normal(size=(1, 4, 4, 4)), rng.normal(size=(1, 1, 2, 6))
    graph = GraphBuilder()
    graph.placeholder("x", 1, 4, 4, 4)
    graph.const("w", kernel, dtype="float64")
    graph.add("y", "Conv2D", "x", "w", T="float64")
    graph.graph.node[-1].attr["strides"].list.i.extend([1, 1, 1, 1])
    graph.graph.node[-1].attr["padding"].s = b"VALID"
    value = evaluator(graph).run({"x:0": picture}, ["y:0"])["y:0"]
    halves = [picture[..., :2] @ kernel[0, 0, :, :3], picture[..., 2:] @ kernel[0, 0, :, 3:]]
    np.testing.assert_allclose(value, np.concatenate(halves, -1), rtol=1e-12)


def test_an_unknown_op_is_named_with_its_node():
    graph = relus("a")
    graph.add("net/odd", "Betainc", "a", "a", "a", T="float32")
    with pytest.raises(UnsupportedError) as caught:
        evaluator(graph).run({"x:0": X}, ["net/odd:0"])
    assert caught.value.message == (
        "the frozen graph: the node 'net/odd' of op Betainc cannot be computed without TensorFlow"
    )
    assert caught.value.hint == "pip install 'onnx-inspector[tf]'"


def test_an_unknown_op_that_nothing_needs_is_no_trouble():
    graph = relus("a")
    graph.add("net/odd", "Betainc", "a", "a", "a", T="float32")
    assert list(evaluator(graph).run({"x:0": X}, ["a:0"])) == ["a:0"]


@pytest.mark.parametrize(
    ("feeds", "fetch", "message"),
    [
        ({}, "a:0", "the frozen graph: the input 'x:0' has no value"),
        ({"x:0": X}, "b:0", "the frozen graph has no tensor 'b:0'"),
        ({"x:0": X}, "a:1", "the frozen graph: 'a' has no output 1"),
    ],
)
def test_a_tensor_that_is_not_there_is_named(feeds, fetch, message):
    with pytest.raises(SourceError) as caught:
        evaluator(relus("a")).run(feeds, [fetch])
    assert caught.value.message == message


def test_an_index_beyond_a_table_is_refused_as_tensorflow_does():
    graph = GraphBuilder()
    graph.placeholder("x", None, dtype="int32")
    graph.const("table", np.ones((20, 2)))
    graph.const("axis", 0, dtype="int32")
    graph.add("words", "GatherV2", "table", "x", "axis", Tparams="float32", Tindices="int32", Taxis="int32")
    with pytest.raises(SourceError) as caught:
        evaluator(graph).run({"x:0": np.array([3, 25], np.int32)}, ["words:0"])
    assert caught.value.message == (
        "the node 'words' of op GatherV2 is asked for the index 25, which is not in [0, 20)"
    )


def test_a_whole_number_divided_by_zero_is_refused_as_tensorflow_does():
    graph = GraphBuilder()
    graph.placeholder("x", None, dtype="int32")
    graph.add("half", "FloorDiv", "x", "x", T="int32")
    with pytest.raises(SourceError) as caught:
        evaluator(graph).run({"x:0": np.array([3, 0], np.int32)}, ["half:0"])
    assert caught.value.message == "the node 'half' of op FloorDiv divides whole numbers by zero"
