"""Gradients of the project's own networks, against PyTorch in float64 and quotients of differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from torch.nn import functional as F

from converters.conversion import convert
from converters.formats import Request
from inspector.gradients import Gradient

Array = NDArray[Any]
Tensors = Mapping[str, torch.Tensor]
MODELS = Path(__file__).resolve().parents[3] / "models"
LOGITS = "fully_connected_2/BiasAdd:0"


@dataclass(frozen=True)
class Network:
    """An ONNX model, and the same in PyTorch.

    Attributes:
        model: The model.
        logits: Pictures as the model takes them, float64 → their logits.
        pictures: Three of them.
    """

    model: ModelProto
    logits: Callable[[torch.Tensor], torch.Tensor]
    pictures: NDArray[np.float32]


def weights_of(model: ModelProto) -> Tensors:
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {name: torch.from_numpy(array.copy()).double() for name, array in arrays.items()}


def dense(x: torch.Tensor, w: Tensors) -> torch.Tensor:
    """Two layers, of numbers in TensorFlow's order: rows, columns, channels."""
    flat = x.permute(0, 2, 3, 1).flatten(1)
    hidden = F.relu(flat @ w["fully_connected_1/W"] + w["fully_connected_1/b"])
    return hidden @ w["fully_connected_2/W"] + w["fully_connected_2/b"]


def portraits(x: torch.Tensor, w: Tensors) -> torch.Tensor:
    """The notebook's architecture: TensorFlow pads one more behind, and pools with an edge of nothing."""
    for layer in ("conv_1", "conv_2"):
        x = F.conv2d(F.pad(x, (4, 5, 4, 5)), w[f"{layer}/W"], w[f"{layer}/b"])
        x = F.max_pool2d(F.relu(x), 2, ceil_mode=True)
    return dense(x, w)


def digits(x: torch.Tensor, w: Tensors) -> torch.Tensor:
    x = F.relu(F.conv2d(x, w["conv_1/W"], w["conv_1/b"], padding=1))
    x = F.conv2d(x, w["conv_2/W"], padding=1) * w["norm_2/batchnorm/mul"] + w["norm_2/batchnorm/sub"]
    return dense(F.max_pool2d(F.relu(x), 2), w)


def with_a_thousand_neurons(model: ModelProto) -> ModelProto:
    """The portraits' network with as many neurons as the notebook's, and random weights for them."""
    random = np.random.default_rng(0)
    sizes = {
        "fully_connected_1/W": (33856, 1024),
        "fully_connected_1/b": (1024,),
        "fully_connected_2/W": (1024, 2),
    }
    for tensor in model.graph.initializer:
        if tensor.name in sizes:
            array = random.standard_normal(sizes[tensor.name], dtype=np.float32) / 100
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    del model.graph.value_info[:]
    return model


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Network]:
    folder, found = tmp_path_factory.mktemp("networks"), {}
    for name, prefix, rebuilt in (
        ("portraits", "portraits/lars.tflearn", portraits),
        ("digits", "digits/digits.tflearn", digits),
        ("notebook", "portraits/lars.tflearn", portraits),
    ):
        path = folder / f"{name}.onnx"
        convert(MODELS / prefix, path, request=Request(verify=False))
        model = onnx.load(path)
        if name == "notebook":
            model = with_a_thousand_neurons(model)
        found[name] = network(model, rebuilt)
    return found


def network(model: ModelProto, rebuilt: Callable[[torch.Tensor, Tensors], torch.Tensor]) -> Network:
    weights = weights_of(model)
    sides = [each.dim_value for each in model.graph.input[0].type.tensor_type.shape.dim][1:]
    height, width = sides[:2]

    def logits(pictures: torch.Tensor) -> torch.Tensor:
        return rebuilt(pictures.reshape(len(pictures), 1, height, width), weights)

    return Network(model, logits, np.random.default_rng(1).random((3, *sides), dtype=np.float32))


@pytest.mark.parametrize("name", ["portraits", "digits", "notebook"])
def test_the_gradient_of_a_network_is_that_of_pytorch(networks: dict[str, Network], name: str) -> None:
    network = networks[name]
    gradient = Gradient(network.model, "logits")
    seed = np.random.default_rng(2).standard_normal(gradient.seed_shape(3)).astype(np.float32)
    found = gradient.run({gradient.wrt: network.pictures}, seed)
    x = torch.tensor(network.pictures, dtype=torch.float64, requires_grad=True)
    value = network.logits(x)
    np.testing.assert_allclose(found["logits"], value.detach().numpy(), rtol=1e-4, atol=1e-4)
    wanted = torch.autograd.grad((value * torch.tensor(seed)).sum(), x)[0].numpy()
    assert gradient.target == LOGITS
    assert found["gradient"].shape == network.pictures.shape
    np.testing.assert_allclose(found["gradient"], wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["portraits", "digits", "notebook"])
def test_the_gradient_of_a_network_tells_how_its_logits_change(
    networks: dict[str, Network], name: str
) -> None:
    network = networks[name]
    gradient = Gradient(network.model, "logits")
    seed = np.zeros(gradient.seed_shape(3), np.float32)
    seed[:, 1] = 1
    found = gradient.run({gradient.wrt: network.pictures}, seed)["gradient"].astype(np.float64)
    x, random = torch.tensor(network.pictures, dtype=torch.float64), np.random.default_rng(3)
    for _ in range(4):
        direction = random.standard_normal(network.pictures.shape)
        step = torch.tensor(1e-7 * direction)
        with torch.no_grad():
            change = network.logits(x + step)[:, 1] - network.logits(x - step)[:, 1]
        slopes = change.numpy() / 2e-7
        products = (found * direction).reshape(3, -1).sum(axis=1)
        scale = np.linalg.norm(found.reshape(3, -1), axis=1)
        np.testing.assert_allclose(products, slopes, rtol=0, atol=1e-4 * scale.max())
