from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import GraphProto, NodeProto, TensorProto, helper, load_model_from_string, numpy_helper

from inspector.errors import RunError
from inspector.onnxfile import open_onnx
from inspector.preflight import check_memory, check_windows
from inspector.session import Session
from inspector.shape_arithmetic import small_constants

ONES = np.ones((1, 1, 3, 3), np.float32)


def saved(
    folder: Path,
    nodes: list[NodeProto],
    constants: dict[str, Any] | None = None,
    shape: tuple[int, ...] = (1, 1, 8, 8),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("op", "attributes", "found"),
    [
        ("Conv", {"group": 0}, "group 0; expected 1 or more"),
        ("Conv", {"group": -1}, "group -1; expected 1 or more"),
        ("Conv", {"strides": [1, 0]}, "strides 0; expected 1 or more"),
        ("Conv", {"dilations": [0, 1]}, "dilations 0; expected 1 or more"),
        ("Conv", {"pads": [0, -2, 0, 0]}, "pads -2; expected 0 or more"),
        ("ConvTranspose", {"pads": [0, 0, 2**40, 0]}, "pads 1099511627776; expected at most 65,535"),
        ("MaxPool", {"kernel_shape": [0, 2]}, "kernel_shape 0; expected 1 or more"),
    ],
)
def test_windows_that_make_no_sense_are_refused_with_the_layer(
    op: str, attributes: dict[str, Any], found: str, tmp_path: Path
) -> None:
    inputs = ["x"] if op == "MaxPool" else ["x", "w"]
    node = helper.make_node(op, inputs, ["y"], name="conv_1", **attributes)
    path = saved(tmp_path, [node], {"w": ONES})
    with pytest.raises(RunError) as caught:
        Session(open_onnx(path)).open()
    assert caught.value.message == f"{path}: layer 'conv_1' ({op}) has {found}"


def test_windows_inside_a_branch_are_checked_too(tmp_path: Path) -> None:
    def branch(group: int) -> GraphProto:
        node = helper.make_node("Conv", ["x", "w"], [f"out{group}"], group=group)
        return helper.make_graph(
            [node], "b", [], [helper.make_tensor_value_info(f"out{group}", TensorProto.FLOAT, None)]
        )

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch(1), else_branch=branch(0))
    path = saved(tmp_path, [node], {"w": ONES, "c": np.array(True)})
    with pytest.raises(RunError) as caught:
        check_windows(open_onnx(path))
    assert caught.value.message == f"{path}: layer 'out0' (Conv) has group 0; expected 1 or more"


BOMBS = {
    "ConstantOfShape": (
        [helper.make_node("ConstantOfShape", ["s"], ["y"])],
        {"s": np.array([100_000, 1_000_000])},
        400_000_000_000,
    ),
    "Range": (
        [
            helper.make_node("Range", ["a", "b", "c"], ["r"]),
            helper.make_node("Cast", ["r"], ["y"], to=1),
        ],
        {"a": np.int64(0), "b": np.int64(10**12), "c": np.int64(1)},
        8_000_000_000_000,
    ),
    "Expand": (
        [helper.make_node("Expand", ["x", "s"], ["y"])],
        {"s": np.array([1_000_000, 1, 8, 8])},
        0,
    ),
    "Tile": (
        [helper.make_node("Tile", ["x", "s"], ["y"])],
        {"s": np.array([10**6, 10**6, 1, 1])},
        256 * 10**12,
    ),
    "Pad": (
        [helper.make_node("Pad", ["x", "s"], ["y"])],
        {"s": np.array([0, 0, 0, 10**10, 0, 0, 0, 0])},
        4 * 8 * (10**10 + 8),
    ),
    "Resize": (
        [helper.make_node("Resize", ["x", "", "s"], ["y"], mode="nearest")],
        {"s": np.array([1, 1, 1e6, 1e6], np.float32)},
        4 * 64 * 10**12,
    ),
    "Conv": (
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[60_000] * 4)],
        {"w": ONES},
        4 * 120_006**2,
    ),
    "Add": (
        [helper.make_node("Add", ["p", "q"], ["r"]), helper.make_node("Mul", ["x", "r"], ["y"])],
        {"p": np.zeros((40_000, 1), np.float32), "q": np.zeros((1, 40_000), np.float32)},
        4 * 40_000**2,
    ),
}


@pytest.mark.parametrize("op", [name for name in BOMBS if name != "Expand"])
def test_a_tensor_beyond_4_gib_is_refused_before_the_model_is_opened(op: str, tmp_path: Path) -> None:
    nodes, constants, size = BOMBS[op]
    path = saved(tmp_path, nodes, constants)
    with pytest.raises(RunError) as caught:
        check_memory(open_onnx(path))
    value = nodes[0].output[0]
    assert caught.value.message == (
        f"{path}: the value {value!r} made by {op} would take {size:,} bytes; expected at most 4,294,967,296"
    )


def test_a_tensor_below_4_gib_is_let_through(tmp_path: Path) -> None:
    nodes, constants, _ = BOMBS["Expand"]
    check_memory(open_onnx(saved(tmp_path, nodes, constants)))


def test_a_bomb_whose_shape_is_computed_in_the_graph_is_found(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["a", "a"], ["b"]),
        helper.make_node("Concat", ["b", "b"], ["s"], axis=0),
        helper.make_node(
            "ConstantOfShape", ["s"], ["i"], value=helper.make_tensor("v", TensorProto.INT64, [1], [3])
        ),
        helper.make_node("Cast", ["i"], ["y"], to=1),
    ]
    path = saved(tmp_path, nodes, {"a": np.array([1000])})
    with pytest.raises(RunError) as caught:
        check_memory(open_onnx(path))
    assert caught.value.message == (
        f"{path}: the value 'i' made by ConstantOfShape would take 8,000,000,000,000 bytes; "
        "expected at most 4,294,967,296"
    )


def test_a_graph_whose_shapes_contradict_is_left_to_onnxruntime(tmp_path: Path) -> None:
    nodes = [helper.make_node("Expand", ["x", "s"], ["e"]), helper.make_node("Conv", ["e", "w"], ["y"])]
    path = saved(tmp_path, nodes, {"s": np.array([1, 1, 8, 8]), "w": np.ones((1, 7, 3, 3), np.float32)})
    check_memory(open_onnx(path))
    with pytest.raises(RunError, match="onnxruntime cannot"):
        Session(open_onnx(path)).run({"x": np.zeros((1, 1, 8, 8), np.float32)})


def test_small_constants_are_computed_as_onnx_does(tmp_path: Path) -> None:
    seven = numpy_helper.from_array(np.array([7]))
    nodes = [
        helper.make_node("Constant", [], ["seven"], value=seven),
        helper.make_node("Constant", [], ["ints"], value_ints=[4, 5, 6, 7]),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Add", ["a", "b"], ["add"]),
        helper.make_node("Sub", ["a", "b"], ["sub"]),
        helper.make_node("Mul", ["a", "b"], ["mul"]),
        helper.make_node("Div", ["neg", "b"], ["div"]),
        helper.make_node("Div", ["half", "half"], ["divf"]),
        helper.make_node("Neg", ["a"], ["neg"]),
        helper.make_node("Max", ["a", "b"], ["max"]),
        helper.make_node("Min", ["a", "b"], ["min"]),
        helper.make_node("Concat", ["a", "seven"], ["concat"], axis=0),
        helper.make_node("Gather", ["ints", "one"], ["gather"]),
        helper.make_node("Slice", ["ints", "one", "three"], ["slice"]),
        helper.make_node("Unsqueeze", ["a", "zero"], ["unsqueeze"]),
        helper.make_node("Squeeze", ["unsqueeze", "zero"], ["squeeze"]),
        helper.make_node("Squeeze", ["unsqueeze"], ["squeeze_all"]),
        helper.make_node("Reshape", ["ints", "two_two"], ["reshape"]),
        helper.make_node("ReduceProd", ["ints"], ["prod"]),
        helper.make_node("Cast", ["a"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Floor", ["half"], ["floor"]),
        helper.make_node("Ceil", ["half"], ["ceil"]),
        helper.make_node("Identity", ["x"], ["y"]),
        helper.make_node("Reshape", ["ints", "three"], ["wrong"]),
        helper.make_node("Relu", ["cast"], ["unknown"]),
        helper.make_node("Slice", ["reshape", "one", "three"], ["matrix"]),
    ]
    constants = {
        "a": np.array([10, 20]),
        "b": np.array([3, 3]),
        "one": np.array([1]),
        "three": np.array([3]),
        "zero": np.array([0]),
        "two_two": np.array([2, 2]),
        "large": np.zeros(100),
    }
    found = small_constants(open_onnx(saved(tmp_path, nodes, constants)).graph)
    expected: dict[str, object] = {
        "seven": [7],
        "ints": [4, 5, 6, 7],
        "half": 0.5,
        "add": [13, 23],
        "sub": [7, 17],
        "mul": [30, 60],
        "div": [-3, -6],
        "divf": 1.0,
        "neg": [-10, -20],
        "max": [10, 20],
        "min": [3, 3],
        "concat": [10, 20, 7],
        "gather": [5],
        "slice": [5, 6],
        "unsqueeze": [[10, 20]],
        "squeeze": [10, 20],
        "squeeze_all": [10, 20],
        "reshape": [[4, 5], [6, 7]],
        "prod": [840],
        "cast": [10.0, 20.0],
        "floor": 0.0,
        "ceil": 1.0,
    }
    assert {name: array.tolist() for name, array in found.items() if name not in constants} == expected
    assert found["cast"].dtype == np.float32
    assert found["div"].dtype == np.int64
    assert "large" not in found


def test_a_bomb_inside_a_branch_is_found(tmp_path: Path) -> None:
    def branch(name: str, size: int) -> GraphProto:
        nodes = [
            helper.make_node("Constant", [], [f"{name}s"], value_ints=[size, size]),
            helper.make_node("ConstantOfShape", [f"{name}s"], [name]),
        ]
        return helper.make_graph(
            nodes, name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)]
        )

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("a", 2), else_branch=branch("b", 10**6))
    path = saved(tmp_path, [node], {"c": np.array(True)})
    with pytest.raises(RunError) as caught:
        check_memory(open_onnx(path))
    assert caught.value.message == (
        f"{path}: the value 'b' made by ConstantOfShape would take 4,000,000,000,000 bytes; "
        "expected at most 4,294,967,296"
    )


def test_windows_inside_a_function_of_the_model_are_checked_too(tmp_path: Path) -> None:
    conv = helper.make_node("Conv", ["a", "b"], ["c"], strides=[0, 0])
    opset = helper.make_opsetid("", 17)
    path = saved(tmp_path, [helper.make_node("Block", ["x", "w"], ["y"], domain="acme")], {"w": ONES})
    model = load_model_from_string(path.read_bytes())
    model.functions.append(helper.make_function("acme", "Block", ["a", "b"], ["c"], [conv], [opset]))
    model.opset_import.append(helper.make_opsetid("acme", 1))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RunError) as caught:
        check_windows(open_onnx(path))
    assert caught.value.message == f"{path}: layer 'c' (Conv) has strides 0; expected 1 or more"


def test_onnxruntime_opens_a_model_whose_windows_are_wide(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1100] * 4, strides=[2000, 2000])
    path = saved(tmp_path, [node], {"w": ONES})
    assert Session(open_onnx(path)).run({"x": np.ones((1, 1, 8, 8), np.float32)})["y"].shape == (1, 1, 2, 2)


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_kernels_without_weights_are_refused_with_the_layer(op: str, tmp_path: Path) -> None:
    node = helper.make_node(op, ["x", "w"], ["y"], name="conv_1")
    path = saved(tmp_path, [node], {"w": np.zeros((1, 4, 0, 3), np.float32)})
    with pytest.raises(RunError) as caught:
        Session(open_onnx(path)).open()
    assert caught.value.message == (
        f"{path}: layer 'conv_1' ({op}) has kernels of the shape [1, 4, 0, 3]; expected no axis of size 0"
    )


def test_an_ordinary_network_is_checked_without_importing_onnx(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Reshape", ["g", "s"], ["r"]),
        helper.make_node("Mul", ["c", "r"], ["y"]),
    ]
    path = saved(tmp_path, nodes, {"w": ONES, "s": np.array([1, 1, 1, 1])})
    code = (
        "import sys; from inspector.growth import check_loops; from inspector.onnxfile import open_onnx; "
        "from inspector.preflight import check_memory; file = open_onnx(sys.argv[1]); "
        "check_loops(file); check_memory(file); print('onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
