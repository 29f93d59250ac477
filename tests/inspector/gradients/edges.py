"""One operator, or a few, differentiated and run; and what its gradient is by others' means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from inspector.gradients import backward

Array = NDArray[Any]
RANDOM = np.random.default_rng(3)


def network(
    nodes: Sequence[NodeProto], inputs: Mapping[str, Array], constants: Mapping[str, Any], opset: int
) -> ModelProto:
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(each.dtype), each.shape)
        for name, each in inputs.items()
    ]
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(list(nodes), "net", infos, [helper.make_empty_tensor_value_info("y")], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run(
    nodes: NodeProto | Sequence[NodeProto],
    inputs: Mapping[str, Array],
    constants: Mapping[str, Any] | None = None,
    opset: int = 18,
) -> Array:
    """What onnxruntime computes `y` to be."""
    listed = [nodes] if isinstance(nodes, NodeProto) else nodes
    return np.asarray(opened(network(listed, inputs, constants or {}, opset)).run(["y"], dict(inputs))[0])


def opened(model: ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def gradients(
    nodes: NodeProto | Sequence[NodeProto],
    inputs: Mapping[str, Array],
    seed: Array | None = None,
    constants: Mapping[str, Any] | None = None,
    opset: int = 18,
) -> tuple[Array, list[Array]]:
    """The seed, drawn where none is given, and the gradient of `y` by every input of floats."""
    listed = [nodes] if isinstance(nodes, NodeProto) else nodes
    wrt = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    session = opened(backward(network(listed, inputs, constants or {}, opset), of="y", wrt=wrt))
    if seed is None:
        y = run(nodes, inputs, constants, opset)
        seed = RANDOM.standard_normal(y.shape).astype(y.dtype)
    feeds = {**inputs, "seed": seed}
    given = {each.name: feeds[each.name] for each in session.get_inputs()}
    return seed, [np.asarray(each) for each in session.run([f"gradient/{name}" for name in wrt], given)]


def by_columns(
    nodes: NodeProto | Sequence[NodeProto],
    x: Array,
    seed: Array,
    constants: Mapping[str, Any] | None = None,
    opset: int = 18,
) -> NDArray[np.float64]:
    """The gradient by `x` of a network that is linear in it: onnxruntime runs every unit vector."""
    listed = [nodes] if isinstance(nodes, NodeProto) else nodes
    session = opened(network(listed, {"x": x}, constants or {}, opset))
    found = np.zeros(x.shape)
    offset = np.asarray(session.run(["y"], {"x": np.zeros_like(x)})[0], np.float64)
    for at in np.ndindex(*x.shape):
        unit = np.zeros_like(x)
        unit[at] = 1
        found[at] = ((np.asarray(session.run(["y"], {"x": unit})[0], np.float64) - offset) * seed).sum()
    return found


def by_autograd(
    function: Callable[..., torch.Tensor], inputs: Mapping[str, Array], seed: Array
) -> list[NDArray[np.float64]]:
    given = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in inputs.values()]
    found = torch.autograd.grad(function(*given), given, torch.tensor(seed, dtype=torch.float64))
    return [each.numpy() for each in found]


def agree(
    nodes: NodeProto | Sequence[NodeProto],
    inputs: Mapping[str, Array],
    function: Callable[..., torch.Tensor],
    constants: Mapping[str, Any] | None = None,
    opset: int = 18,
) -> None:
    seed, found = gradients(nodes, inputs, constants=constants, opset=opset)
    for mine, true in zip(found, by_autograd(function, inputs, seed), strict=True):
        np.testing.assert_allclose(mine, true, rtol=0, atol=1e-5 * max(1, np.abs(true).max()))


def normal(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)
