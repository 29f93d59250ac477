"""Shapes, fills, joining and taking apart, against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from emit_judge import Graph, asked, fixed, judged

from converters.tensorflow.emit import missing
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph

RNG = np.random.default_rng(3)
PICTURES = RNG.normal(size=(2, 4, 6, 3)).astype(np.float32)
T = {"T": "float32"}
RESHAPE = {"T": "float32", "Tshape": "int32"}


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize(
    "sizes", [[-1, 72], [2, -1], [-1, 8, 9], [-1], [2, 4, 6, 3], [-1, 4, 6, 3], [2, 3, 24]]
)
def test_another_shape(run, sizes, convolved):
    asked(run, "Reshape", PICTURES, fixed(sizes), convolved=convolved, **RESHAPE)


def test_flattening_what_has_one_place_takes_no_transposition(run):
    done = asked(run, "Reshape", PICTURES[:, :1, :1], fixed([-1, 3]), convolved=True, **RESHAPE)
    assert "Transpose" not in done.ops


def test_the_same_shape_again_takes_no_node(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 6, 3)
    graph.add("a", "Neg", "x", **T)
    graph.reshaped("b", "a", "float32", -1, 4, 6, 3)
    graph.add("c", "Abs", "b", **T)
    assert judged(run, graph, {"x": PICTURES}, "c").ops == ["Neg", "Abs"]


def batch_of(graph: Graph, source: str, *, place: int = 0) -> str:
    """The size of an axis of a tensor, as tf.shape(x)[0] writes it."""
    graph.add(f"{source}/shape", "Shape", source, T="float32", out_type="int32")
    for name, number in (("begin", place), ("end", place + 1), ("step", 1)):
        graph.value(f"{source}/{name}", np.array([number], np.int32))
    bounds = [f"{source}/{name}" for name in ("begin", "end", "step")]
    kinds = {"T": "int32", "Index": "int32", "shrink_axis_mask": 1}
    return graph.add(f"{source}/batch", "StridedSlice", f"{source}/shape", *bounds, **kinds)


@pytest.mark.parametrize("convolved", [False, True])
def test_a_shape_with_the_batch_in_it_becomes_constant(run, convolved):
    graph = Graph()
    source = graph.placeholder("x", None, 4, 6, 3)
    source = graph.convolved("conv", source, 3) if convolved else source
    graph.value("rest", np.array(72, np.int32))
    graph.add("sizes", "Pack", batch_of(graph, source), "rest", T="int32", N=2)
    graph.add("flat", "Reshape", source, "sizes", **RESHAPE)
    done = judged(run, graph, {"x": PICTURES}, "flat")
    assert "Shape" not in done.ops
    assert done.model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 72


@pytest.mark.parametrize("convolved", [False, True])
def test_two_sizes_that_are_not_known_are_computed(run, convolved):
    graph = Graph()
    source = graph.placeholder("x", None, None, 6, 3)
    source = graph.convolved("conv", source, 3) if convolved else source
    graph.value("rest", np.array(-1, np.int32))
    graph.add("sizes", "Pack", batch_of(graph, source), "rest", T="int32", N=2)
    graph.add("flat", "Reshape", source, "sizes", **RESHAPE)
    done = judged(run, graph, {"x": PICTURES}, "flat")
    # Sizes stay the int64 that ONNX counts in.
    assert done.ops.count("Cast") == 0


def test_the_size_of_a_sample_is_a_product_of_sizes(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 6, 3)
    graph.add("shape", "Shape", "x", T="float32", out_type="int32")
    for name, numbers in (("one", [1]), ("end", [4]), ("axis", [0]), ("rest", -1)):
        graph.value(name, np.array(numbers, np.int32))
    graph.add("sample", "StridedSlice", "shape", "one", "end", "one", T="int32", Index="int32")
    graph.add("count", "Prod", "sample", "axis", T="int32", Tidx="int32", keep_dims=False)
    graph.add("all", "Prod", "shape", "axis", T="int32", Tidx="int32", keep_dims=True)
    graph.add("sizes", "Pack", "rest", "count", T="int32", N=2)
    graph.add("y", "Reshape", "x", "sizes", **RESHAPE)
    done = judged(run, graph, {"x": PICTURES}, "y", "all")
    assert done.model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 72


def test_a_computed_shape_is_taken_as_it_comes(run):
    sizes = np.array([4, 2, 18], np.int32)
    asked(run, "Reshape", PICTURES, sizes, batch=False, **RESHAPE)
    asked(run, "Reshape", PICTURES[:0], fixed([0, 6]), batch=False, **RESHAPE)


def test_all_axes_of_size_one_are_dropped_when_they_run_however_many_there_are(run):
    graph = Graph()
    graph.placeholder("x", None, 1, 3)
    graph.add("dropped", "Squeeze", "x", **T)
    graph.reshaped("y", "dropped", "float32", -1, 3)
    for count in (1, 2):
        judged(run, graph, {"x": PICTURES[:count, :1, 0]}, "y")


def test_an_output_that_only_hands_on_keeps_its_name(run):
    graph = Graph()
    graph.placeholder("x", None, 3)
    graph.add("a", "Neg", "x", **T)
    graph.add("b", "Identity", "a", **T)
    graph.add("y", "Abs", "a", **T)
    judged(run, graph, {"x": PICTURES[0, 0]}, "b", "y")


def test_sizes_are_multiplied_and_added_without_losing_what_is_known(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 6, 3)
    graph.value("two", np.array(2, np.int32))
    graph.value("three", np.array(3, np.int32))
    graph.value("twelve", np.array(12, np.int32))
    whole = {"T": "int32"}
    graph.add("twice", "Mul", batch_of(graph, "x"), "two", **whole)
    graph.add("more", "AddV2", "three", "twelve", **whole)
    graph.add("half", "FloorDiv", "twice", "two", **whole)
    graph.add("sizes", "Pack", "half", "twelve", "two", "three", N=4, **whole)
    graph.add("y", "Reshape", "x", "sizes", **RESHAPE)
    assert judged(run, graph, {"x": PICTURES}, "y").ops == ["Reshape"]


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("axes", [[1], [2], [-2], [1, 2], [1, -2], []], ids=str)
def test_axes_of_size_one_are_dropped(run, axes, convolved):
    batch = bool(axes)
    asked(run, "Squeeze", PICTURES[:, :1, :1], convolved=convolved, batch=batch, squeeze_dims=axes, **T)


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, 4, -1, -2, -5])
def test_axes_of_size_one_are_added(run, axis, convolved):
    asked(run, "ExpandDims", PICTURES, fixed(axis), convolved=convolved, T="float32", Tdim="int32")


def test_a_one_dimensional_convolution_keeps_its_channels_first(run):
    graph = Graph()
    graph.placeholder("x", None, 6, 3)
    graph.value("axis", np.array(1, np.int32))
    for name, source in (("a", "x"), ("b", "a/back")):
        graph.add(f"{name}/wide", "ExpandDims", source, "axis", T="float32", Tdim="int32")
        graph.convolved(f"{name}/conv", f"{name}/wide", 3)
        graph.add(f"{name}/relu", "Relu", f"{name}/conv", **T)
        graph.add(f"{name}/back", "Squeeze", f"{name}/relu", squeeze_dims=[1], **T)
    done = judged(run, graph, {"x": PICTURES[0]}, "b/back")
    assert done.ops.count("Transpose") + done.ops.count("Reshape") == 2


PERMUTATIONS = [(0, 3, 1, 2), (0, 2, 3, 1), (3, 2, 1, 0), (0, 2, 1, 3), (0, 1, 2, 3), (1, 0, 3, 2)]


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("permutation", PERMUTATIONS, ids=str)
def test_another_order_of_axes(run, permutation, convolved):
    kinds = {"T": "float32", "Tperm": "int32"}
    asked(run, "Transpose", PICTURES, fixed(permutation), convolved=convolved, **kinds)
    graph = Graph()
    source = graph.placeholder("x", None, 4, 6, 3)
    source = graph.convolved("conv", source, 3) if convolved else source
    graph.value("order", np.array(permutation, np.int32))
    graph.add("moved", "Transpose", source, "order", **kinds)
    graph.value("bias", np.arange(PICTURES.shape[permutation[-1]], dtype=np.float32))
    graph.add("biased", "BiasAdd", "moved", "bias", **T)
    graph.add("y", "Relu", "biased", **T)
    judged(run, graph, {"x": PICTURES}, "y")


@pytest.mark.parametrize("kind", ["int32", "int64"])
@pytest.mark.parametrize("convolved", [False, True])
def test_what_a_tensor_says_of_itself(run, kind, convolved):
    asked(run, "Shape", PICTURES, convolved=convolved, T="float32", out_type=kind)
    asked(run, "Size", PICTURES, convolved=convolved, T="float32", out_type=kind)
    asked(
        run, "ShapeN", PICTURES, PICTURES[0], outputs=2, convolved=convolved, N=2, T="float32", out_type=kind
    )
    graph = Graph()
    graph.placeholder("x", None, 4)
    graph.add("rank", "Rank", "x", **T)
    graph.add("float", "Cast", "rank", SrcT="int32", DstT="float32")
    graph.add("y", "Mul", "x", "float", **T)
    assert judged(run, graph, {"x": PICTURES[0, 0, :4, :1].T.repeat(4, 0)}, "y").ops == ["Mul"]


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("times", [(1, 2, 1, 3), (2, 1, 1, 1), (1, 1, 1, 1)])
def test_data_is_repeated(run, times, convolved):
    kinds = {"T": "float32", "Tmultiples": "int32"}
    asked(run, "Tile", PICTURES, fixed(times), convolved=convolved, **kinds)
    asked(run, "Tile", PICTURES, np.array(times, np.int32), batch=False, convolved=convolved, **kinds)


def test_data_is_broadcast(run):
    kinds = {"T": "float32", "Tidx": "int32"}
    asked(run, "BroadcastTo", PICTURES[:, :1], fixed([3, 2, 4, 6, 3]), batch=False, **kinds)
    asked(run, "BroadcastTo", PICTURES[:1], np.array([2, 4, 6, 3], np.int32), batch=False, **kinds)


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("axis", [1, 2, -1, 0])
def test_tensors_are_joined(run, axis, convolved):
    kinds = {"T": "float32", "Tidx": "int32", "N": 3}
    constant = fixed(PICTURES[:, :4], "float32")
    asked(run, "ConcatV2", PICTURES, PICTURES * 2, constant, fixed(axis), convolved=convolved, **kinds)
    asked(run, "Concat", fixed(axis % 4), PICTURES, PICTURES * 2, convolved=convolved, T="float32", N=2)


def test_nothing_is_joined_to_an_empty_tensor(run):
    kinds = {"T": "float32", "Tidx": "int32"}
    empty = fixed(np.zeros((2, 0, 6, 3)), "float32")
    assert asked(run, "ConcatV2", PICTURES, empty, fixed(1), N=2, **kinds).ops == ["Identity"]
    asked(run, "ConcatV2", PICTURES[:, :0], PICTURES[:, :0], fixed(1), N=2, **kinds)


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_tensors_are_stacked_and_unstacked(run, axis, convolved):
    parts = [PICTURES, PICTURES * 2]
    asked(run, "Pack", *parts, convolved=convolved, T="float32", N=2, axis=axis)
    if axis:
        count = PICTURES.shape[axis]
        asked(run, "Unpack", PICTURES, outputs=count, convolved=convolved, T="float32", num=count, axis=axis)


def test_a_stack_of_one(run):
    asked(run, "Pack", PICTURES, convolved=True, T="float32", N=1, axis=1)
    asked(run, "Unpack", PICTURES[:, :1], convolved=True, T="float32", num=1, axis=1)


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("opset", [17, 18])
def test_tensors_are_split(run, convolved, opset):
    asked(run, "Split", fixed(2), PICTURES, outputs=3, convolved=convolved, opset=opset, num_split=3, **T)
    asked(run, "Split", fixed(-1), PICTURES, outputs=3, convolved=convolved, opset=opset, num_split=3, **T)
    asked(run, "Split", fixed(0), PICTURES, outputs=2, convolved=convolved, opset=opset, num_split=2, **T)
    assert asked(run, "Split", fixed(1), PICTURES, num_split=1, **T).ops == ["Identity"]
    kinds = {"T": "float32", "Tlen": "int32", "convolved": convolved}
    asked(run, "SplitV", PICTURES, fixed([1, 3, 2]), fixed(2), outputs=3, num_split=3, **kinds)
    asked(run, "SplitV", PICTURES, fixed([1, -1]), fixed(-1), outputs=2, num_split=2, **kinds)
    asked(run, "SplitV", PICTURES, fixed([4]), fixed(1), num_split=1, **kinds)


def test_weights_are_reshaped_and_split_before_anything_runs(run):
    graph = Graph()
    graph.placeholder("x", None, 4, 6, 3)
    graph.value("kernel", RNG.normal(size=(3, 1, 3, 128)).astype(np.float32))
    graph.value("axis", np.array(3, np.int32))
    graph.add("halves", "Split", "axis", "kernel", num_split=2, **T)
    window = {"strides": [1, 1, 1, 1], "padding": b"SAME", "data_format": b"NHWC"}
    for place in range(2):
        graph.add(f"conv{place}", "Conv2D", "x", f"halves:{place}", **T, **window)
    graph.add("y", "ConcatV2", "conv0", "conv1", "axis", T="float32", Tidx="int32", N=2)
    graph.value("flat", RNG.normal(size=(3, 6000)).astype(np.float32))
    graph.reshaped("matrix", "flat", "float32", 6000, 3)
    graph.value("from", np.array([0, 0], np.int32))
    graph.value("size", np.array([128, 3], np.int32))
    graph.add("part", "Slice", "matrix", "from", "size", T="float32", Index="int32")
    graph.value("none", np.array(0, np.int32))
    graph.add("deep", "ExpandDims", "part", "none", T="float32", Tdim="int32")
    graph.add("again", "Squeeze", "deep", squeeze_dims=[0], **T)
    graph.value("turned", np.array([1, 0], np.int32))
    graph.add("other", "Transpose", "again", "turned", T="float32", Tperm="int32")
    graph.add("joined", "ConcatV2", "other", "other", "none", T="float32", Tidx="int32", N=2)
    graph.reshaped("rows", "y", "float32", -1, 128)
    graph.add("product", "MatMul", "rows", "joined", transpose_b=True, **T)
    done = judged(run, graph, {"x": PICTURES}, "product")
    assert not {"Split", "Slice", "Unsqueeze", "Squeeze"} & set(done.ops)


def test_tensors_are_filled(run):
    kinds = {"T": "float32", "index_type": "int32"}
    graph = Graph()
    graph.placeholder("x", None, 4, 6, 3)
    graph.value("width", np.array(5, np.int32))
    graph.value("zero", np.float32(0))
    graph.value("seven", np.float32(7))
    graph.add("sizes", "Pack", batch_of(graph, "x"), "width", T="int32", N=2)
    graph.add("zeros", "Fill", "sizes", "zero", **kinds)
    graph.add("sevens", "Fill", "sizes", "seven", **kinds)
    judged(run, graph, {"x": PICTURES}, "zeros", "sevens")
    asked(run, "Fill", fixed([2, 3]), np.array(3, np.float32), **kinds)


@pytest.mark.parametrize("op", ["ZerosLike", "OnesLike"])
@pytest.mark.parametrize("convolved", [False, True])
def test_tensors_are_filled_in_the_shape_of_others(run, op, convolved):
    asked(run, op, PICTURES, convolved=convolved, **T)
    graph = Graph()
    graph.placeholder("x", 2, 3)
    graph.add("filled", op, "x", **T)
    graph.add("y", "AddV2", "x", "filled", **T)
    assert judged(run, graph, {"x": PICTURES[0, 0, :2]}, "y").ops == ["Add"]


def test_sequences_of_numbers(run):
    asked(run, "Range", fixed(1), np.array(9, np.int32), fixed(3), Tidx="int32")
    graph = Graph()
    graph.placeholder("x", None, 4)
    for name, number in (("a", 0.5), ("b", 2.5), ("step", 0.5)):
        graph.value(name, np.float32(number))
    graph.value("count", np.int32(4))
    graph.add("range", "Range", "a", "b", "step", Tidx="float32")
    graph.add("line", "LinSpace", "a", "b", "count", T="float32", Tidx="int32")
    graph.add("sum", "AddV2", "x", "range", **T)
    graph.add("y", "AddV2", "sum", "line", **T)
    assert judged(run, graph, {"x": PICTURES[0, :, :4, 0]}, "y").ops == ["Add", "Add"]


def test_what_is_left_of_an_axis_that_is_not_known_is_named():
    graph = Graph()
    graph.placeholder("x", None, 3)
    graph.value("sizes", np.array([1, -1], np.int32))
    graph.value("axis", np.array(0, np.int32))
    graph.add("y", "SplitV", "x", "sizes", "axis", T="float32", Tlen="int32", num_split=2)
    frozen = freeze(SourceGraph("frozen graph", __file__, (), graph.graph), outputs=["y:0"])
    assert [found.reason for found in missing(frozen)] == ["the size that it splits is not known"]
