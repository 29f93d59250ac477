"""Guided backpropagation of rectifiers that are no plain ReLU, against PyTorch with the rule by hand."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from inspector.explain import Heatmaps, Runner, Subject, find
from inspector.model import load
from inspector.predictor import Predictor

PICTURES = np.random.default_rng(0).uniform(0, 1, (2, 3, 12, 12)).astype(np.float32)
NOTE = (
    "the network has no ReLU between the picture and the logits, where alone negative gradients are stopped: "
    "this is its plain gradient"
)


class Guided(torch.autograd.Function):
    """Springenberg's rule for a ReLU that stops at 6."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return grad.clamp(min=0) * (x > 0) * (x < 6)


class GuidedReLU6(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = Guided.apply(x)
        return made


def network(first: nn.Module, second: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), first, nn.Conv2d(8, 8, 3, padding=1), second),
        *(nn.Flatten(), nn.Linear(8 * 144, 3)),
    )
    # Large enough for 6 to be met.
    module[0].weight.data *= 30
    return module.eval()


def guided(module: nn.Module, folder: Path, opset: int = 17) -> tuple[Heatmaps, Heatmaps]:
    """Guided backpropagation and the plain gradient."""
    path = folder / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(2, 3, 12, 12),),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            opset_version=opset,
        )
    subject = Subject(Runner(Predictor(load(path))), PICTURES, (1, 2))
    return find("guided-backpropagation").run(subject, {}), find("gradient").run(subject, {})


@pytest.mark.parametrize("opset", [10, 17])
def test_a_relu_that_stops_at_6_is_guided_as_any(tmp_path: Path, opset: int) -> None:
    found, plain = guided(network(nn.ReLU6(), nn.ReLU6()), tmp_path, opset)
    x = torch.tensor(PICTURES, requires_grad=True)
    twin = network(GuidedReLU6(), GuidedReLU6())
    assert (twin[0](x) > 6).any()
    (gradient,) = torch.autograd.grad(twin(x)[[0, 1], [1, 2]].sum(), x)
    expected = gradient.abs().amax(dim=1).numpy()
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-5 * expected.max())
    assert np.abs(plain.values - expected).max() > 0.1 * expected.max()
    assert found.notes == ()


@pytest.mark.parametrize("kind", [nn.SiLU, nn.Hardtanh, nn.ELU, nn.Sigmoid], ids=lambda kind: kind.__name__)
def test_a_network_without_rectifiers_is_told_that_nothing_was_guided(
    tmp_path: Path, kind: type[nn.Module]
) -> None:
    found, plain = guided(network(kind(), kind()), tmp_path)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-5)
    assert found.notes == (NOTE,)


def test_one_rectifier_is_enough_to_say_nothing(tmp_path: Path) -> None:
    found, plain = guided(network(nn.SiLU(), nn.ReLU()), tmp_path)
    assert np.abs(found.values - plain.values).max() > 0.1 * plain.values.max()
    assert found.notes == ()
