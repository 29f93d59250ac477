"""Gradients of the project's own networks, against PyTorch in float64 and quotients of differences."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
import torch
from check_network import checked
from graphs import ending_at
from kinks import sides, straightened, watched
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from rebuilt import rebuilt
from torch.nn import functional as F
from truths import REBUILT

from converters.conversion import convert
from converters.formats import Request
from inspector.gradients import Gradient

Tensors = Mapping[str, torch.Tensor]
MODELS = Path(__file__).resolve().parents[3] / "models"
LOGITS = "fully_connected_2/BiasAdd:0"
PROBABILITIES = "fully_connected_2/Softmax:0"


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


REBUILT_BY_HAND = {"digits": digits, "faces": portraits, "notebook": portraits, "portraits": portraits}
LAYERS = ("conv_1", "conv_2", "fully_connected_1", "fully_connected_2")
KERNELS = [(32, 1, 10, 10), (64, 32, 10, 10)]
SIZES = {
    "digits": [(16, 1, 3, 3), (32, 16, 3, 3), (4 * 4 * 32, 64), (64, 10)],
    "faces": [*KERNELS, (23 * 23 * 64, 32), (32, 2)],
    "notebook": [*KERNELS, (23 * 23 * 64, 1024), (1024, 2)],
    "portraits": [*KERNELS, (23 * 23 * 64, 32), (32, 2)],
}
NETWORKS = sorted({"notebook", *(path.parent.name for path in MODELS.glob("*/*.meta"))})


@pytest.fixture(scope="module", params=NETWORKS)
def named(request: pytest.FixtureRequest) -> Iterator[tuple[str, Network]]:
    """A network with its name: one of `models`, or the notebook's with its 1024 neurons."""
    name: str = request.param
    # The notebook's takes 280 MB.
    with TemporaryDirectory() as folder:
        source = notebook(Path(folder)) if name == "notebook" else prefix_of(name)
        convert(source, Path(folder) / "net.onnx", request=Request(verify=False))
        model = onnx.load(Path(folder) / "net.onnx")
    yield name, network(model, REBUILT_BY_HAND[name])


def prefix_of(name: str) -> Path:
    (meta,) = (MODELS / name).glob("*.meta")
    return meta.with_suffix("")


def notebook(folder: Path) -> Path:
    """The notebook's own network, built and saved as the notebook did it, in a process of its own."""
    prefix = folder / "notebook.tflearn"
    code = "import sys, notebook_network; notebook_network.write_checkpoint(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": str(MODELS.parent / "benchmarks"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, prefix], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return prefix


def network(model: ModelProto, by_hand: Callable[[torch.Tensor, Tensors], torch.Tensor]) -> Network:
    weights = weights_of(model)
    shape = [each.dim_value for each in model.graph.input[0].type.tensor_type.shape.dim][1:]
    height, width = shape[:2]

    def logits(pictures: torch.Tensor) -> torch.Tensor:
        return by_hand(pictures.reshape(len(pictures), 1, height, width), weights)

    return Network(model, logits, np.random.default_rng(1).random((3, *shape), dtype=np.float32))


def test_every_network_is_as_large_as_its_author_made_it(named: tuple[str, Network]) -> None:
    name, network = named
    weights = weights_of(network.model)
    assert [tuple(weights[f"{layer}/W"].shape) for layer in LAYERS] == SIZES[name]


def test_a_network_rebuilt_node_by_node_computes_what_the_one_written_by_hand_does(
    named: tuple[str, Network],
) -> None:
    network = named[1]
    feeds = {network.model.graph.input[0].name: network.pictures}
    found = REBUILT.values(network.model, feeds, [LOGITS])[LOGITS]
    wanted = network.logits(torch.tensor(network.pictures, dtype=torch.float64)).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("of", ["logits", PROBABILITIES])
def test_the_gradient_of_a_network_is_that_of_pytorch(named: tuple[str, Network], of: str) -> None:
    found = checked(named[1].model, of, samples=2, between=(0, 1))
    assert found.of == (LOGITS if of == "logits" else of)
    assert found.truth == REBUILT.name
    assert found.right, found


def test_the_gradient_of_a_network_tells_how_its_logits_change(named: tuple[str, Network]) -> None:
    """By differences in float64, on the side of each kink that float32 took."""
    network = named[1]
    upto = ending_at(network.model, LOGITS)
    gradient = Gradient(network.model, "logits", outputs=watched(upto))
    seed = np.zeros(gradient.seed_shape(3), np.float32)
    seed[:, 1] = 1
    run = gradient.run({gradient.wrt: network.pictures}, seed)
    found = run["gradient"].astype(np.float64)
    assert found.shape == network.pictures.shape
    straight = rebuilt(straightened(upto, sides(upto, run)), double=True)
    x, random = torch.tensor(network.pictures, dtype=torch.float64), np.random.default_rng(3)
    for _ in range(4):
        direction = random.standard_normal(network.pictures.shape)
        step = torch.tensor(1e-3 * direction)
        with torch.no_grad():
            change = straight(x + step)[:, 1] - straight(x - step)[:, 1]
        slopes = change.numpy() / 2e-3
        products = (found * direction).reshape(3, -1).sum(axis=1)
        scale = np.linalg.norm(found.reshape(3, -1), axis=1)
        np.testing.assert_allclose(products, slopes, rtol=0, atol=1e-5 * scale.max())
