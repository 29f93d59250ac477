"""One way of computing a network's gradient, for `sides`: `gradient_sides.py WAY GRADIENT.onnx BATCH`.

All of them start from the gradient graph, which holds the forward graph.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto
from sides import serve

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path += [str(TESTS / "inspector" / "gradients"), str(TESTS / "support")]

Array = NDArray[np.float32]
Work = Callable[[], object]


@dataclass(frozen=True)
class Network:
    """A network with its gradient.

    Attributes:
        gradient: The gradient of its logits by its input.
    """

    gradient: ModelProto

    @cached_property
    def forward(self) -> ModelProto:
        """The graph without the gradient."""
        alone = ModelProto()
        alone.CopyFrom(self.gradient)
        del alone.graph.output[1:], alone.graph.input[1:]
        needed, kept = {alone.graph.output[0].name}, []
        for node in reversed(alone.graph.node):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
                # The places of a MaxPool's maxima are for the backward pass alone, and take time.
                while node.output[-1] not in needed:
                    node.output.pop()
        del alone.graph.node[:]
        alone.graph.node.extend(kept[::-1])
        weights = [tensor for tensor in alone.graph.initializer if tensor.name in needed]
        del alone.graph.initializer[:]
        alone.graph.initializer.extend(weights)
        return alone

    def feeds(self, batch: int) -> dict[str, Array]:
        """A random picture for each sample."""
        info = self.forward.graph.input[0]
        shape = [each.dim_value for each in info.type.tensor_type.shape.dim][1:]
        random = np.random.default_rng(0)
        return {info.name: random.standard_normal((batch, *shape)).astype(np.float32)}

    def seed(self, batch: int) -> Array:
        """The last class of each sample."""
        info = next(each for each in self.gradient.graph.input if each.name == "seed")
        shape = [each.dim_value for each in info.type.tensor_type.shape.dim][1:]
        seed = np.zeros((batch, *shape), np.float32)
        seed.reshape(batch, -1)[:, -1] = 1
        return seed


def session(model: ModelProto) -> onnxruntime.InferenceSession:
    """Open a model with onnxruntime's own settings."""
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def forward(network: Network, batch: int) -> Work:
    """The network alone."""
    return _runner(network.forward, network.feeds(batch))


def both(network: Network, batch: int) -> Work:
    """The gradient graph, which gives the logits too."""
    return _runner(network.gradient, {**network.feeds(batch), "seed": network.seed(batch)})


def autograd(network: Network, batch: int) -> Work:
    """The same network in PyTorch, by its input alone, as the graph is."""
    import torch
    from rebuilt import rebuilt

    module = rebuilt(network.forward)
    (picture,) = network.feeds(batch).values()
    x, weights = torch.from_numpy(picture), torch.from_numpy(network.seed(batch))

    def work() -> object:
        given = x.detach().requires_grad_(True)
        return torch.autograd.grad(module(given), given, weights)[0]

    return work


def onnx_ad(network: Network, batch: int) -> Work:
    """The same by onnx-ad, which wants a fixed batch."""
    import onnx_ad as library  # type: ignore[import-untyped]

    model = ModelProto()
    model.CopyFrom(network.forward)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = batch
    try:
        made = library.reverse(model, layout="onnx")
        seed = made.graph.input[-1].name
        work = _runner(made, {**network.feeds(batch), seed: network.seed(batch)[..., None]})
        work()
    except Exception as error:  # noqa: BLE001  (it is an alpha library, and says no in many ways)
        sys.exit(f"onnx-ad cannot do it at batch {batch}: {str(error)[:100]}")
    return work


WAYS: dict[str, Callable[[Network, int], Work]] = {
    way.__name__: way for way in (forward, both, autograd, onnx_ad)
}


def _runner(model: ModelProto, feeds: Mapping[str, Array]) -> Work:
    ready = session(model)
    return lambda: ready.run(None, feeds)


if __name__ == "__main__":
    way, file, size = sys.argv[1:]
    serve(WAYS[way](Network(onnx.load(file)), int(size)))
