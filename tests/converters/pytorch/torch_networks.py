"""Small PyTorch networks, saved in each of its ways: `python torch_networks.py FOLDER`.

Each is written as `KIND.pt2` (exported), `KIND.pt` (scripted) and `traced/KIND.pt`, with what PyTorch itself
answered in `KIND.npz` and what the inputs look like in `shapes.json`.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

BATCH = 3
KINDS: dict[str, tuple[Callable[[], nn.Module], dict[str, str]]] = {}


def kind(name: str, **inputs: str) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Register a network: its kind, and a description of each input."""

    def register(made: type[nn.Module]) -> type[nn.Module]:
        KINDS[name] = (made, inputs)
        return made

    return register


@kind("float-cnn", image="N,3,16,16")
class FloatCnn(nn.Module):
    """Convolutions with stride, padding, dilation; pooling; a dense head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, stride=2, padding=2, dilation=2, bias=False),
            nn.Tanh(),
            nn.Dropout(0.5),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Softmax(1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(image))


@kind("batch-norm", image="N,3,12,12")
class BatchNorm(nn.Module):
    """Batch normalization behind a convolution and behind a dense layer, with averages of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.dense = nn.Linear(6, 4)
        self.last = nn.BatchNorm1d(4, affine=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.norm(self.conv(image)))
        return self.last(self.dense(hidden.mean((2, 3))))


class Block(nn.Module):
    """A residual block whose activation is one module for both of its places, and works in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.conv2(self.act(self.conv1(x))) + x)


@kind("residual", x="N,4,10,10")
class Residual(nn.Module):
    """Two residual blocks, and a view with the batch's size."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(4), Block(4))
        self.head = nn.Linear(100, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.blocks(x)
        return self.head(hidden.view(hidden.size(0), 4, -1)).mean(1)


@kind("separable", x="N,6,9,9")
class Separable(nn.Module):
    """A depthwise convolution before a pointwise one, and a transposed one behind."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(6, 12, 3, groups=6, padding=1)
        self.pointwise = nn.Conv2d(12, 5, 1)
        self.up = nn.ConvTranspose2d(5, 4, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(nn.functional.hardswish(self.pointwise(self.depthwise(x))))


@kind("recurrent", tokens="N,7:int64")
class Recurrent(nn.Module):
    """An embedding, an LSTM in both directions, a GRU, and a dense layer on its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(16, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        _, last = self.gru(states)
        return self.head(last[0])


@kind("two-inputs", left="N,3,8,8", right="N,4")
class TwoInputs(nn.Module):
    """A picture and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.mix = nn.Linear(8, 3)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.cat([self.conv(left).amax((2, 3)), right], 1))


@kind("two-outputs", x="N,2,8,8")
class TwoOutputs(nn.Module):
    """Features, and what is made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.sigmoid(self.conv(x))
        return features, self.head(features.mean((2, 3)))


@kind("quantised", x="N,3,8,8")
class Quantised(nn.Module):
    """Two convolutions in integers of eight bits."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()
        self.last = nn.Conv2d(4, 2, 3)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dequant(self.last(self.relu(self.conv(self.quant(x)))))


def quantised(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Calibrate a network on random numbers and write it in integers."""
    network.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")
    prepared = torch.ao.quantization.prepare(network)
    prepared(torch.randn(16, *shape))
    return torch.ao.quantization.convert(prepared)


def stirred(network: nn.Module) -> nn.Module:
    """Averages of batch normalization as training leaves them."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def example(text: str) -> torch.Tensor:
    """Random numbers of a described shape, the batch with three samples."""
    axes, _, dtype = text.partition(":")
    shape = [BATCH if axis == "N" else int(axis) for axis in axes.split(",")]
    return torch.randint(0, 9, shape) if dtype == "int64" else torch.randn(shape)


def save_in_training_mode(folder: Path) -> None:
    """Save a network with dropout and batch normalization on, and what it answers when they are off."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(1)
    layers = [
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(144, 2),
    ]
    network = nn.Sequential(*layers)
    x = torch.randn(BATCH, 3, 8, 8)
    with torch.no_grad():
        np.savez(folder / "net.npz", input=x.numpy(), y0=stirred(network)(x).numpy())
    network.train()
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.export.save(program, folder / "net.pt2")
    torch.export.save(program.run_decompositions(), folder / "decomposed.pt2")
    torch.jit.save(torch.jit.script(network), folder / "net.pt")
    torch.jit.save(torch.jit.trace(network, x, check_trace=False), folder / "traced.pt")


class Even(nn.Module):
    """What opset 17 cannot write: the bits of whole numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.bitwise_and(x, 3)


class Named(nn.Module):
    """Inputs in a dictionary, a number, and outputs in a dictionary."""

    def forward(self, x: torch.Tensor, more: dict[str, torch.Tensor], times: int) -> dict[str, torch.Tensor]:
        return {"product": x * times + more["bias"], "same": x * 2}


class Times(nn.Module):
    """A number beside a tensor."""

    def forward(self, x: torch.Tensor, times: int) -> torch.Tensor:
        return x * times


class Twins(nn.Module):
    """Normalizations whose equal weights an exporter makes one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.first = nn.BatchNorm2d(4)
        self.second = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(self.conv(x))))


class Answers(nn.Module):
    """Outputs in a dictionary."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"double": x * 2}


class Strange(nn.Module):
    """An operation that ONNX has no counterpart for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


def save_odd_ones(folder: Path) -> None:
    """Save what is converted with a decision, or refused."""
    folder.mkdir(exist_ok=True)
    x = torch.randn(2, 3, 8, 8)
    torch.jit.save(torch.jit.script(Twins().eval()), folder / "twins.pt")
    torch.jit.save(torch.jit.script(Answers()), folder / "dictionary.pt")
    torch.jit.save(torch.jit.script(Times()), folder / "number.pt")
    torch.jit.save(torch.jit.script(Strange()), folder / "strange.pt")
    half = nn.Conv2d(3, 4, 3).eval().to(torch.bfloat16)
    named = (x, {"bias": torch.randn(2, 3, 8, 8)}, 3)
    free = (None, torch.export.Dim.DYNAMIC)
    programs = {
        "strange": torch.export.export(Strange(), (x,)),
        "even": torch.export.export(Even(), (torch.ones(2, 3, dtype=torch.int32),)),
        "named": torch.export.export(Named(), named),
        "bfloat16": torch.export.export(half, (x.to(torch.bfloat16),)),
        "number": torch.export.export(Times(), (x, 3), dynamic_shapes=free),
    }
    for name, program in programs.items():
        torch.export.save(program, folder / f"{name}.pt2")


def main(folder: Path) -> None:
    """Save every network in every way."""
    warnings.simplefilter("ignore")
    (folder / "traced").mkdir(exist_ok=True)
    shapes = {}
    for name, (make, inputs) in KINDS.items():
        torch.manual_seed(0)
        network = stirred(make())
        if name == "quantised":
            network = quantised(network, (3, 8, 8))
        given = {key: example(text) for key, text in inputs.items()}
        with torch.no_grad():
            answer = network(**given)
        answers = answer if isinstance(answer, tuple) else (answer,)
        arrays = {f"y{place}": value.numpy() for place, value in enumerate(answers)}
        np.savez(folder / f"{name}.npz", **{key: x.numpy() for key, x in given.items()}, **arrays)
        shapes[name] = [f"{key}={text}" for key, text in inputs.items()]
        torch.jit.save(torch.jit.script(network), folder / f"{name}.pt")
        torch.jit.save(torch.jit.trace(network, tuple(given.values())), folder / "traced" / f"{name}.pt")
        free = {key: {0: torch.export.Dim.DYNAMIC} for key in given}
        if name != "quantised":
            program = torch.export.export(network, (), given, dynamic_shapes=free)
            torch.export.save(program, folder / f"{name}.pt2")
    save_in_training_mode(folder / "training")
    save_odd_ones(folder / "odd")
    (folder / "shapes.json").write_text(json.dumps(shapes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
