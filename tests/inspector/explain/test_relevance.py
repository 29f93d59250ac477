"""Relevance propagation behind products, normalizations and gates, against PyTorch with the gates held fixed.

Where nothing is added, LRP with the ε rule is the input times the gradient of the network in which every
gate, slope and denominator is a constant: relevance is what the pixels then add to the logit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from inspector.explain import Heatmaps, Runner, Subject, find
from inspector.explain.relevance import roles_of
from inspector.model import load
from inspector.predictor import Predictor

PICTURES = np.random.default_rng(0).uniform(0.2, 1, (2, 3, 12, 12)).astype(np.float32)
Held = Callable[[torch.Tensor], torch.Tensor]


def conv(given: int, made: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(given, made, size, padding=size // 2, bias=False)


def free(x: torch.Tensor) -> torch.Tensor:
    return x


class Network(nn.Module):
    """A convolution, what a test is about, and a dense layer; all without biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.dense = conv(3, 6), nn.Linear(6 * 144, 3, bias=False)
        self.held: Held = free

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 100 * self.dense(self.middle(self.first(x)).flatten(1))

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Silu(Network):
    def __init__(self, depth: int = 1) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(6, 6) for _ in range(depth - 1))
        for each in self.convs:
            each.weight.data *= 3

    def silu(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.held(torch.sigmoid(x))

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        x = self.silu(x)
        for each in self.convs:
            x = self.silu(each(x))
        return x


class Gelu(Network):
    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.held(0.5 * (1 + torch.erf(x / 2**0.5)))


class HardSwish(Network):
    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.held(torch.clamp(x + 3, 0, 6)) / 6


class SqueezeAndExcite(Network):
    def __init__(self) -> None:
        super().__init__()
        self.gate = conv(6, 6, 1)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return self.held(torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))) * x


class BroadcastFactor(Network):
    """A gate that no function of its own gives away, but its being of one position."""

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.held(x.mean((2, 3), keepdim=True))


class Lstm(Network):
    """The sigmoid is the gate of the hyperbolic tangent, which has bounds as well."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = conv(6, 6)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        made = torch.tanh(x)
        slope = (made / x).detach()
        made = made if self.held is free else x * slope
        return made * self.held(torch.sigmoid(self.gate(x)))


class Divided(Network):
    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return x / self.held(1 + x * x)


class Half(Network):
    """A factor like the other: both are given half."""

    def __init__(self) -> None:
        super().__init__()
        self.other = conv(6, 6)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        y = self.other(x)
        return x * y if self.held is free else (x * y.detach() + x.detach() * y) / 2


class Attention(Network):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(6, 6, bias=False) for _ in range(3))

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part(x.flatten(2).transpose(1, 2)) for part in self.parts)
        weights = self.held(torch.softmax(q @ k.transpose(1, 2), dim=-1))
        return (weights @ v).transpose(1, 2)


class Correlation(Network):
    """A product of two computed matrices of which neither is a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(36, 3, bias=False)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(2)
        y = (2 * x).transpose(1, 2)
        return x @ y if self.held is free else (x @ y.detach() + x.detach() @ y) / 2


def exported(module: nn.Module, folder: Path, *, folded: bool = True) -> Subject:
    """The module as an ONNX model, with two pictures."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{type(module).__name__}-{folded}.onnx"
    mode = torch.onnx.TrainingMode
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros(1, 3, 12, 12),),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "N"}, "y": {0: "N"}},
            do_constant_folding=folded,
            training=mode.EVAL if folded else mode.PRESERVE,
            opset_version=13,
        )
    return Subject(Runner(Predictor(load(path))), PICTURES, (1, 2))


def relevance(subject: Subject, **options: Any) -> Heatmaps:
    return find("lrp").run(subject, options)


def operators(subject: Subject) -> list[str]:
    return [node.op_type for node in subject.model.graph.nodes]


GATED = [
    *(Silu, Gelu, HardSwish, SqueezeAndExcite, BroadcastFactor, Lstm, Divided, Half, Attention, Correlation),
]


@pytest.mark.parametrize("kind", GATED, ids=lambda kind: kind.__name__)
def test_relevance_is_what_pixels_add_when_gates_are_held_fixed(tmp_path: Path, kind: type[Network]) -> None:
    torch.manual_seed(0)
    module = kind()
    subject = exported(module, tmp_path)
    found = relevance(subject, rule="epsilon", epsilon=1e-9)
    module.double().held = torch.Tensor.detach
    x = torch.tensor(PICTURES, dtype=torch.float64, requires_grad=True)
    logits = module(x)[[0, 1], [1, 2]]
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    expected = (x * gradient).sum(dim=1).detach().numpy()
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=2e-3 * np.abs(expected).max())
    ratio = found.values.sum(axis=(1, 2)) / logits.detach().numpy()
    np.testing.assert_allclose(ratio, 1, rtol=0, atol=2e-3)
    assert (found.figures["conservation error"] < 2e-3).all()


@pytest.mark.parametrize(
    ("rule", "depth"), [("epsilon", 1), ("epsilon", 3), ("epsilon", 6), ("gamma", 3), ("composite", 3)]
)
def test_no_depth_of_silus_multiplies_relevance(tmp_path: Path, rule: str, depth: int) -> None:
    torch.manual_seed(0)
    subject = exported(Silu(depth), tmp_path)
    assert operators(subject).count("Mul") == depth + 1
    found = relevance(subject, rule=rule)
    logits = subject.scores(subject.inputs, subject.targets)
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)) / logits, 1, rtol=0, atol=0.02)


def test_what_biases_take_is_told_by_the_figure(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 144, 3))
    subject = exported(module, tmp_path)
    found = relevance(subject)
    logits = subject.scores(subject.inputs, subject.targets).astype(np.float64)
    missed = np.abs(found.values.sum(axis=(1, 2), dtype=np.float64) / logits - 1)
    assert (missed > 0.01).all()
    np.testing.assert_allclose(found.figures["conservation error"], missed, rtol=1e-3)


class Scaled(nn.Module):
    """Constants for each channel, written out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(channels, 1, 1) * 3 - 1)
        self.shift = nn.Parameter(torch.rand(channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.scale + self.shift) / 0.5 - 0.1


def normalized(kind: Callable[[int], nn.Module], layer: Callable[[int, int], nn.Module]) -> nn.Sequential:
    parts: list[nn.Module] = []
    for given in (3, 6, 6):
        parts += [layer(given, 6), kind(6), nn.ReLU()]
    module = nn.Sequential(*parts, nn.Flatten(), nn.Linear(6 * 144, 3))
    # Relevance as large as a trained network's: what keeps quotients finite takes little of it.
    module[-1].weight.data *= 100
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.5)
            part.running_var.uniform_(0.2, 2)
            part.weight.data.uniform_(-1, 2)
            part.bias.data.normal_(0, 0.5)
    return module.eval()


def folded(module: nn.Sequential) -> nn.Sequential:
    """The same with every normalization put into the layer before it, by what that makes of basis vectors."""
    parts: list[nn.Module] = []
    for part in module:
        if not isinstance(part, (nn.BatchNorm2d, Scaled)):
            parts.append(part)
            continue
        layer = parts.pop()
        assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        shift = part(torch.zeros(1, 6, 1, 1)).reshape(-1)
        scale = part(torch.ones(1, 6, 1, 1)).reshape(-1) - shift
        made = type(layer)(
            *(layer.in_channels, 6, layer.kernel_size), padding=layer.padding, groups=layer.groups
        )
        weight = layer.weight.detach().clone()
        if isinstance(layer, nn.Conv2d):
            weight *= scale.reshape(-1, 1, 1, 1)
        else:
            per, rows = 6 // layer.groups, layer.in_channels // layer.groups
            for channel in range(6):
                group = channel // per
                weight[group * rows : (group + 1) * rows, channel % per] *= scale[channel]
        made.weight.data = weight
        old = torch.zeros(6) if layer.bias is None else layer.bias.detach()
        made.bias.data = old * scale + shift
        parts.append(made)
    return nn.Sequential(*parts).eval()


LAYERS: dict[str, Callable[[int, int], nn.Module]] = {
    "without biases": conv,
    "with biases": lambda given, made: nn.Conv2d(given, made, 3, padding=1),
    "in groups": lambda given, made: nn.Conv2d(given, made, 3, padding=1, groups=3),
    "transposed": lambda given, made: nn.ConvTranspose2d(given, made, 3, padding=1),
    "transposed in groups": lambda given, made: nn.ConvTranspose2d(given, made, 3, padding=1, groups=3),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", [nn.BatchNorm2d, Scaled], ids=["normalized", "constants"])
def test_a_folded_network_has_the_map_of_the_unfolded_one(
    tmp_path: Path, layer: str, kind: Callable[[int], nn.Module]
) -> None:
    torch.manual_seed(1)
    module = normalized(kind, LAYERS[layer])
    one = exported(module, tmp_path, folded=False)
    other = exported(folded(module), tmp_path)
    assert len(operators(one)) > len(operators(other))
    assert not {"BatchNormalization", "Mul"} & set(operators(other))
    np.testing.assert_allclose(one.logits(PICTURES), other.logits(PICTURES), atol=1e-3)
    for rule in ("epsilon", "composite", "gamma"):
        # An ε above the noise of float32 in sums near zero, which the two networks do not share.
        mine, theirs = (relevance(each, rule=rule, epsilon=1e-3).values for each in (one, other))
        assert np.abs(theirs).max() > 1e-3
        assert np.abs(mine - theirs).max() < 1e-4 * np.abs(theirs).max(), rule


DENSE = {"Gemm": nn.Linear(432, 6), "MatMul": nn.Linear(432, 6, bias=False)}


@pytest.mark.parametrize("written", DENSE)
def test_a_normalization_behind_a_dense_layer_is_folded_as_well(tmp_path: Path, written: str) -> None:
    torch.manual_seed(1)
    norm = nn.BatchNorm1d(6)
    norm.running_mean.normal_(0, 0.5)
    norm.running_var.uniform_(0.2, 2)
    norm.weight.data.uniform_(-1, 2)
    last = nn.Linear(6, 3)
    last.weight.data *= 100
    plain = DENSE[written]
    front = conv(3, 3), nn.ReLU(), nn.Flatten()
    one = exported(nn.Sequential(*front, plain, norm, nn.ReLU(), last), tmp_path / "one", folded=False)
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    dense = nn.Linear(432, 6)
    dense.weight.data = plain.weight.detach() * scale[:, None]
    old = torch.zeros(6) if plain.bias is None else plain.bias.detach()
    dense.bias.data = (old - norm.running_mean) * scale + norm.bias.detach()
    other = exported(nn.Sequential(*front, dense, nn.ReLU(), last), tmp_path / "other")
    assert {written, "BatchNormalization"} <= set(operators(one))
    assert "BatchNormalization" not in operators(other)
    for rule in ("epsilon", "composite", "gamma"):
        mine, theirs = (relevance(each, rule=rule, epsilon=1e-3).values for each in (one, other))
        assert np.abs(theirs).max() > 1e-3
        assert np.abs(mine - theirs).max() < 1e-4 * np.abs(theirs).max(), rule


def test_a_normalization_of_what_others_read_too_is_a_layer_of_its_own(tmp_path: Path) -> None:
    """The convolution's output goes another way as well, so that no folded convolution gives both."""
    torch.manual_seed(1)

    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.dense = conv(3, 6), nn.BatchNorm2d(6), nn.Linear(864, 3, bias=False)
            self.norm.running_var.uniform_(0.2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            return 100 * self.dense((torch.relu(self.norm(x)) + x).flatten(1))

    module = Split()
    subject = exported(module, tmp_path, folded=False)
    assert "BatchNormalization" in operators(subject)
    found = relevance(subject)
    np.testing.assert_array_less(found.figures["conservation error"], 2e-3)


def test_the_layer_that_reads_the_picture_favours_no_weights(tmp_path: Path) -> None:
    """Also where the picture is centred and turned first."""
    w = np.random.default_rng(2).normal(size=(2, 3, 3, 3)).astype(np.float32)
    v = np.random.default_rng(3).normal(size=(200, 2)).astype(np.float32)
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["turned", "w"], ["c"]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 12, 12, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    weights = {"w": w, "v": v, "mean": np.array([0.5], np.float32)}
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [x], [y], tensors)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    subject = Subject(Runner(Predictor(load(path))), PICTURES.transpose(0, 2, 3, 1).copy(), (0, 1))
    assert roles_of(subject.model.graph, "x").pictures == {"x", "centred", "turned"}
    composite, epsilon = (relevance(subject, rule=rule).values for rule in ("composite", "epsilon"))
    np.testing.assert_array_equal(composite, epsilon)
