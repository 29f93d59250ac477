"""Arithmetic, comparisons and casts, against TensorFlow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from emit_judge import Graph, asked, fixed, judged

from converters.tensorflow.emit import emitters, missing
from converters.tensorflow.emit.axes import broadcast
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.topology import read_topology

F32 = {"T": "float32"}
RNG = np.random.default_rng(5)
SIGNED = RNG.normal(0, 2, (5, 3)).astype(np.float32)
POSITIVE = np.abs(SIGNED) + np.float32(0.1)
INSIDE = (SIGNED / 12).astype(np.float32)
PICTURES = RNG.normal(size=(2, 5, 4, 3)).astype(np.float32)
WHOLE = np.array([[-7, 7, -6], [6, 5, -5]], np.int32)

UNARY = [
    *((op, SIGNED) for op in ("Abs", "Neg", "Square", "Exp", "Sign", "Floor", "Ceil", "Sin", "Cos")),
    *((op, SIGNED) for op in ("Expm1", "Atan", "Asinh", "Erfc", "Tan", "Sinh", "Cosh", "Rint")),
    *((op, POSITIVE) for op in ("Sqrt", "Rsqrt", "Log", "Log1p", "Reciprocal", "Inv")),
    *((op, INSIDE) for op in ("Asin", "Acos", "Atanh")),
    ("Acosh", POSITIVE + np.float32(1)),
]


@pytest.mark.parametrize(("op", "x"), UNARY, ids=[op for op, _ in UNARY])
def test_a_function_of_one_operand_gives_what_tensorflow_gives(run, op, x):
    asked(run, op, x, **F32)


def test_rounding_takes_halves_to_the_even_neighbour(run):
    done = asked(run, "Round", np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.6], np.float32), **F32)
    assert done.got[0].tolist() == [-2, -2, 0, 0, 2, 2, 3]


def test_rounding_integers_is_not_covered():
    graph = Graph()
    graph.placeholder("x", None, dtype="int32")
    graph.add("y", "Round", "x", T="int32")
    (found,) = missing(freeze(SourceGraph("frozen graph", __file__, (), graph.graph)))
    assert (found.op, found.node, found.reason) == ("Round", "y", "it rounds integers")


@pytest.mark.parametrize("op", ["Square", "Exp", "Floor", "Neg"])
def test_a_function_of_one_operand_leaves_channels_where_they_lie(run, op):
    assert asked(run, op, PICTURES, convolved=True, **F32).ops.count("Transpose") == 2


BINARY = ["Add", "AddV2", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "SquaredDifference", "FloorDiv"]


@pytest.mark.parametrize("op", [*BINARY, "FloorMod", "Mod", "DivNoNan", "MulNoNan"])
@pytest.mark.parametrize(
    "shapes",
    [((5, 3), (5, 3)), ((5, 3), ()), ((), (5, 3)), ((5, 1), (1, 3)), ((2, 4, 3), (4, 1))],
    ids=str,
)
def test_two_operands_are_broadcast_as_in_tensorflow(run, op, shapes):
    a, b = (RNG.normal(0, 2, shape).astype(np.float32) for shape in shapes)
    asked(run, op, a, b, batch=False, **F32)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 3), (1, 1, 3), (5, 4, 1), (2, 5, 4, 3), (1, 1, 1, 3)])
@pytest.mark.parametrize("swapped", [False, True])
def test_channels_first_data_meets_constants_of_any_shape(run, shape, swapped):
    other = fixed(RNG.normal(size=shape), "float32")
    pair = (other, PICTURES) if swapped else (PICTURES, other)
    done = asked(run, "Sub", *pair, convolved=True, **F32)
    assert done.ops.count("Transpose") == 2


@pytest.mark.parametrize(
    "shape", [(), (3,), (4, 3), (2, 1, 1, 3), (2, 5, 4, 1), (2, 5, 4, 3), (2, 2, 5, 4, 3)]
)
def test_channels_first_data_meets_computed_data_of_any_shape(run, shape):
    graph = Graph()
    graph.placeholder("x", None, 5, 4, 3)
    graph.placeholder("y", None)
    graph.reshaped("other", "y", "float32", *shape)
    graph.convolved("conv", "x", 3)
    graph.add("sum", "AddV2", "other", "conv", **F32)
    judged(run, graph, {"x": PICTURES, "y": RNG.normal(size=math.prod(shape)).astype(np.float32)}, "sum")


def test_powers_and_special_products_of_zero(run):
    asked(run, "Pow", POSITIVE, fixed(2.5, "float32"), **F32)
    asked(run, "Pow", SIGNED, fixed([2, 3, 0], "float32"), **F32)
    x, y = np.array([0, 0, 2, 3], np.float32), np.array([0, 5, 3, 0.5], np.float32)
    for op in ("Xlogy", "Xlog1py", "Xdivy"):
        asked(run, op, x, y, **F32)
    asked(run, "DivNoNan", np.array([1, 0, 3], np.float32), np.array([0, 0, 2], np.float32), **F32)
    asked(run, "MulNoNan", np.array([np.inf, np.nan, 3], np.float32), np.array([0, 0, 2], np.float32), **F32)


@pytest.mark.parametrize("dtype", ["int32", "int64", "int16", "int8"])
@pytest.mark.parametrize(
    "op", ["AddV2", "Sub", "Mul", "FloorDiv", "FloorMod", "TruncateDiv", "Maximum", "Minimum"]
)
def test_integers_are_computed_as_integers(run, op, dtype):
    a = WHOLE.astype(dtype)
    for b in (np.array([[3], [-2]], dtype), np.array(2, dtype)):
        asked(run, op, a, b, batch=False, T=dtype)
        asked(run, op, a, fixed(b, dtype), T=dtype)


def test_unsigned_integers_divide_without_a_correction(run):
    done = asked(run, "FloorDiv", np.array([7, 8, 255], np.uint8), fixed(2, "uint8"), T="uint8")
    assert done.ops == ["Div"]


def test_the_remainder_has_the_sign_of_the_divisor(run):
    a = np.array([7.5, -7.5, 7.5, -7.5, 6, -6, 0], np.float32)
    b = np.array([2, 2, -2, -2, 2, 2, -2], np.float32)
    asked(run, "FloorMod", a, b, **F32)
    asked(run, "FloorMod", a, fixed(2, "float32"), **F32)
    asked(run, "TruncateMod", a, b, **F32)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_any_number_of_tensors_are_added(run, count, dtype):
    parts = [RNG.integers(-9, 9, (3, 2)).astype(dtype) for _ in range(count)]
    done = asked(run, "AddN", *parts, T=dtype, N=count)
    assert len(done.ops) == (count - 1 if dtype == "int32" and count > 1 else 1)


def test_bounds_are_numbers_or_tensors(run):
    assert asked(run, "ClipByValue", SIGNED, fixed(-1, "float32"), fixed(1.5, "float32"), **F32).ops == [
        "Clip"
    ]
    low = fixed(np.full((5, 3), -0.5), "float32")
    asked(run, "ClipByValue", SIGNED, low, fixed(np.full((5, 3), 0.5), "float32"), batch=False, **F32)


@pytest.mark.parametrize("op", ["Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "uint8"])
def test_comparisons_give_truth_values(run, op, dtype):
    a, b = np.array([[1, 2, 3], [3, 2, 1]], dtype), np.array([2, 2, 2], dtype)
    asked(run, op, a, fixed(b, dtype), T=dtype)


@pytest.mark.parametrize("op", ["LogicalAnd", "LogicalOr"])
def test_truth_values_are_combined(run, op):
    asked(run, op, np.array([[True], [False]]), np.array([True, False]), batch=False)


def test_truth_values_are_turned_round_and_numbers_tested(run):
    asked(run, "LogicalNot", np.array([True, False]))
    special = np.array([0, np.nan, np.inf, -np.inf], np.float32)
    for op in ("IsNan", "IsInf", "IsFinite"):
        asked(run, op, special, **F32)
    asked(run, "ApproximateEqual", SIGNED, SIGNED + np.float32(0.01), tolerance=0.02, **F32)
    asked(run, "ApproximateEqual", SIGNED, SIGNED + np.float32(0.01), **F32)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "int16", "int64", "uint64"])
def test_a_choice_between_two_tensors(run, dtype):
    a, b = (RNG.integers(0, 2, (4, 3)).astype(dtype) for _ in range(2))
    asked(run, "Select", a.astype(bool), a, b, T=dtype)
    asked(run, "Select", np.array([True, False, False, True]), a, b, T=dtype)
    asked(run, "SelectV2", np.array([[True], [False], [False], [True]]), a, fixed(b[0], dtype), T=dtype)


def test_a_choice_by_row_between_channels_first_tensors(run):
    rows = np.array([True, False])
    asked(run, "Select", rows, PICTURES, -PICTURES, convolved=True, **F32)
    asked(run, "Select", PICTURES > 0, PICTURES, -PICTURES, convolved=False, **F32)


NUMBERS = np.array([-1.9, -0.5, 0, 0.4, 1.5, 100.7])
TYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "bool"]


@pytest.mark.parametrize("source", TYPES)
@pytest.mark.parametrize("target", [*TYPES, "uint8"])
def test_every_type_is_cast_as_tensorflow_casts_it(run, source, target):
    x = np.abs(NUMBERS) if target == "uint8" else NUMBERS
    asked(run, "Cast", x.astype(source), SrcT=source, DstT=target)


@pytest.mark.parametrize("op", ["Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics"])
def test_what_hands_its_input_on_leaves_no_node_inside_a_graph(run, op):
    graph = Graph()
    graph.placeholder("x", None, 3)
    graph.add("a", "Neg", "x", **F32)
    graph.add("b", op, "a", message=b"", **F32) if op == "CheckNumerics" else graph.add("b", op, "a", **F32)
    graph.add("c", "Abs", "b", **F32)
    assert judged(run, graph, {"x": SIGNED}, "c").ops == ["Neg", "Abs"]


def test_several_inputs_are_handed_on_at_once(run):
    graph = Graph()
    graph.placeholder("x", None, 3)
    graph.add("a", "Neg", "x", **F32)
    node = graph.graph.node.add(name="b", op="IdentityN", input=["x", "a"])
    node.attr["T"].list.type.extend([1, 1])
    graph.add("c", "Sub", "b:0", "b:1", **F32)
    assert judged(run, graph, {"x": SIGNED}, "c").ops == ["Neg", "Sub"]


@pytest.mark.parametrize("op", ["NoOp", "Assert"])
def test_what_has_no_output_leaves_no_trace(op):
    graph = Graph()
    graph.add("nothing", op)
    (node,) = read_topology(graph.graph, "graph").nodes.values()
    to = Emission(17, readers={})
    assert emitters()[op](to, node) == ()


def test_a_default_that_is_not_fed_is_a_constant(run):
    graph = Graph()
    graph.placeholder("x", None, 3)
    graph.value("two", np.float32(2))
    graph.add("factor", "PlaceholderWithDefault", "two", dtype="float32", shape=())
    graph.add("y", "Mul", "x", "factor", **F32)
    assert judged(run, graph, {"x": SIGNED}, "y").ops == ["Mul"]


def test_a_shape_that_is_made_sure_of_is_known_from_there_on(run):
    graph = Graph()
    graph.placeholder("x", None, None)
    graph.add("a", "EnsureShape", "x", T="float32", shape=(None, 3))
    graph.add("y", "Shape", "a", T="float32", out_type="int32")
    graph.value("last", np.int32(1))
    graph.value("zero", np.int32(0))
    graph.add("width", "GatherV2", "y", "last", "zero", Tparams="int32", Tindices="int32", Taxis="int32")
    graph.add("full", "Fill", "y", "zero", T="int32", index_type="int32")
    judged(run, graph, {"x": SIGNED}, "full")


def test_a_bias_does_not_go_into_a_convolution_that_others_read(run):
    graph = Graph()
    graph.placeholder("x", None, 5, 4, 3)
    graph.convolved("conv", "x", 3)
    graph.add("same", "Snapshot", "conv", **F32)
    graph.value("bias", np.array([1, 2, 3], np.float32))
    graph.add("biased", "BiasAdd", "same", "bias", **F32)
    graph.add("y", "Mul", "biased", "conv", **F32)
    judged(run, graph, {"x": PICTURES}, "y")


@pytest.mark.parametrize("op", ["Tan", "Erfc"])
def test_what_onnxruntime_lacks_in_double_precision_is_named(op):
    graph = Graph()
    graph.placeholder("x", None, dtype="float64")
    graph.add("y", op, "x", T="float64")
    (found,) = missing(freeze(SourceGraph("frozen graph", __file__, (), graph.graph)))
    assert (found.op, found.node, found.reason) == (op, "y", "onnxruntime does not compute it in float64")


def test_sizes_that_are_not_known_may_turn_out_to_be_one():
    assert broadcast((None, 1), (None, 3)) == (None, 3)
    assert broadcast((None,), (4,)) == (4,)
    assert broadcast((1,), (None,)) == (None,)
    assert broadcast() == ()
