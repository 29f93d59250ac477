"""Variants of operators that have no gradient, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.errors import GradientError
from inspector.gradients import backward

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
Shape = Sequence[int | str]
NUMBERS = np.random.default_rng(0)


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, tuple[int, Shape]],
    constants: Mapping[str, np.ndarray] | None = None,
    opset: int = 18,
) -> onnx.ModelProto:
    """A network whose output is the first output of its last node."""
    infos = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    output = helper.make_empty_tensor_value_info(nodes[-1].output[0])
    stored = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "net", infos, [output], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def reason(network: onnx.ModelProto, of: str = "y") -> str:
    """Why there is no gradient: the end of the message, after the node's name."""
    with pytest.raises(GradientError) as caught:
        backward(network, of=of, wrt="x")
    start, _, end = str(caught.value).partition(" of layer 'node' ")
    assert start.startswith("the model in memory: the node 'node' (")
    return end.splitlines()[0]


def node(op_type: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> NodeProto:
    return helper.make_node(op_type, inputs, outputs or ["y"], name="node", **attributes)


def test_the_whole_message_names_node_operator_version_and_layer() -> None:
    network = model([node("RNN", ["x", "w", "r"], activations=["Softsign"], hidden_size=2)], RNN, WEIGHTS)
    with pytest.raises(GradientError) as caught:
        backward(network, of="y", wrt="x")
    assert str(caught.value) == (
        "the model in memory: the node 'node' (RNN, version 14) of layer 'node' has no gradient with the "
        "activation 'Softsign'"
    )


RNN = {"x": (FLOAT, [3, 2, 2])}
WEIGHTS = {"w": np.ones((1, 2, 2), np.float32), "r": np.ones((1, 2, 2), np.float32)}
LSTM = {name: np.ones((1, 8, 2), np.float32) for name in "wr"}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"layout": 1}, "has no gradient with the attribute layout"),
        ({"clip": 1.0}, "has no gradient with the attribute clip"),
        ({"input_forget": 1}, "has no gradient with the attribute input_forget"),
        ({"activations": ["Sigmoid", "Elu", "Tanh"]}, "has no gradient with the activation 'Elu'"),
    ],
)
def test_lstm_variants(attributes: dict[str, Any], said: str) -> None:
    assert reason(model([node("LSTM", ["x", "w", "r"], hidden_size=2, **attributes)], RNN, LSTM)) == said


def test_lstm_with_peepholes() -> None:
    constants = {**LSTM, "p": np.ones((1, 6), np.float32)}
    network = model([node("LSTM", ["x", "w", "r", "", "", "", "", "p"], hidden_size=2)], RNN, constants)
    assert reason(network) == "has no gradient with peepholes"


def test_sequences_of_different_lengths() -> None:
    constants = {**WEIGHTS, "lengths": np.array([3, 2], np.int32)}
    network = model([node("RNN", ["x", "w", "r", "", "lengths"], hidden_size=2)], RNN, constants)
    assert reason(network) == "has no gradient with sequences of different lengths"


def test_sequences_of_the_full_length_have_a_gradient() -> None:
    constants = {**WEIGHTS, "lengths": np.array([3, 3], np.int32)}
    network = model([node("RNN", ["x", "w", "r", "", "lengths"], hidden_size=2)], RNN, constants)
    same = model([node("RNN", ["x", "w", "r"], hidden_size=2)], RNN, WEIGHTS)
    shapes = (3, 2, 2), (3, 1, 2, 2)
    assert np.array_equal(gradient(network, *shapes), gradient(same, *shapes))


def gradient(network: onnx.ModelProto, x: tuple[int, ...], seed: tuple[int, ...]) -> np.ndarray:
    """The gradient of the sum of the output, at some fixed input; given the shapes of both."""
    written = backward(network, of="y", wrt="x")
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    numbers = np.linspace(-1, 1, int(np.prod(x)), dtype=np.float32).reshape(x)
    feeds = {"x": numbers, "seed": np.ones(seed, np.float32)}
    return np.asarray(session.run(["gradient/x"], feeds)[0])


@pytest.mark.parametrize(
    ("inputs", "opset", "said"),
    [
        (["x", "x", "x", "", "past", "past"], 23, "has no gradient with a cache of past keys"),
        (["x", "x", "x", "short"], 24, "has no gradient with a mask that is shorter than the keys"),
    ],
)
def test_attention_variants(inputs: list[str], opset: int, said: str) -> None:
    constants = {"past": np.ones((1, 2, 1, 4), np.float32), "short": np.ones((3, 2), np.float32)}
    outputs = ["y", "k", "v"] if "past" in inputs else ["y"]
    network = model([node("Attention", inputs, *outputs)], {"x": (FLOAT, [1, 2, 3, 4])}, constants, opset)
    assert reason(network) == said


def test_the_scores_that_attention_can_give() -> None:
    attention = node("Attention", ["x", "x", "x"], "z", "", "", "scores")
    nodes = [attention, helper.make_node("Relu", ["scores"], ["y"])]
    network = model(nodes, {"x": (FLOAT, [1, 2, 3, 4])}, opset=23)
    assert reason(network) == "has no gradient of its second to fourth output"


def test_the_scale_that_numbers_are_quantized_by() -> None:
    quantized = node("DynamicQuantizeLinear", ["x"], "q", "scale", "zero")
    network = model([quantized, helper.make_node("Sqrt", ["scale"], ["y"])], {"x": (FLOAT, [2, 3])})
    assert reason(network) == "has no gradient of its scale, which counts as fixed"


def test_reductions_over_no_axes_that_runtimes_understand_differently() -> None:
    reduction = node("ReduceL2", ["x", "axes"], noop_with_empty_axes=1)
    network = model([reduction], {"x": (FLOAT, [2, 3])}, {"axes": np.zeros(0, np.int64)})
    assert reason(network) == "has no gradient with noop_with_empty_axes and no axes"


@pytest.mark.parametrize("op_type", ["ScatterElements", "ScatterND"])
def test_scatters_that_multiply(op_type: str) -> None:
    indices = np.zeros((1, 3) if op_type == "ScatterElements" else (1, 1), np.int64)
    constants = {"i": indices, "u": np.ones((1, 3), np.float32)}
    network = model([node(op_type, ["x", "i", "u"], reduction="mul")], {"x": (FLOAT, [2, 3])}, constants)
    assert reason(network) == "has no gradient with the attribute reduction='mul'"


def test_computed_places_along_an_axis_before_the_batch() -> None:
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]), node("Gather", ["t", "i"])]
    network = model(nodes, {"x": (FLOAT, ["N", 3]), "i": (INT, ["N", 2])})
    assert reason(network) == (
        "has no gradient with indices that are computed, along an axis before the batch's"
    )


def test_copies_along_the_batch() -> None:
    pads = {"pads": np.array([1, 0, 0, 0], np.int64)}
    network = model([node("Pad", ["x", "pads"], mode="reflect")], {"x": (FLOAT, ["N", 3])}, pads)
    assert reason(network) == "has no gradient along axis 0, which goes with the batch"


def test_an_unknown_way_to_pad() -> None:
    pads = {"pads": np.array([0, 1, 0, 0], np.int64)}
    network = model([node("Pad", ["x", "pads"], mode="circular")], {"x": (FLOAT, ["N", 3])}, pads)
    assert reason(network) == "has no gradient with the mode 'circular'"


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (
            {"coordinate_transformation_mode": "radial"},
            "has no gradient with coordinate_transformation_mode='radial'",
        ),
        (
            {"mode": "area"},
            "has no gradient with mode='area' and nearest_mode='round_prefer_floor'",
        ),
        (
            {"nearest_mode": "away"},
            "has no gradient with mode='nearest' and nearest_mode='away'",
        ),
    ],
)
def test_unknown_ways_to_resize(attributes: dict[str, str], said: str) -> None:
    scales = {"scales": np.array([1, 1, 2], np.float32)}
    network = model([node("Resize", ["x", "", "scales"], **attributes)], {"x": (FLOAT, [1, 1, 3])}, scales)
    assert reason(network) == said


@pytest.mark.parametrize(
    ("mode", "padding"), [("bilinear", "reflection"), ("bicubic", "zeros"), ("bicubic", "reflection")]
)
def test_ways_to_sample(mode: str, padding: str) -> None:
    sampling = node("GridSample", ["x", "g"], mode=mode, padding_mode=padding)
    network = model([sampling], {"x": (FLOAT, [1, 1, 3, 3]), "g": (FLOAT, [1, 2, 2, 2])})
    assert reason(network) == f"has no gradient with mode={mode!r} and padding_mode={padding!r}"


def test_vectors_of_whole_numbers() -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("Squeeze", ["q", "axes"], ["vector"]),
        node("MatMulInteger", ["vector", "w"], "products"),
        helper.make_node("Cast", ["products"], ["y"], to=FLOAT),
    ]
    constants = {"axes": np.array([0], np.int64), "w": np.ones((3, 2), np.uint8)}
    network = model(nodes, {"x": (FLOAT, [1, 3])}, constants)
    assert reason(network) == "has no gradient of vectors; expected matrices"


def test_a_scale_for_each_block() -> None:
    nodes = [
        node("QuantizeLinear", ["x", "scale"], "q", axis=1, block_size=2),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["y"], axis=1, block_size=2),
    ]
    network = model(nodes, {"x": (FLOAT, ["N", 4])}, {"scale": np.ones((1, 2), np.float32)}, 21)
    with pytest.raises(GradientError) as caught:
        backward(network, of="y", wrt="x")
    assert str(caught.value).endswith(
        "has no gradient with a scale for each block; expected one for each channel"
    )


def test_a_training_mode_that_is_computed() -> None:
    inputs = {"x": (FLOAT, [2, 3]), "training": (TensorProto.BOOL, [])}
    network = model([node("Dropout", ["x", "", "training"])], inputs)
    assert reason(network) == "has no gradient with a training mode computed at run time"


def test_dropout_in_training_passes_what_it_kept() -> None:
    constants = {"ratio": np.array(0.25, np.float32), "training": np.array(True)}
    network = model([node("Dropout", ["x", "ratio", "training"])], {"x": (FLOAT, [20, 50])}, constants)
    written = backward(network, of="y", wrt="x")
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    ones = np.ones((20, 50), np.float32)
    y, found = session.run(["y", "gradient/x"], {"x": ones, "seed": ones})
    np.testing.assert_allclose(found, y, rtol=1e-6)
    assert 0.6 < np.count_nonzero(found) / found.size < 0.9


def test_a_cast_to_whole_numbers_stops_the_gradient() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["steps"], to=TensorProto.INT32),
        helper.make_node("Cast", ["steps"], ["rounded"], to=FLOAT),
        helper.make_node("Add", ["rounded", "x"], ["y"]),
    ]
    assert np.array_equal(gradient(model(nodes, {"x": (FLOAT, [2, 3])}), (2, 3), (2, 3)), np.ones((2, 3)))
