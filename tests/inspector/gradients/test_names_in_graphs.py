"""Names that the model and the backward pass would both use, and outputs that have none."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from inspector.gradients import Gradient, backward

LAYERS = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "RNN": torch.nn.RNN}
# Of inputs and outputs, as people give them, and as the steps of a scan are written.
NAMES = (("x", "h", "c", "out"), ("dh", "dc", "c", "da"), ("z", "sum", "y", "next"))


class Recurrent(torch.nn.Module):
    """A recurrent layer that is given its first state."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = LAYERS[kind](3, 4)

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> torch.Tensor:
        return self.layer(x, state if len(state) > 1 else state[0])[0] * 2  # type: ignore[no-any-return]


class LastState(torch.nn.Module):
    """An LSTM of which the state at the end alone is used."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.LSTM(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[1][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    "names", [("x", "h", "c", "out"), ("dh", "dc", "c", "da"), ("z", "sum", "y", "next")]
)
def test_the_steps_of_a_scan_have_names_of_their_own(kind: str, names: tuple[str, ...]) -> None:
    *inputs, output = names
    inputs = inputs if kind == "LSTM" else inputs[:2]
    network, buffer = Recurrent(kind), io.BytesIO()
    x = torch.randn(5, 2, 3, requires_grad=True)
    given = (x, *(torch.randn(1, 2, 4) for _ in inputs[1:]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, given, buffer, dynamo=False, opset_version=17, input_names=inputs, output_names=[output]
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(backward(model, of=output), full_check=True)
    seed = torch.randn(5, 2, 4)
    feeds = {name: each.detach().numpy() for name, each in zip(inputs, given, strict=True)}
    found = Gradient(model, of=output).run(feeds, seed.numpy())["gradient"]
    (wanted,) = torch.autograd.grad(network(*given), x, seed)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-6)


def test_a_node_whose_name_has_spaces_may_hold_a_scan() -> None:
    network, buffer = LastState(), io.BytesIO()
    x = torch.randn(5, 2, 3, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (x,), buffer, dynamo=False, opset_version=17, output_names=["y"])
    model = onnx.load_from_string(buffer.getvalue())
    for at, node in enumerate(model.graph.node):
        node.name = f"my {node.op_type} = node {at}"
    gradient = Gradient(model, of="y")
    found = gradient.run({gradient.wrt: x.detach().numpy()}, np.ones((1, 2, 4), np.float32))["gradient"]
    (wanted,) = torch.autograd.grad(network(x).sum(), x)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-6)


def test_the_seed_has_a_name_that_no_inner_graph_uses() -> None:
    value = helper.make_tensor_value_info
    branches = [
        helper.make_graph(
            [helper.make_node(op_type, ["x"], ["seed"]), helper.make_node("Identity", ["seed"], [name])],
            op_type,
            [],
            [value(name, TensorProto.FLOAT, None)],
        )
        for op_type, name in (("Neg", "negative"), ("Abs", "positive"))
    ]
    nodes = [
        helper.make_node("If", ["flag"], ["chosen"], then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("Mul", ["chosen", "chosen"], ["y"]),
    ]
    inputs = [value("x", TensorProto.FLOAT, [2]), value("flag", TensorProto.BOOL, [])]
    graph = helper.make_graph(nodes, "net", inputs, [value("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    written = backward(model, of="y", wrt="chosen")
    assert [info.name for info in written.graph.input] == ["x", "flag", "seed_2"]
    onnx.checker.check_model(written, full_check=True)


@pytest.mark.parametrize("opset", [18, 23])
def test_an_lstm_of_which_only_the_last_state_is_used_has_its_gradient(opset: int) -> None:
    network = LastState().eval()
    x = torch.randn(5, 2, 3, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.onnx.export(network, (x,), dynamo=True, opset_version=opset, verbose=False).model_proto
    (lstm,) = model.graph.node
    lstm.name = "recurrent"
    lstm.output[0] = ""
    gradient = Gradient(model, of="recurrent")
    assert gradient.target == lstm.output[1]
    seed = torch.randn(1, 2, 4)
    found = gradient.run({gradient.wrt: x.detach().numpy()}, seed.numpy())["gradient"]
    (wanted,) = torch.autograd.grad(network(x), x, seed)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_part_of_a_split_that_has_no_name_has_no_gradient(kept: int) -> None:
    value = helper.make_tensor_value_info
    names = ["y" if at == kept else "" for at in range(2)]
    node = helper.make_node("Split", ["x"], names, axis=1, num_outputs=2)
    graph = helper.make_graph(
        [node], "net", [value("x", TensorProto.FLOAT, ["N", 5])], [value("y", TensorProto.FLOAT, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    gradient = Gradient(model, of="y")
    seed = np.random.default_rng(0).standard_normal(gradient.seed_shape(2)).astype(np.float32)
    wanted = np.zeros((2, 5), np.float32)
    wanted[:, 3 * kept : 3 + 2 * kept] = seed
    found = gradient.run({"x": np.ones((2, 5), np.float32)}, seed)["gradient"]
    assert np.array_equal(found, wanted)
