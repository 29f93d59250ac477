from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.errors import RunError
from inspector.growth import check_loops, folded_sizes
from inspector.onnxfile import OnnxFile, open_onnx
from inspector.preflight import check_memory

DOUBLING = [helper.make_node("Concat", ["v", "v"], ["w"], axis=0)]


def opened(
    folder: Path, nodes: Sequence[NodeProto], constants: dict[str, Any], inputs: Sequence[str] = ("x",)
) -> OnnxFile:
    tensors = [
        helper.make_tensor(name, TensorProto.STRING, [len(value)], value)
        if isinstance(value, list)
        else numpy_helper.from_array(np.asarray(value), name)
        for name, value in constants.items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return open_onnx(path)


def loop(body: Sequence[NodeProto], *, limit: str = "", start: str = "x", name: str = "grow") -> NodeProto:
    values = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), *body],
        "body",
        [
            values("i", TensorProto.INT64, []),
            values("go", TensorProto.BOOL, []),
            values("v", TensorProto.FLOAT, None),
        ],
        [values("on", TensorProto.BOOL, []), values("w", TensorProto.FLOAT, None)],
    )
    return helper.make_node("Loop", [limit, "c", start], ["y"], name=name, body=graph)


def test_a_loop_that_doubles_without_end_is_refused(tmp_path: Path) -> None:
    file = opened(tmp_path, [loop(DOUBLING)], {"c": np.array(True)})
    with pytest.raises(RunError) as caught:
        check_loops(file)
    assert caught.value.message == (
        f"{file.path}: the Loop node 'grow' makes what it carries 2 times as large in each round, "
        "without end; expected values that stay bounded"
    )


@pytest.mark.parametrize(
    "body",
    [
        [helper.make_node("Concat", ["v", "v", "v"], ["w"], axis=0)],
        [
            helper.make_node("Relu", ["v"], ["r"]),
            helper.make_node("Concat", ["r", "v"], ["d"], axis=0),
            helper.make_node("Transpose", ["d"], ["w"], perm=[1, 0]),
        ],
        [
            helper.make_node("Constant", [], ["s"], value_ints=[3, 1]),
            helper.make_node("Tile", ["v", "s"], ["w"]),
        ],
        [
            helper.make_node("Constant", [], ["s"], value=numpy_helper.from_array(np.float32([1, 3]))),
            helper.make_node("Resize", ["v", "", "s"], ["w"]),
        ],
    ],
    ids=["concat", "through other operators", "tile", "resize"],
)
def test_growth_is_seen_in_every_form(body: Sequence[NodeProto], tmp_path: Path) -> None:
    constants = {"c": np.array(True), "t": np.int64(40)}
    with pytest.raises(RunError, match=r"times as large in each of 40 rounds; expected"):
        check_loops(opened(tmp_path, [loop(body, limit="t")], constants))


@pytest.mark.parametrize(("rounds", "refused"), [(28, False), (30, True)])
def test_what_is_carried_first_counts(rounds: int, refused: bool, tmp_path: Path) -> None:
    # The input has 8 bytes, and 2**29 times as many are 4 GiB.
    file = opened(tmp_path, [loop(DOUBLING, limit="t")], {"c": np.array(True), "t": np.int64(rounds)})
    if refused:
        with pytest.raises(RunError, match="in each of 30 rounds"):
            check_loops(file)
    else:
        check_loops(file)


def test_a_stored_value_that_is_carried_counts_too(tmp_path: Path) -> None:
    constants = {"c": np.array(True), "t": np.int64(20), "s": np.zeros((2048, 2), np.float32)}
    file = opened(tmp_path, [loop(DOUBLING, limit="t", start="s")], constants)
    with pytest.raises(RunError, match="in each of 20 rounds"):
        check_loops(file)


@pytest.mark.parametrize(
    "body",
    [
        # A text that grows by one word, which depends on the text so far.
        [
            helper.make_node("ReduceMax", ["v"], ["word"], keepdims=1),
            helper.make_node("Concat", ["v", "word"], ["w"], axis=0),
        ],
        [helper.make_node("Concat", ["v", "x"], ["w"], axis=0)],
        [helper.make_node("Relu", ["v"], ["w"])],
        [helper.make_node("Concat", ["v", "v"], ["d"], axis=0), helper.make_node("ReduceSum", ["d"], ["w"])],
        [helper.make_node("Tile", ["v", "unknown"], ["w"]), helper.make_node("Shape", ["v"], ["unknown"])],
    ],
    ids=["a word more", "a constant part more", "no growth", "summed again", "unknown"],
)
def test_a_loop_that_does_not_multiply_is_let_through(body: Sequence[NodeProto], tmp_path: Path) -> None:
    check_loops(opened(tmp_path, [loop(body)], {"c": np.array(True)}))


def test_a_loop_of_which_a_run_decides_the_rounds_is_let_through(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["t"], to=TensorProto.INT64),
        loop(DOUBLING, limit="t"),
    ]
    check_loops(opened(tmp_path, nodes, {"c": np.array(True)}))


def test_constants_made_by_doubling_are_refused_before_they_are_folded(tmp_path: Path) -> None:
    nodes = [helper.make_node("Concat", [f"c{i}"] * 2, [f"c{i + 1}"], axis=0) for i in range(18)]
    nodes += [
        helper.make_node("ReduceSum", ["c18"], ["r"], keepdims=0),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    file = opened(tmp_path, nodes, {"c0": np.ones(5000, np.float32)})
    with pytest.raises(RunError) as caught:
        check_memory(file)
    assert caught.value.message == (
        f"{file.path}: the value 'c18' made by Concat would take 5,242,880,000 bytes; "
        "expected at most 4,294,967,296"
    )


def test_texts_made_by_doubling_are_refused_before_they_are_folded(tmp_path: Path) -> None:
    nodes = [helper.make_node("StringConcat", [f"c{i}"] * 2, [f"c{i + 1}"]) for i in range(30)]
    nodes += [helper.make_node("Identity", ["x"], ["y"])]
    file = opened(tmp_path, nodes, {"c0": [b"abcd"]})
    with pytest.raises(RunError) as caught:
        check_memory(file)
    assert caught.value.message == (
        f"{file.path}: the value 'c25' made by StringConcat would take 134,217,728 bytes; "
        "expected at most 67,108,864"
    )


def test_an_outer_product_of_what_is_computed_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Reshape", ["p", "a"], ["left"]),
        helper.make_node("Reshape", ["p", "b"], ["right"]),
        helper.make_node("Mul", ["left", "right"], ["m"]),
        helper.make_node("ReduceSum", ["m"], ["y"]),
    ]
    constants = {
        "w": np.zeros((2, 40_000), np.float32),
        "a": np.array([-1, 1]),
        "b": np.array([1, -1]),
    }
    file = opened(tmp_path, nodes, constants)
    with pytest.raises(RunError) as caught:
        check_memory(file)
    assert caught.value.message == (
        f"{file.path}: the value 'm' made by Mul would take 6,400,000,000 bytes; "
        "expected at most 4,294,967,296"
    )


def test_bounds_of_folded_constants_follow_the_operators(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.zeros(7))),
        helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Concat", ["k", "c"], ["joined"], axis=0),
        helper.make_node("Mul", ["joined", "c"], ["product"]),
        helper.make_node("Slice", ["product", "one", "one"], ["part"]),
        helper.make_node("Neg", ["part"], ["negated"]),
        helper.make_node("Mul", ["x", "negated"], ["y"]),
    ]
    found = folded_sizes(opened(tmp_path, nodes, {"c": np.zeros(5)}).graph)
    assert {node.outputs[0]: size for node, size in found} == {
        "joined": 12,
        "product": 60,
        "part": 60,
        "negated": 60,
    }
