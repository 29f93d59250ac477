"""Gradient graphs of whole networks: what they give, what they leave out, and for which batches they run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import inspector
from inspector.errors import GradientError
from inspector.gradients import RULES, Gradient, Node, Rules, Value, backward, vjp

Array = NDArray[np.float32]
RNG = np.random.default_rng(11)
WEIGHTS = {
    "w1": RNG.standard_normal((8, 1, 3, 3)).astype(np.float32),
    "w2": RNG.standard_normal((8, 8, 3, 3)).astype(np.float32) / 8,
    "w3": RNG.standard_normal((72, 3)).astype(np.float32) / 9,
    "b3": RNG.standard_normal(3).astype(np.float32),
}


def network(batch: int | str = "N", opset: int = 17, target: tuple[int, ...] = (0, -1)) -> onnx.ModelProto:
    """conv, relu, conv, pool, flattened into a dense layer with a softmax."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], name="conv_1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu_1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="conv_2", pads=[1] * 4),
        helper.make_node("MaxPool", ["c2"], ["p2"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Reshape", ["p2", "shape"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["logit"], name="dense"),
        helper.make_node("Softmax", ["logit"], ["y"], name="softmax", **({"axis": 1} if opset < 13 else {})),
    ]
    for node in nodes[:2]:
        node.metadata_props.add(key="inspector.layer", value="first")
    weights = {**WEIGHTS, "shape": np.array(target, np.int64)}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def torch_values(x: Array) -> dict[str, object]:
    """The same network in PyTorch, float64, every value by name."""
    import torch
    import torch.nn.functional as F

    w = {name: torch.from_numpy(array).double() for name, array in WEIGHTS.items()}
    values: dict[str, object] = {"x": torch.from_numpy(x).double().requires_grad_(True)}
    c1 = F.conv2d(values["x"], w["w1"], padding=1)
    r1 = F.relu(c1)
    c2 = F.conv2d(r1, w["w2"], padding=1)
    p2 = F.max_pool2d(c2, 2)
    logit = p2.flatten(1) @ w["w3"] + w["b3"]
    return {**values, "c1": c1, "r1": r1, "c2": c2, "p2": p2, "logit": logit, "y": logit.softmax(1)}


def truth(x: Array, of: str, wrt: str, seed: Array) -> NDArray[np.float64]:
    import torch

    values = torch_values(x)
    total = (values[of] * torch.from_numpy(seed)).sum()  # type: ignore[operator]
    return np.asarray(torch.autograd.grad(total, values[wrt])[0].numpy(), np.float64)  # type: ignore[arg-type]


def run(model: onnx.ModelProto, **feeds: Array) -> dict[str, Array]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def pictures(batch: int) -> Array:
    return np.random.default_rng(batch).standard_normal((batch, 1, 6, 6)).astype(np.float32)


def seeds(*shape: int) -> Array:
    return np.random.default_rng([5, *shape]).standard_normal(shape).astype(np.float32)


def close(found: Array, wanted: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("batch", [1, 3])
def test_the_gradient_of_a_network_is_that_of_pytorch_for_any_batch_and_any_seed(batch: int) -> None:
    x, seed = pictures(batch), seeds(batch, 3)
    close(run(backward(network(), of="y"), x=x, seed=seed)["gradient/x"], truth(x, "y", "x", seed))


@pytest.mark.parametrize("opset", [9, 13, 17, 18, 21])
def test_a_network_of_any_opset_gives_the_same_gradient(opset: int) -> None:
    x, seed = pictures(2), seeds(2, 3)
    close(run(backward(network(opset=opset), of="y"), x=x, seed=seed)["gradient/x"], truth(x, "y", "x", seed))


def test_logits_are_the_value_before_the_softmax() -> None:
    x, seed = pictures(2), seeds(2, 3)
    found = run(backward(network(), of="logits"), x=x, seed=seed)
    assert set(found) == {"logit", "gradient/x"}
    close(found["gradient/x"], truth(x, "logit", "x", seed))


def test_several_values_may_be_differentiated_with_respect_to_and_others_be_asked_for() -> None:
    x, seed = pictures(2), seeds(2, 3)
    found = run(
        backward(network(), of="logits", wrt=["first", "c2", "x"], outputs=["pool", "y"]), x=x, seed=seed
    )
    assert list(found) == ["logit", "p2", "y", "gradient/r1", "gradient/c2", "gradient/x"]
    for name in ("r1", "c2", "x"):
        close(found[f"gradient/{name}"], truth(x, "logit", name, seed))


def test_one_channel_takes_a_seed_without_the_channels() -> None:
    x, seed = pictures(2), seeds(2, 6, 6)
    whole = np.zeros((2, 8, 6, 6), np.float32)
    whole[:, 5] = seed
    close(run(backward(network(), of="c2:5"), x=x, seed=seed)["gradient/x"], truth(x, "c2", "x", whole))


def test_a_gradient_up_to_a_convolution_computes_no_dense_layer() -> None:
    model = backward(network(), of="c2")
    assert not {node.op_type for node in model.graph.node} & {"Gemm", "Softmax", "MaxPool"}
    assert {tensor.name for tensor in model.graph.initializer} & set(WEIGHTS) == {"w1", "w2"}


def test_a_gradient_of_a_late_value_visits_no_early_layer_on_the_way_back() -> None:
    model = backward(network(), of="logits", wrt="p2")
    backward_nodes = [node for node in model.graph.node if node.output[0].startswith("gradient/")]
    assert {node.op_type for node in backward_nodes} == {"Gemm", "Reshape", "Identity"}


def test_flipped_kernels_are_stored_and_not_computed_in_each_run() -> None:
    model = backward(network(), of="c2")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    flipped = WEIGHTS["w2"].transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    assert any(np.array_equal(array, flipped) for array in stored.values())


def test_a_declared_batch_of_one_is_freed_even_through_a_reshape_that_spells_it_out() -> None:
    x, seed = pictures(4), seeds(4, 3)
    model = backward(network(batch=1, target=(1, 72)), of="y")
    close(run(model, x=x, seed=seed)["gradient/x"], truth(x, "y", "x", seed))


def test_a_batch_that_the_network_mixes_stays_as_declared() -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("Mul", ["r", "r"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 2])],
        [numpy_helper.from_array(np.array([4, 2], np.int64), "shape")],
    )
    gradient = Gradient(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), of="y")
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert gradient.batch == 2
    np.testing.assert_allclose(gradient.run({"x": x}, np.ones((4, 2), np.float32))["gradient"], 2 * x)
    with pytest.raises(GradientError) as caught:
        gradient.seed_shape(3)
    assert caught.value.message == "the gradient of the model in memory is fixed to a batch of 2; given 3"


def test_one_session_serves_every_target_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(network(), path)
    gradient = Gradient(inspector.load(path), of="logits", wrt="conv_2", outputs=["y"])
    assert (gradient.target, gradient.wrt, gradient.batch) == ("logit", "c2", None)
    x = pictures(3)
    assert gradient.seed_shape(3) == (3, 3)
    for target in range(3):
        seed = np.eye(3, dtype=np.float32)[[target] * 3]
        found = gradient.run({"x": x}, seed)
        assert set(found) == {"gradient", "logits", "y"}
        close(found["gradient"], truth(x, "logit", "c2", seed))
    np.testing.assert_allclose(found["y"].sum(1), 1, rtol=1e-5)


def test_a_rule_of_ones_own_takes_the_place_of_the_operators() -> None:
    @vjp("Relu")
    def guided(node: Node, grad: Value) -> Value:
        return node.op("Where", node.output.greater(0), node.op("Relu", grad), 0.0)

    x, seed = pictures(2), seeds(2, 8, 6, 6)
    of_rectified = truth(x, "c2", "r1", seed)
    rectified = np.maximum(of_rectified, 0) * (torch_values(x)["r1"].detach().numpy() > 0)  # type: ignore[attr-defined]
    found = run(backward(network(), of="c2", rules=RULES | Rules((guided,))), x=x, seed=seed)
    close(found["gradient/x"], truth(x, "c1", "x", rectified.astype(np.float32)))


def test_a_value_that_two_ways_lead_to_gets_the_sum_of_both() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["a"]),
        helper.make_node("Add", ["a", "x"], ["b"]),
        helper.make_node("Mul", ["b", "x"], ["y"]),
    ]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "net", value[:1], value[1:]), opset_imports=[helper.make_opsetid("", 18)]
    )
    x = np.array([[1, -2], [3, 0.5]], np.float32)
    found = run(backward(model, of="y"), x=x, seed=np.ones((2, 2), np.float32))
    np.testing.assert_allclose(found["gradient/x"], 3 * x**2 + 2 * x, rtol=1e-6)


def test_the_model_that_was_given_is_not_changed() -> None:
    model = network(batch=1, target=(1, 72))
    before = model.SerializeToString(deterministic=True)
    backward(model, of="logits")
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("imported", ["", "ai.onnx"])
@pytest.mark.parametrize("opset", [13, 18])
def test_the_long_name_of_onnx_own_operators_is_understood(imported: str, opset: int) -> None:
    model = network(opset=opset)
    model.opset_import[0].domain = imported
    for node in model.graph.node[::2]:
        node.domain = "ai.onnx"
    x, seed = pictures(2), seeds(2, 3)
    close(run(backward(model, of="y"), x=x, seed=seed)["gradient/x"], truth(x, "y", "x", seed))


@pytest.mark.parametrize("linear", [False, True])
def test_sparse_weights_count_with_their_zeros(linear: bool) -> None:
    whole = np.array([[0, 2, 0], [3, 0, 0], [0, 0, 0], [0, 0, 5]], np.float32)
    values = numpy_helper.from_array(whole[whole != 0], "w")
    places = np.flatnonzero(whole) if linear else np.argwhere(whole)
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(places, "places"), [4, 3])
    value = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])]
    value.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3]))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "net", value[:1], value[1:])
    graph.sparse_initializer.append(sparse)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    seed = seeds(2, 3)
    found = run(backward(model, of="y"), x=np.ones((2, 4), np.float32), seed=seed)
    np.testing.assert_allclose(found["gradient/x"], seed @ whole.T, rtol=1e-6)
    np.testing.assert_allclose(found["y"], [[3, 2, 5]] * 2)


def counted(first: str, second: str) -> onnx.ModelProto:
    """A product of x and a factor, or of two: max(whole numbers of x, 3), of which there is no rule."""
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT32),
        helper.make_node("ScatterElements", ["whole", "at", "three"], ["most"], axis=1, reduction="max"),
        helper.make_node("Cast", ["most"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [first, second], ["y"]),
    ]
    stored = {"at": np.array([[0, 1]]), "three": np.array([[3, 3]], np.int32)}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_nothing_flows_through_a_cast_to_whole_numbers_so_that_what_follows_needs_no_rule() -> None:
    x, ones = np.array([[2.5, 7.5]], np.float32), np.ones((1, 2), np.float32)
    found = run(backward(counted("x", "factor"), of="y"), x=x, seed=ones)
    assert np.array_equal(found["gradient/x"], [[3, 7]])
    with pytest.raises(GradientError) as caught:
        backward(counted("factor", "factor"), of="y")
    assert caught.value.message == (
        "the model in memory: no gradient flows from 'y' to 'x'; expected a way of differentiable operators "
        "between them"
    )


def test_a_rule_of_ones_own_may_let_a_cast_to_whole_numbers_pass() -> None:
    @vjp("Cast")
    def straight(node: Node, grad: Value) -> Value:
        return grad

    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Cast", ["whole"], ["y"], to=TensorProto.FLOAT),
    ]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "net", value[:1], value[1:]), opset_imports=[helper.make_opsetid("", 18)]
    )
    seed = seeds(3, 2)
    found = run(backward(model, of="y", rules=RULES | Rules((straight,))), x=seed, seed=seed)
    assert np.array_equal(found["gradient/x"], seed)
