"""Gradient graphs against their forward pass, PyTorch's autograd and onnx-ad; their making, and their memory.

Only ratios within one run are stated: the sides take turns, so that all see the same machine. The networks
of the ONNX package come without weights; random ones take their place.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import notebook_network
import onnx
from gradient_sides import WAYS, Network, session
from measure import PYTHON, Row
from onnx import ModelProto
from sides import in_turn, ratio, shown, started

from converters.conversion import convert
from converters.formats import Request
from inspector.gradients import backward
from inspector.memory import private_bytes
from inspector.model import load

SIDES = Path(__file__).with_name("gradient_sides.py")
BATCHES = (1, 8)
ROUNDS = 7
RUNS = {1: 15, 8: 5}
LIGHT = {"ResNet-50": "light/light_resnet50", "SqueezeNet": "light/light_squeezenet"}
NOTEBOOK = "the notebook's network"


def rows(workspace: Path) -> Iterator[Row]:
    """Measure; the models are built once and kept in `workspace`."""
    files = _files(workspace)
    yield _making("ResNet-50", files["ResNet-50"])
    for name, path in files.items():
        written = path.with_suffix(".gradient.onnx")
        onnx.save(backward(path, of=_target(path)), written)
        yield from _memory(name, written)
        for batch in BATCHES:
            yield from _speed(name, written, batch)


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


def _target(path: Path) -> str:
    """The logits; the networks without weights end with them."""
    model = load(path)
    last = model.graph.producers[model.graph.outputs[0].name]
    return "logits" if last.op_type == "Softmax" else model.graph.outputs[0].name


def _speed(name: str, path: Path, batch: int) -> list[Row]:
    """Forward, forward and backward, PyTorch and onnx-ad in turn."""
    commands = {way: [PYTHON, SIDES, way, path, str(batch)] for way in WAYS}
    with started(commands) as sides:
        times = in_turn(sides, rounds=ROUNDS, runs=RUNS[batch])
    what = f"{name}, batch {batch}"
    faster = "1.5" if name == NOTEBOOK else "1"
    compared = [
        ("forward + backward / forward", "both", "forward", "≤ 2.5"),
        ("PyTorch autograd / gradient graph", "autograd", "both", f"≥ {faster}"),
        ("onnx-ad / gradient graph", "onnx_ad", "both", "≥ 1.5"),
    ]
    return [
        Row(
            f"{title}, {what}",
            ratio(times, over, under),
            "x",
            wanted,
            f"{shown(times, over)} against {shown(times, under)}",
        )
        for title, over, under, wanted in compared
        if over in times
    ]


def _making(name: str, path: Path) -> Row:
    """How long the gradient graph of a model in memory takes to be written."""
    model = onnx.load(path)
    output = model.graph.output[0].name
    times = []
    for _ in range(5):
        began = time.perf_counter()
        made = backward(model, of=output)
        times.append(time.perf_counter() - began)
    detail = f"{len(model.graph.node)} nodes become {len(made.graph.node)}"
    return Row(f"writing the gradient graph of {name}", statistics.median(times), "s", "≤ 1", detail)


def _memory(name: str, path: Path) -> list[Row]:
    """What a run of eight samples takes, beside the activations that its backward pass reads."""
    batch = BATCHES[-1]
    needed = _activations(Network(onnx.load(path)), batch)
    said = subprocess.run([PYTHON, __file__, str(path), str(batch)], stdout=subprocess.PIPE, check=True)
    taken = json.loads(said.stdout)
    if taken is None:
        return []
    detail = f"{taken / 1e6:.0f} MB for {needed / 1e6:.0f} MB of activations, batch {batch}"
    return [Row(f"peak memory / live activations, {name}", taken / needed, "x", "≤ 3", detail)]


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
    values = session(seen).run(kept, {**network.feeds(batch), "seed": network.seed(batch)})
    return int(sum(value.nbytes for value in values) + sum(x.nbytes for x in network.feeds(batch).values()))


def _taken(path: Path, batch: int) -> int | None:
    """Bytes that this process comes to hold by running a gradient graph.

    What onnxruntime has once taken it keeps, so that what it holds afterwards is the most that it held.
    """
    network = Network(onnx.load(path))
    feeds = {**network.feeds(batch), "seed": network.seed(batch)}
    names = [output.name for output in network.gradient.graph.output]
    opened = load(path).session()
    opened.open()
    before = private_bytes()
    for _ in range(3):
        opened.run(feeds, names)
    after = private_bytes()
    return None if before is None or after is None else after - before


if __name__ == "__main__":
    print(json.dumps(_taken(Path(sys.argv[1]), int(sys.argv[2]))))
