from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.errors import ModelError, RunError, TensorError, UnknownLayerError
from inspector.onnxfile import open_onnx
from inspector.pipeline import cores
from inspector.session import MemoryLimitError, Session, TimeLimitError

Save = Callable[..., Path]
RNG = np.random.default_rng(5)
KERNELS = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a model of some nodes and constants; input "x", output "y" unless told otherwise."""

    def write(
        nodes: Sequence[NodeProto],
        constants: dict[str, Any] | None = None,
        *,
        inputs: dict[str, Sequence[int | str | None] | None] | None = None,
        dtype: int = TensorProto.FLOAT,
        outputs: Sequence[str] = ("y",),
        opset: int = 17,
        domains: Sequence[str] = (),
    ) -> Path:
        given = {"x": ["N", 3, 8, 8]} if inputs is None else inputs
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(name, dtype, shape) for name, shape in given.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
        )
        opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
        path = tmp_path / "m.onnx"
        path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
        return path

    return write


def conv_net(save: Save) -> Session:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    return Session(open_onnx(save(nodes, {"w": KERNELS})), threads=1)


def convolved(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, KERNELS)


def test_a_run_gives_the_outputs_by_name(save: Save) -> None:
    x = RNG.standard_normal((2, 3, 8, 8)).astype(np.float32)
    found = conv_net(save).run({"x": x})
    assert list(found) == ["y"]
    expected = np.maximum(convolved(x), 0).mean(axis=(2, 3), keepdims=True)
    assert np.allclose(found["y"], expected, atol=1e-5)


def test_any_value_can_be_asked_for(save: Save) -> None:
    session = conv_net(save)
    x = RNG.standard_normal((1, 3, 8, 8)).astype(np.float32)
    found = session.run({"x": x}, ["r", "c", "w", "x", "y"])
    assert list(found) == ["r", "c", "w", "x", "y"]
    assert np.allclose(found["c"], convolved(x), atol=1e-5)
    assert np.array_equal(found["r"], np.maximum(found["c"], 0))
    assert np.array_equal(found["w"], KERNELS)
    assert np.array_equal(found["x"], x)
    assert np.array_equal(found["y"], session.run({"x": x})["y"])


def test_the_last_four_variants_are_kept(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [helper.make_node("Relu", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(8)]
    session = Session(open_onnx(save(nodes, outputs=["v8"])), threads=1)
    opened: list[tuple[str, ...]] = []
    create = session._create

    def counting(extra: Sequence[str]) -> Any:
        opened.append(tuple(extra))
        return create(extra)

    monkeypatch.setattr(session, "_create", counting)
    x = {"x": np.zeros((1, 3, 8, 8), np.float32)}
    for names in (["v1"], ["v1"], ["v8", "v1"], ["v2"], ["v3"], ["v4"], ["v1"], ["v5"], ["v2"]):
        session.run(x, names)
    assert opened == [("v1",), ("v2",), ("v3",), ("v4",), ("v5",), ("v2",)]


def test_external_weights_are_found_from_wherever_the_model_is_opened(save: Save, tmp_path: Path) -> None:
    path = save(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])], {"w": KERNELS}
    )
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    session = Session(open_onnx(path), threads=1)
    x = RNG.standard_normal((1, 3, 8, 8)).astype(np.float32)
    found = session.run({"x": x}, ["c", "y"])
    assert np.allclose(found["c"], convolved(x), atol=1e-5)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(TensorError):
        Session(open_onnx(path)).run({"x": x})


def test_initializers_listed_as_inputs_need_not_be_given(save: Save) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    path = save(nodes, {"w": KERNELS}, inputs={"x": [1, 3, 8, 8], "w": [4, 3, 3, 3]})
    session = Session(open_onnx(path), threads=1)
    assert [value.name for value in session.inputs] == ["x"]
    assert session.run({"x": np.zeros((1, 3, 8, 8), np.float32)})["y"].shape == (1, 4, 6, 6)


def test_an_unknown_value_is_named_with_the_nearest(save: Save) -> None:
    session = conv_net(save)
    with pytest.raises(UnknownLayerError) as caught:
        session.run({"x": np.zeros((1, 3, 8, 8), np.float32)}, ["cc"])
    assert caught.value.message == f"{session.file.path} has no layer 'cc'; nearest: c"


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        (
            {"x": np.zeros((1, 1, 28, 28), np.float32)},
            "the input 'x' takes the shape (N, 3, 8, 8); given (1, 1, 28, 28)",
        ),
        (
            {"x": np.zeros((3, 8, 8), np.float32)},
            "the input 'x' takes the shape (N, 3, 8, 8); given (3, 8, 8)",
        ),
        ({"x": np.zeros((1, 3, 8, 8), complex)}, "the input 'x' takes float32; given complex128"),
        ({}, "the input 'x' is not given; expected 'x'"),
        ({"z": np.zeros(1)}, "has no input 'z'; expected 'x'"),
    ],
)
def test_feeds_that_do_not_fit_are_refused_before_the_run(
    feeds: dict[str, np.ndarray[Any, Any]], message: str, save: Save
) -> None:
    session = conv_net(save)
    with pytest.raises(RunError) as caught:
        session.run(feeds)
    assert caught.value.message == f"{session.file.path}: {message}"


def test_floats_are_converted_to_the_float_type_of_the_input(save: Save) -> None:
    path = save([helper.make_node("Cast", ["x"], ["y"], to=1)], inputs={"x": [2]}, dtype=TensorProto.FLOAT16)
    found = Session(open_onnx(path)).run({"x": np.array([0.1, 2.0])}, ["x", "y"])
    assert found["x"].dtype == np.float16
    assert np.array_equal(found["y"], np.array([0.1, 2], np.float16).astype(np.float32))


def test_floats_are_not_rounded_for_an_integer_input(save: Save) -> None:
    path = save([helper.make_node("Cast", ["x"], ["y"], to=1)], inputs={"x": [1]}, dtype=TensorProto.UINT8)
    with pytest.raises(RunError) as caught:
        Session(open_onnx(path)).run({"x": np.array([0.5])})
    assert caught.value.message == f"{path}: the input 'x' takes uint8; given float64"


def test_types_that_numpy_lacks_cannot_be_fed(save: Save) -> None:
    path = save([helper.make_node("Cast", ["x"], ["y"], to=1)], inputs={"x": [1]}, dtype=TensorProto.BFLOAT16)
    with pytest.raises(RunError) as caught:
        Session(open_onnx(path)).run({"x": np.zeros(1, np.float32)})
    assert caught.value.message == f"{path}: the input 'x' takes BFLOAT16, which numpy does not have"


def test_what_fails_during_a_run_is_one_sentence(save: Save) -> None:
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    path = save(nodes, {"s": np.array([7, -1])}, inputs={"x": [None]})
    with pytest.raises(RunError) as caught:
        Session(open_onnx(path)).run({"x": np.zeros(8, np.float32)})
    assert caught.value.message.startswith(
        f"{path}: onnxruntime cannot run the model: Non-zero status code returned while running Reshape node."
    )
    assert "\n" not in caught.value.message


def test_a_value_that_is_no_tensor_is_refused(save: Save) -> None:
    nodes = [
        helper.make_node("SequenceConstruct", ["x"], ["s"]),
        helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=0),
    ]
    path = save(nodes, inputs={"x": [1]})
    with pytest.raises(RunError) as caught:
        Session(open_onnx(path)).run({"x": np.zeros(1, np.float32)}, ["s"])
    assert caught.value.message == f"{path}: the value 's' is no tensor; expected one"


def test_operators_of_custom_domains_are_named(save: Save) -> None:
    path = save([helper.make_node("Sharpen", ["x"], ["y"], domain="acme")], domains=["acme"])
    with pytest.raises(ModelError) as caught:
        Session(open_onnx(path)).open()
    assert caught.value.message == (
        f"{path}: cannot be run: it uses operators that are not ONNX's: acme.Sharpen"
    )


def test_an_operator_set_that_is_too_old_is_named(save: Save) -> None:
    path = save([helper.make_node("Relu", ["x"], ["y"])], opset=5)
    with pytest.raises(RunError) as caught:
        Session(open_onnx(path)).open()
    assert caught.value.message == (
        f"{path}: uses opset 5, which onnxruntime does not run; expected opset 7 or later"
    )
    assert "convert_version" in caught.value.hint


def test_what_else_keeps_a_model_from_being_opened_is_one_sentence(save: Save) -> None:
    path = save([helper.make_node("Conv", ["x", "w"], ["y"])], {"w": np.zeros((4, 5, 3, 3), np.float64)})
    with pytest.raises(RunError, match=r"m\.onnx: onnxruntime cannot open the model: ") as caught:
        Session(open_onnx(path)).open()
    assert "ONNXRuntimeError" not in caught.value.message


def endless(save: Save) -> Path:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [1]),
        ],
    )
    node = helper.make_node("Loop", ["", "go", "x"], ["y"], body=body)
    return save([node], {"go": np.array(True)}, inputs={"x": [1]})


def test_an_endless_loop_is_stopped_at_the_time_limit(save: Save) -> None:
    path = endless(save)
    began = time.monotonic()
    with pytest.raises(TimeLimitError) as caught:
        Session(open_onnx(path), time_limit=0.3).run({"x": np.ones(1, np.float32)})
    assert caught.value.message == f"{path}: the run was stopped after 0.3 seconds without a result"
    assert "--time-limit SECONDS" in caught.value.hint
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_a_run(save: Save) -> None:
    session = Session(open_onnx(endless(save)))
    session.open()
    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        session.run({"x": np.ones(1, np.float32)})


def test_a_run_can_be_stopped_from_another_thread(save: Save) -> None:
    session = Session(open_onnx(endless(save)), time_limit=None)
    threading.Timer(0.3, session.stop).start()
    with pytest.raises(RunError, match="terminate flag"):
        session.run({"x": np.ones(1, np.float32)})


def test_the_session_names_its_model(save: Save) -> None:
    session = conv_net(save)
    assert repr(session) == f"Session({str(session.file.path)!r}, inputs=['x'])"
    assert [value.name for value in session.outputs] == ["y"]


def test_memory_that_runs_out_is_named(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    session = conv_net(save)

    def starved(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(session, "_wait", starved)
    with pytest.raises(RunError) as caught:
        session.run({"x": np.zeros((1, 3, 8, 8), np.float32)})
    assert caught.value.message == (
        f"{session.file.path}: onnxruntime cannot run the model: there is not enough memory"
    )


def test_a_run_that_takes_more_memory_than_it_may_is_refused(save: Save) -> None:
    # What is made of a long input is known at the run alone.
    nodes = [
        helper.make_node("Reshape", ["x", "a"], ["l"]),
        helper.make_node("Transpose", ["l"], ["r"], perm=[1, 0]),
        helper.make_node("Mul", ["l", "r"], ["m"]),
        helper.make_node("ReduceSum", ["m"], ["y"], keepdims=0),
    ]
    path = save(nodes, {"a": np.array([-1, 1])}, inputs={"x": [None]})
    limited = Session(open_onnx(path), memory_limit=2**24)
    with pytest.raises(MemoryLimitError) as caught:
        limited.run({"x": np.ones(4000, np.float32)})
    assert caught.value.message == (
        f"{path}: a run takes more than the 16,777,216 bytes of memory that it may"
    )
    assert limited.run({"x": np.ones(100, np.float32)})["y"] == 10_000
    assert Session(open_onnx(path)).run({"x": np.ones(4000, np.float32)})["y"] == 16_000_000


def test_weights_do_not_count_as_memory_of_a_run(save: Save) -> None:
    path = save(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"w": np.ones((2048, 2048), np.float32)},
        inputs={"x": [1, 2048]},
    )
    session = Session(open_onnx(path), memory_limit=2**22)
    assert session.run({"x": np.ones((1, 2048), np.float32)})["y"].tolist() == [[2048.0] * 2048]


def test_memory_beside_the_arena_is_watched(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = iter([0, *[2**33] * 1000])
    monkeypatch.setattr("inspector.session.private_bytes", lambda: next(grown))
    path = endless(save)
    with pytest.raises(MemoryLimitError) as caught:
        Session(open_onnx(path), memory_limit=2**30).run({"x": np.ones(1, np.float32)})
    assert caught.value.message == (
        f"{path}: a run takes more than the 1,073,741,824 bytes of memory that it may"
    )


def test_a_system_that_does_not_tell_its_memory_has_the_time_limit(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.session.private_bytes", lambda: None)
    with pytest.raises(TimeLimitError):
        Session(open_onnx(endless(save)), time_limit=0.1).run({"x": np.ones(1, np.float32)})


def test_a_session_takes_no_more_threads_than_there_are_cores(save: Save) -> None:
    file = conv_net(save).file
    assert Session(file, threads=100_000).threads == cores()
    assert Session(file, threads=1).threads == 1
    assert Session(file).threads is None
