"""A declared batch stays where the network picks samples by their places, and is freed where it does not."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inspector.gradients import Gradient

Array = NDArray[np.generic]


def network(*nodes: NodeProto, shape: tuple[int | str, ...], **constants: Array) -> ModelProto:
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "net", [x], [helper.make_empty_tensor_value_info("y")], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def node(op_type: str, *inputs: str, **attributes: object) -> NodeProto:
    return helper.make_node(op_type, ["x", *inputs], ["y"], **attributes)


class Pooled(torch.nn.Module):
    """CLIP's: of each sentence, the place whose numbers are greatest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[torch.arange(x.shape[0]), x.sum(2).argmax(1)] * 2


@pytest.mark.parametrize("batch", [1, 2])
def test_places_that_were_counted_up_when_the_model_was_exported_keep_its_batch(batch: int) -> None:
    buffer = io.BytesIO()
    x = torch.randn(batch, 4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Pooled(), (x,), buffer, dynamo=False, opset_version=17, output_names=["y"])
    gradient = Gradient(onnx.load_from_string(buffer.getvalue()), of="y")
    assert gradient.batch == batch
    (wanted,) = torch.autograd.grad(Pooled()(x).sum(), x)
    found = gradient.run({gradient.wrt: x.detach().numpy()}, np.ones((batch, 3), np.float32))["gradient"]
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-6)


PICKED = {
    "Slice of the first": network(node("Slice", "a", "b"), shape=(1, 3), a=np.array([0]), b=np.array([1])),
    "Slice of the last": network(
        node("Slice", "a", "b"), shape=(1, 3), a=np.array([-1]), b=np.array([2**31 - 1])
    ),
    "Slice of all but the first": network(
        node("Slice", "a", "b", "axes"),
        shape=(2, 3),
        a=np.array([0, 1]),
        b=np.array([3, 2**31 - 1]),
        axes=np.array([1, -2]),
    ),
    "Gather": network(node("Gather", "at"), shape=(1, 3), at=np.array([0])),
    "GatherND": network(node("GatherND", "at"), shape=(2, 3), at=np.array([[0, 1], [1, 2]])),
    "GatherND of shared axes": network(
        node("GatherND", "at", batch_dims=1), shape=(1, 3), at=np.array([[1]])
    ),
    "GatherElements": network(node("GatherElements", "at", axis=1), shape=(2, 3), at=np.array([[0], [2]])),
    "ScatterElements": network(
        node("ScatterElements", "at", "part", axis=-1),
        shape=(2, 3),
        at=np.array([[0], [2]]),
        part=np.zeros((2, 1), np.float32),
    ),
    "ScatterND": network(
        node("ScatterND", "at", "part"), shape=(2, 3), at=np.array([[1]]), part=np.zeros((1, 3), np.float32)
    ),
    "ScatterElements into zeros": network(
        helper.make_node("ScatterElements", ["zeros", "at", "x"], ["y"], axis=1),
        shape=(2, 2),
        zeros=np.zeros((2, 4), np.float32),
        at=np.array([[0, 1], [2, 3]]),
    ),
    "ScatterND into zeros": network(
        helper.make_node("ScatterND", ["zeros", "at", "x"], ["y"]),
        shape=(2, 3),
        zeros=np.zeros((2, 3), np.float32),
        at=np.array([[1], [0]]),
    ),
    "a sum of all samples": network(node("ReduceSum", "axes"), shape=(1, 3), axes=np.array([0])),
}
# Each with the gradient of the sum of what it gives for one sample: how often each number is picked.
WHOLE = {
    "Slice to the greatest int32": (
        network(node("Slice", "a", "b"), shape=(1, 3), a=np.array([0]), b=np.array([2**31 - 1])),
        (1, 1, 1),
    ),
    "Slice": (
        network(node("Slice", "a", "b"), shape=(1, 3), a=np.array([0, 1]), b=np.array([2**63 - 1, 3])),
        (0, 1, 1),
    ),
    "Slice, backwards": (
        network(
            node("Slice", "a", "b", "axes", "steps"),
            shape=(1, 3),
            a=np.array([-1]),
            b=np.array([-(2**31)]),
            axes=np.array([1]),
            steps=np.array([-1]),
        ),
        (1, 1, 1),
    ),
    "Gather": (network(node("Gather", "at", axis=1), shape=(1, 3), at=np.array([2, 0, 2])), (1, 0, 2)),
    "a sum of each sample": (
        network(node("ReduceSum", "axes"), shape=(1, 3), axes=np.array([1])),
        (1, 1, 1),
    ),
    "a total": (network(node("ReduceSum", keepdims=0), shape=(1, 3)), (1, 1, 1)),
}


@pytest.mark.parametrize("model", PICKED.values(), ids=PICKED.keys())
def test_a_network_that_picks_samples_by_their_places_keeps_the_declared_batch(model: ModelProto) -> None:
    declared = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    assert Gradient(model, of="y").batch == declared


@pytest.mark.parametrize("model, picked", WHOLE.values(), ids=WHOLE.keys())
def test_a_network_that_treats_every_sample_alike_takes_any_batch(
    model: ModelProto, picked: tuple[int, ...]
) -> None:
    gradient = Gradient(model, of="y")
    assert gradient.batch is None
    seed = np.ones(gradient.seed_shape(3), np.float32)
    found = gradient.run({"x": np.ones((3, 3), np.float32)}, seed)["gradient"]
    assert np.array_equal(found, [picked] * 3)
