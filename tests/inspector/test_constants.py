from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.constants import NotConstantError, constant
from inspector.onnxfile import DataType, Graph, Node, open_onnx

WEIGHTS = np.random.default_rng(0).normal(0, 1, (4, 2, 3, 3)).astype(np.float32)
INT8 = np.random.default_rng(1).integers(-127, 127, (4, 2, 3, 3)).astype(np.int8)


@pytest.fixture
def chain(tmp_path):
    """Write a graph of these nodes from stored tensors to "y"; return it and what onnxruntime makes of it."""

    def make(
        nodes: Sequence[onnx.NodeProto], tensors: dict[str, np.ndarray | onnx.TensorProto]
    ) -> tuple[Graph, np.ndarray]:
        stored = [
            value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value), key)
            for key, value in tensors.items()
        ]
        result = helper.make_tensor_value_info("result", TensorProto.DOUBLE, None)
        cast = helper.make_node("Cast", ["y"], ["result"], to=TensorProto.DOUBLE)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        graph = helper.make_graph([*nodes, cast], "chain", [], [result], stored)
        path = tmp_path / "chain.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return open_onnx(path).graph, session.run(None, {})[0]

    return make


def node(op: str, *inputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, inputs, ["y"], **attributes)


CASES = {
    "identity": ([node("Identity", "w")], {}),
    "transpose": ([node("Transpose", "w", perm=[3, 0, 2, 1])], {}),
    "transpose without perm": ([node("Transpose", "w")], {}),
    "reshape": ([node("Reshape", "w", "s")], {"s": [0, -1, 3]}),
    "reshape with zeros allowed": ([node("Reshape", "w", "s", allowzero=1)], {"s": [8, 9]}),
    "flatten": ([node("Flatten", "w", axis=-2)], {}),
    "unsqueeze": ([node("Unsqueeze", "w", "s")], {"s": [0, -1]}),
    "squeeze": ([node("Squeeze", "one", "s")], {"one": WEIGHTS[:, :1], "s": [-3]}),
    "squeeze all": ([node("Squeeze", "one")], {"one": WEIGHTS[:, :1]}),
    "concat": ([node("Concat", "w", "w", "v", axis=-3)], {"v": WEIGHTS[:, :1]}),
    "cast to half": ([node("Cast", "w", to=TensorProto.FLOAT16)], {}),
    "cast to bfloat16": ([node("Cast", "w", to=TensorProto.BFLOAT16)], {}),
    "cast to integers": ([node("Cast", "w", to=TensorProto.INT8)], {}),
    "cast like": ([node("CastLike", "w", "h")], {"h": np.float16(0)}),
    "multiply": ([node("Mul", "w", "v")], {"v": WEIGHTS[:, :1, :1, :1]}),
    "divide": ([node("Div", "w", "v")], {"v": WEIGHTS[0, 0]}),
    "add": ([node("Add", "v", "w")], {"v": WEIGHTS[0, 0, 0]}),
    "subtract": ([node("Sub", "w", "v")], {"v": np.float32(0.25)}),
    "power": ([node("Pow", "p", "v")], {"p": np.abs(WEIGHTS), "v": np.float32(0.5)}),
    "negate": ([node("Neg", "w")], {}),
    "constant of shape": (
        [node("ConstantOfShape", "s", value=numpy_helper.from_array(np.array([0.5], np.float32)))],
        {"s": [2, 3]},
    ),
    "constant of shape without a value": ([node("ConstantOfShape", "s")], {"s": [2, 3]}),
    "a constant node": ([node("Constant", value=numpy_helper.from_array(WEIGHTS))], {}),
    "a constant number": ([node("Constant", value_float=0.25)], {}),
    "constant numbers": ([node("Constant", value_floats=[0.25, -1.0])], {}),
    "a constant integer": ([node("Constant", value_int=3)], {}),
    "constant integers": ([node("Constant", value_ints=[3, -4])], {}),
    "dequantise per tensor": (
        [node("DequantizeLinear", "q", "scale", "zero")],
        {"scale": np.float32(0.02), "zero": np.int8(3)},
    ),
    "dequantise without a zero point": (
        [node("DequantizeLinear", "q", "scale")],
        {"scale": np.float32(0.02)},
    ),
    "dequantise per axis": (
        [node("DequantizeLinear", "q", "scale", "zero", axis=0)],
        {"scale": np.linspace(0.01, 0.1, 4, dtype=np.float32), "zero": np.array([3, 0, -5, 7], np.int8)},
    ),
    "dequantise per last axis": (
        [node("DequantizeLinear", "q", "scale", axis=-1)],
        {"scale": np.array([0.5, 0.25, 2], np.float32)},
    ),
    "dequantise unsigned": (
        [node("DequantizeLinear", "u", "scale", "zero")],
        {"u": INT8.view(np.uint8), "scale": np.float32(0.02), "zero": np.uint8(128)},
    ),
    "dequantise in blocks": (
        [node("DequantizeLinear", "b", "scale", "zero", axis=1, block_size=2)],
        {
            "b": np.arange(18, dtype=np.int8).reshape(3, 6),
            "scale": np.arange(1, 10, dtype=np.float32).reshape(3, 3),
            "zero": np.arange(9, dtype=np.int8).reshape(3, 3),
        },
    ),
    "dequantise four bits": (
        [node("DequantizeLinear", "four", "scale", axis=0)],
        {
            "four": helper.make_tensor("four", TensorProto.INT4, [2, 3], [-8, 7, 1, 0, -1, 3]),
            "scale": np.array([0.5, 2], np.float32),
        },
    ),
    "dequantise float8": (
        [node("DequantizeLinear", "eight", "scale")],
        {
            "eight": helper.make_tensor("eight", TensorProto.FLOAT8E4M3FN, [3], [1.5, -0.25, 96.0]),
            "scale": np.float32(0.5),
        },
    ),
    "quantise": (
        [node("QuantizeLinear", "w", "scale", "zero", axis=0)],
        {"scale": np.array([0.01, 0.5, 0.1, 0.02], np.float32), "zero": np.array([3, 0, -5, 7], np.int8)},
    ),
    "quantise to bytes": ([node("QuantizeLinear", "w", "scale")], {"scale": np.float32(0.01)}),
    "a chain": (
        [
            helper.make_node("QuantizeLinear", ["w", "scale", "zero"], ["a"]),
            helper.make_node("DequantizeLinear", ["a", "scale", "zero"], ["b"]),
            helper.make_node("Transpose", ["b"], ["c"], perm=[1, 0, 2, 3]),
            helper.make_node("Reshape", ["c", "s"], ["y"]),
        ],
        {"scale": np.float32(0.02), "zero": np.int8(0), "s": [1, 8, 9]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_gives_what_onnxruntime_gives(chain, case: str) -> None:
    nodes, tensors = CASES[case]
    graph, expected = chain(nodes, {"w": WEIGHTS, "q": INT8, **tensors})
    found = constant(graph, "y")
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=2e-7, atol=0)


def test_a_sparse_initializer_and_a_sparse_constant_are_read(tmp_path) -> None:
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.5, -2.0])
    sparse = helper.make_sparse_tensor(
        values, helper.make_tensor("i", TensorProto.INT64, [2], [1, 5]), [2, 3]
    )
    nodes = [helper.make_node("Constant", [], ["c"], sparse_value=sparse)]
    graph = helper.make_graph(
        [*nodes, helper.make_node("Identity", ["w"], ["y"])], "g", [], [], sparse_initializer=[sparse]
    )
    onnx.save(helper.make_model(graph), tmp_path / "sparse.onnx")
    found = open_onnx(tmp_path / "sparse.onnx").graph
    assert constant(found, "y").tolist() == [[0, 1.5, 0], [0, 0, -2]]
    assert constant(found, "c").tolist() == [[0, 1.5, 0], [0, 0, -2]]


def graph_of(*nodes: Node) -> Graph:
    return Graph("g", nodes, {}, (), ())


def made(op: str, inputs: tuple[str, ...] = (), output: str = "y", domain: str = "", **attributes) -> Node:
    return Node("", op, domain, inputs, (output,), attributes)


def numbers(name: str, *values: int) -> Node:
    return made("Constant", (), name, value_ints=values)


def fractions(name: str, *values: float) -> Node:
    return made("Constant", (), name, value_floats=values)


W = fractions("w", 1.0, 2.0)
COMPUTED = "are computed at run time by "


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([], "are an input of the model, not stored in it"),
        ([made("Softmax", ("w",))], f"{COMPUTED}Softmax, not stored in the file"),
        ([made("Identity", ("w",), domain="my.ops")], f"{COMPUTED}Identity, not stored in the file"),
        ([made("Identity", ("x",))], "are an input of the model, not stored in it"),
        ([made("Identity")], "come from a Identity whose input 0 is missing"),
        ([made("Constant", value_string="w")], "stand in a Constant node without a numeric value"),
        (
            [made("Transpose", ("w",), perm=(1, 0))],
            "come from a Transpose that cannot be done: by [1, 0] of [2]",
        ),
        (
            [made("Transpose", ("w",), perm="no")],
            "come from a Transpose whose attribute 'perm' is no list of integers",
        ),
        (
            [numbers("s", 3), made("Reshape", ("w", "s"))],
            "come from a Reshape that cannot be done: of [2] to [3]",
        ),
        (
            [numbers("s", -1, -1), made("Reshape", ("w", "s"))],
            "come from a Reshape that cannot be done: of [2] to [-1, -1]",
        ),
        (
            [fractions("s", 2.0), made("Reshape", ("w", "s"))],
            "come from a Reshape that cannot be done: by float32 numbers",
        ),
        ([made("Flatten", ("w",), axis=2)], "come from a Flatten that cannot be done: of [2] at axis 2"),
        ([made("Flatten", ("w",), axis="2")], "come from a Flatten whose attribute 'axis' is no integer"),
        ([made("Squeeze", ("w",), axes=(0,))], "come from a Squeeze that cannot be done: of [2] along [0]"),
        (
            [made("Squeeze", ("w",), axes=(1,))],
            "come from a Squeeze that cannot be done: along [1] of 1 axes",
        ),
        (
            [made("Unsqueeze", ("w",), axes=(0, 0))],
            "come from a Unsqueeze that cannot be done: of [2] at [0, 0]",
        ),
        (
            [numbers("s", 2**40), made("ConstantOfShape", ("s",))],
            "come from a ConstantOfShape that cannot be done: "
            "1,099,511,627,776 elements, more than 67,108,864",
        ),
        (
            [numbers("s", -1), made("ConstantOfShape", ("s",))],
            "come from a ConstantOfShape that cannot be done: with the shape [-1]",
        ),
        (
            [made("Concat", ("w",), axis=1)],
            "come from a Concat that cannot be done: of [2] along axis 1",
        ),
        (
            [
                made("Unsqueeze", ("w",), "v", axes=(0,)),
                made("Concat", ("w", "v"), axis=0),
            ],
            "come from a Concat that cannot be done: of [2] and [1, 2] along axis 0",
        ),
        ([made("Cast", ("w",), to=99)], "come from a Cast that cannot be done: to type 99"),
        (
            [made("Cast", ("w",), to=DataType.FLOAT8E5M2)],
            "come from a Cast that cannot be done: to FLOAT8E5M2",
        ),
        (
            [fractions("v", 1.0, 2.0, 3.0), made("Mul", ("w", "v"))],
            "come from a Mul that cannot be done: of [2] and [3]",
        ),
        (
            [numbers("v", 1), made("Div", ("w", "v"))],
            "come from a Div that cannot be done: of float32 and int64",
        ),
        (
            [fractions("v", 1.0, 2.0, 3.0), made("DequantizeLinear", ("w", "v"), axis=0)],
            "come from a DequantizeLinear that cannot be done: of [2] along axis 0 by [3]",
        ),
        (
            [fractions("v", 1.0, 2.0, 3.0), made("DequantizeLinear", ("w", "v"), axis=4)],
            "come from a DequantizeLinear that cannot be done: of [2] along axis 4",
        ),
        (
            [fractions("v", 1.0, 2.0), made("DequantizeLinear", ("w", "v"), axis=0, block_size=2)],
            "come from a DequantizeLinear that cannot be done: of [2] in blocks by [2]",
        ),
        (
            [made("QuantizeLinear", ("w", "w"), output_dtype=22)],
            "come from a QuantizeLinear that cannot be done: to uint8",
        ),
    ],
)
def test_what_cannot_be_known_is_refused_with_the_reason(nodes: list[Node], reason: str) -> None:
    with pytest.raises(NotConstantError) as caught:
        constant(graph_of(W, *nodes), "y")
    assert str(caught.value) == reason


def test_a_value_that_is_read_twice_at_every_step_is_worked_out_once() -> None:
    nodes = [W, *(made("Add", (f"v{n}", f"v{n}"), f"v{n + 1}") for n in range(1, 60))]
    nodes.append(made("Add", ("w", "w"), "v1"))
    assert constant(graph_of(*nodes), "v60").tolist() == [2.0**60, 2.0**61]


def test_a_chain_without_an_end_is_refused() -> None:
    nodes = [W, made("Neg", ("w",), "v0"), *(made("Neg", (f"v{n}",), f"v{n + 1}") for n in range(100))]
    with pytest.raises(NotConstantError) as caught:
        constant(graph_of(*nodes), "v100")
    assert str(caught.value) == "stand behind more than 64 operators"


def test_doubling_a_tensor_again_and_again_is_refused() -> None:
    nodes = [W, made("Concat", ("w", "w"), "v0", axis=0)]
    nodes += [made("Concat", (f"v{n}",) * 16, f"v{n + 1}", axis=0) for n in range(10)]
    with pytest.raises(NotConstantError) as caught:
        constant(graph_of(*nodes), "v10")
    assert str(caught.value).endswith("67,108,864")


def test_strings_are_no_numbers(tmp_path) -> None:
    text = helper.make_tensor("w", TensorProto.STRING, [2], [b"a", b"b"])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [], [text])
    onnx.save(helper.make_model(graph), tmp_path / "text.onnx")
    with pytest.raises(NotConstantError) as caught:
        constant(open_onnx(tmp_path / "text.onnx").graph, "y")
    assert str(caught.value) == "come from a Identity of strings"
