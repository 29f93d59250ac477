"""Gradient graphs against their forward pass, PyTorch's autograd and onnx-ad; their making, and their memory.

Only ratios within one run are stated: the sides take turns, so that both see the same machine. The networks
of the ONNX package come without weights; random ones take their place.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import notebook_network
import numpy as np
import onnx
import onnxruntime
from measure import PYTHON, Row
from numpy.typing import NDArray
from onnx import ModelProto

from converters.conversion import convert
from converters.formats import Request
from inspector.gradients import Gradient, backward
from inspector.memory import private_bytes

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path += [str(TESTS / "inspector" / "gradients"), str(TESTS / "support")]

Array = NDArray[np.float32]
BATCHES = (1, 8)
ROUNDS = {1: 15, 8: 5}
LIGHT = {"ResNet-50": "light/light_resnet50", "SqueezeNet": "light/light_squeezenet"}
NOTEBOOK = "the notebook's network"


@dataclass(frozen=True)
class Network:
    """A network with its gradient.

    Attributes:
        name: What it is called.
        path: Its file.
        gradient: The gradient of its logits by its input.
        forward: The same graph without the gradient.
    """

    name: str
    path: Path
    gradient: ModelProto
    forward: ModelProto

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


def rows(workspace: Path) -> Iterator[Row]:
    """Measure; the models are built once and kept in `workspace`."""
    networks = [_network(name, path) for name, path in _files(workspace).items()]
    yield _making(networks[1])
    for network in networks:
        yield from _memory(network)
        for batch in BATCHES:
            yield from _speed(network, batch)


def _files(workspace: Path) -> dict[str, Path]:
    import corpus

    files = {NOTEBOOK: workspace / "notebook.onnx"}
    if not files[NOTEBOOK].exists():
        network = notebook_network.build(workspace / "notebook")
        convert(network.prefix, files[NOTEBOOK], request=Request(verify=False))
    for name, model in LIGHT.items():
        files[name] = workspace / f"{Path(model).name}.onnx"
        if not files[name].exists():
            onnx.save(corpus.with_weights(onnx.load(corpus.ROOT / f"{model}.onnx")), files[name])
    return files


def _network(name: str, path: Path) -> Network:
    gradient = backward(path, of=_target(path))
    forward = ModelProto()
    forward.CopyFrom(gradient)
    del forward.graph.output[1:], forward.graph.input[1:]
    needed, kept = {forward.graph.output[0].name}, []
    for node in reversed(forward.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del forward.graph.node[:]
    forward.graph.node.extend(kept[::-1])
    weights = [tensor for tensor in forward.graph.initializer if tensor.name in needed]
    del forward.graph.initializer[:]
    forward.graph.initializer.extend(weights)
    return Network(name, path, gradient, forward)


def _target(path: Path) -> str:
    """The logits; the networks without weights end with them."""
    from inspector.model import load

    model = load(path)
    last = model.graph.producers[model.graph.outputs[0].name]
    return "logits" if last.op_type == "Softmax" else model.graph.outputs[0].name


def _speed(network: Network, batch: int) -> list[Row]:
    """Forward, forward and backward, PyTorch and onnx-ad in turn."""
    feeds, seed = network.feeds(batch), network.seed(batch)
    sides: dict[str, Callable[[], object]] = {
        "forward": _runner(network.forward, feeds),
        "both": _runner(network.gradient, {**feeds, "seed": seed}),
        "torch": _autograd(network, feeds, seed),
    }
    if (other := _onnx_ad(network, feeds, seed)) is not None:
        sides["onnx-ad"] = other
    times = _in_turn(sides, ROUNDS[batch])
    what = f"{network.name}, batch {batch}"
    figures = {name: f"{1e3 * statistics.median(each):.1f} ms" for name, each in times.items()}
    faster = "1.5" if network.name == NOTEBOOK else "1"
    found = [
        Row(
            f"forward + backward / forward, {what}", _ratio(times, "both", "forward"), "x", "≤ 2.5",
            f"{figures['both']} against {figures['forward']}",
        ),
        Row(
            f"PyTorch autograd / gradient graph, {what}", _ratio(times, "torch", "both"), "x", f"≥ {faster}",
            f"{figures['torch']} against {figures['both']}",
        ),
    ]  # fmt: skip
    if "onnx-ad" in times:
        detail = f"{figures['onnx-ad']} against {figures['both']}"
        found.append(
            Row(f"onnx-ad / gradient graph, {what}", _ratio(times, "onnx-ad", "both"), "x", "≥ 1.5", detail)
        )
    return found


def _in_turn(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The time of each side in each round; two uncounted rounds go first."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for at in range(rounds + 2):
        for name, work in sides.items():
            began = time.perf_counter()
            work()
            if at > 1:
                times[name].append(time.perf_counter() - began)
    return times


def _ratio(times: Mapping[str, Sequence[float]], over: str, under: str) -> float:
    return statistics.median(a / b for a, b in zip(times[over], times[under], strict=True))


def _session(model: ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _runner(model: ModelProto, feeds: Mapping[str, Array]) -> Callable[[], object]:
    session = _session(model)
    return lambda: session.run(None, feeds)


def _autograd(network: Network, feeds: Mapping[str, Array], seed: Array) -> Callable[[], object]:
    """The same network in PyTorch, by its input alone, as the graph is."""
    import torch
    from rebuilt import rebuilt

    module = rebuilt(network.forward)
    (picture,) = feeds.values()
    x, weights = torch.from_numpy(picture), torch.from_numpy(seed)

    def work() -> object:
        given = x.detach().requires_grad_(True)
        return torch.autograd.grad(module(given), given, weights)[0]

    return work


def _onnx_ad(network: Network, feeds: Mapping[str, Array], seed: Array) -> Callable[[], object] | None:
    """The same by onnx-ad, which wants a fixed batch; None where it cannot."""
    import onnx_ad  # type: ignore[import-untyped]

    model = ModelProto()
    model.CopyFrom(network.forward)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = len(seed)
    try:
        made = onnx_ad.reverse(model, layout="onnx")
        session = _session(made)
        names = [each.name for each in made.graph.input]
        given = {**feeds, names[-1]: seed[..., None]}
        session.run(None, given)
    except Exception as error:  # noqa: BLE001  (it is an alpha library, and says no in many ways)
        print(f"onnx-ad cannot do {network.name}, batch {len(seed)}: {str(error)[:100]}", file=sys.stderr)
        return None
    return lambda: session.run(None, given)


def _making(network: Network) -> Row:
    """How long the gradient graph of a model in memory takes to be written."""
    model = onnx.load(network.path)
    name = model.graph.output[0].name
    times = []
    for _ in range(5):
        began = time.perf_counter()
        made = backward(model, of=name)
        times.append(time.perf_counter() - began)
    detail = f"{len(model.graph.node)} nodes become {len(made.graph.node)}"
    return Row(f"writing the gradient graph of {network.name}", statistics.median(times), "s", "≤ 1", detail)


def _memory(network: Network) -> list[Row]:
    """What a run of eight samples takes, beside the activations that its backward pass reads."""
    batch = BATCHES[-1]
    needed = _activations(network, batch)
    said = subprocess.run(
        [PYTHON, __file__, str(network.path), str(batch)], stdout=subprocess.PIPE, check=True
    )
    taken = json.loads(said.stdout)
    if taken is None:
        return []
    detail = f"{taken / 1e6:.0f} MB for {needed / 1e6:.0f} MB of activations, batch {batch}"
    return [
        Row(f"peak memory / live activations, {network.name}", taken / needed, "x", "≤ 3", detail),
    ]


def _activations(network: Network, batch: int) -> int:
    """Bytes of the forward values that the backward pass reads."""
    graph = network.gradient.graph
    moving, made = {info.name for info in graph.input if info.name != "seed"}, set()
    back, read = {"seed"}, set[str]()
    for node in graph.node:
        if back.intersection(node.input):
            back.update(node.output)
            read.update(node.input)
        elif moving.intersection(node.input):
            moving.update(node.output)
            made.update(node.output)
    kept = sorted((read & made) | {graph.output[0].name})
    seen = ModelProto()
    seen.CopyFrom(network.gradient)
    del seen.graph.output[:]
    seen.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in kept)
    values = _session(seen).run(kept, {**network.feeds(batch), "seed": network.seed(batch)})
    return int(sum(value.nbytes for value in values) + sum(x.nbytes for x in network.feeds(batch).values()))


def _taken(path: Path, batch: int) -> int | None:
    """Bytes that this process comes to hold by running a gradient graph.

    What onnxruntime has once taken it keeps, so that what it holds afterwards is the most that it held.
    """
    network = _network("", path)
    gradient = Gradient(path, of=_target(path))
    feeds, seed = network.feeds(batch), network.seed(batch)
    gradient.session.open()
    before = private_bytes()
    for _ in range(3):
        gradient.run(feeds, seed)
    after = private_bytes()
    return None if before is None or after is None else after - before


if __name__ == "__main__":
    print(json.dumps(_taken(Path(sys.argv[1]), int(sys.argv[2]))))
