"""Three networks that PyTorch has too, as ONNX files with the same weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torchvision_alone
from peers import NETWORKS

from inspector.explain import Runner, Subject
from inspector.model import load
from inspector.predictor import Predictor


@dataclass(frozen=True)
class Twin:
    """A network in PyTorch and the same in ONNX.

    Attributes:
        module: The PyTorch module, in evaluation mode; it ends with logits.
        layer: Its submodule whose maps class activation maps are made of.
        subject: Two pictures for the ONNX model, with their targets.
    """

    module: Any
    layer: Any
    subject: Subject

    @property
    def x(self) -> Any:
        """The pictures as a tensor."""
        import torch

        return torch.tensor(self.subject.inputs)


def modules() -> dict[str, tuple[Any, str]]:
    """Name → a module, and the name of the submodule that ends with the last convolution's ReLU."""
    from torch import nn

    class Sum(nn.Module):
        """A sum as a module, which alone can be given a rule of relevance."""

        def forward(self, x: Any, y: Any) -> Any:
            return x + y

    class Residual(nn.Module):
        def __init__(self, pool: Any) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
            self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
            self.sum = Sum()
            self.last = nn.ReLU()
            self.dense = nn.Linear(8 * 6 * 6, 4)
            self.pool = pool(3, 3)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.first(x))
            return self.dense(self.last(self.sum(x, self.second(x))).flatten(1))

    def notebook(pool: Any) -> Any:
        return nn.Sequential(
            *(nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(), pool(2)),
            *(nn.Conv2d(6, 8, 5, padding=2), nn.ReLU(), pool(3)),
            *(nn.Flatten(), nn.Linear(8 * 3 * 3, 10), nn.ReLU(), nn.Linear(10, 4)),
        )

    def pooled() -> Any:
        return nn.Sequential(
            *(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 9, 3), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(9, 4)),
        )

    return {
        "notebook": (notebook(nn.MaxPool2d), "4"),
        "residual": (Residual(nn.MaxPool2d), "last"),
        "pooled": (pooled(), "3"),
        "notebook-average": (notebook(nn.AvgPool2d), "4"),
        "residual-average": (Residual(nn.AvgPool2d), "last"),
        "notebook-unbiased": (notebook(nn.MaxPool2d), "4"),
        "residual-unbiased": (Residual(nn.MaxPool2d), "last"),
        "pooled-unbiased": (pooled(), "3"),
    }


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Every network of `NETWORKS`, and those of them with other pooling or without biases."""
    import torch

    torchvision_alone.importable()
    folder, found = tmp_path_factory.mktemp("twins"), {}
    torch.manual_seed(9)
    for name, (module, layer) in modules().items():
        with torch.no_grad():
            for part in module.modules():
                if isinstance(part, torch.nn.BatchNorm2d):
                    part.running_mean.normal_(0, 0.3)
                    part.running_var.uniform_(0.5, 2)
            # Logits of a trained network's size: others put small numbers beside them, for finite quotients.
            last = [part for part in module.modules() if isinstance(part, torch.nn.Linear)][-1]
            last.weight *= 100
            if name.endswith("-unbiased"):
                without_biases(module)
        module.eval()
        path = folder / f"{name}.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (torch.zeros(1, 3, 18, 18),),
                str(path),
                dynamo=False,
                input_names=["x"],
                output_names=["y"],
                dynamic_axes={"x": {0: "N"}, "y": {0: "N"}},
            )
        pictures = np.random.default_rng(3).uniform(0, 1, (2, 3, 18, 18)).astype(np.float32)
        runner = Runner(Predictor(load(path)))
        value = last_relu(runner)
        found[name] = Twin(module, module.get_submodule(layer), Subject(runner, pictures, (1, 3), value))
    return found


def without_biases(module: Any) -> None:
    """Leave nothing that a layer adds, whatever comes in."""
    for part in module.modules():
        for name in ("bias", "running_mean"):
            if getattr(part, name, None) is not None:
                getattr(part, name).zero_()


def last_relu(runner: Runner) -> str:
    """The value that the last ReLU with maps makes."""
    nodes = [node for node in runner.model.graph.nodes if node.op_type == "Relu"]
    from inspector.axes import axes_of

    for node in reversed(nodes):
        makers = runner.model.graph.producers
        source = makers.get(node.inputs[0])
        if (
            source is not None
            and source.op_type != "Gemm"
            and axes_of(runner.model.graph, node.outputs[0], 4)
        ):
            return node.outputs[0]
    raise AssertionError("no ReLU has maps")


@pytest.fixture(params=NETWORKS)
def twin(request: pytest.FixtureRequest, twins: dict[str, Twin]) -> Twin:
    """One network after the other."""
    return twins[request.param]
