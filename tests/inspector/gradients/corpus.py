"""The models that the ONNX package brings along, and what their gradients are by an independent reckoning."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torchvision_alone
from graphs import ending_at, inputs, run
from kinks import sides, straightened, watched
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from truths import DIFFERENCES, ERROR, REBUILT, autograd, close, error, tensors

from inspector.errors import GradientError
from inspector.gradients import backward

Array = NDArray[Any]

ROOT = Path(onnx.__file__).parent / "backend" / "test" / "data"
FOLDERS = ("light", "pytorch-converted", "pytorch-operator", "simple")


@dataclass(frozen=True)
class Verdict:
    """What became of one model.

    Attributes:
        model: Its name, with its folder.
        operators: Its operators, in alphabetical order.
        truth: What its gradient was compared with; empty when it was refused.
        error: The largest difference, as a part of the largest number of the true gradient; NaN likewise.
        refusal: The message that refused it; empty when it was not.
    """

    model: str
    operators: tuple[str, ...]
    truth: str
    error: float
    refusal: str

    @property
    def right(self) -> bool:
        """Whether it has a gradient that is equal to the truth, or was refused."""
        return bool(self.refusal) or self.error <= ERROR


def models() -> tuple[str, ...]:
    """The name of every model of the corpus."""
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.onnx"))]
    found += [path.parent for folder in FOLDERS for path in sorted((ROOT / folder).glob("*/model.onnx"))]
    return tuple(str(path.relative_to(ROOT).with_suffix("")).replace("\\", "/") for path in found)


@dataclass(frozen=True)
class Sample:
    """A model with something to give it.

    Attributes:
        model: The model.
        feeds: An array for each input.
        value: Its first output.
    """

    model: ModelProto
    feeds: Mapping[str, Array]
    value: Array


def opened(name: str) -> Sample:
    """Read a model with an input for it and its output: its own, or for the large networks a random input.

    The large networks come without their weights; seeded random numbers take their place.
    """
    path = ROOT / f"{name}.onnx"
    if path.exists():
        model = with_weights(onnx.load(path))
        image = inputs(model)[0]
        shape = [each.dim_value for each in image.type.tensor_type.shape.dim]
        feeds = {image.name: np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
        return Sample(model, feeds, run(model, feeds)[model.graph.output[0].name])
    folder = ROOT / name / "test_data_set_0"
    model, feeds = onnx.load(ROOT / name / "model.onnx"), dict[str, Array]()
    for at, info in enumerate(inputs(model)):
        if info.type.HasField("tensor_type"):
            feeds[info.name] = _array(folder / f"input_{at}.pb")
    value = np.empty(0)
    if model.graph.output[0].type.HasField("tensor_type"):
        value = _array(folder / "output_0.pb")
    model = ending_at(model, model.graph.output[0].name)
    if value.dtype.kind == "f" and not (np.abs(value) < 1e6).all():
        # One model takes roots of negative numbers, and others come with memory that nobody filled.
        random = np.random.default_rng(3)
        feeds = {
            each: random.uniform(0.5, 2, array.shape).astype(array.dtype) for each, array in feeds.items()
        }
        value = np.asarray(ReferenceEvaluator(model).run(None, dict(feeds))[0])
    return Sample(model, feeds, value)


def _array(path: Path) -> Array:
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return np.asarray(numpy_helper.to_array(tensor))


def with_weights(model: ModelProto) -> ModelProto:
    """Put seeded random numbers in the place of every weight that the graph makes from its shape alone."""
    drawn = np.random.default_rng(0)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    readers = _readers(model)
    kept: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(size) for size in numpy_helper.to_array(stored[node.input[0]]))
        array = _drawn(drawn, shape, *readers[node.output[0]])
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    if kept[-1].op_type == "Softmax":
        # With random weights it is saturated, and what is left of its gradient says nothing.
        model.graph.output[0].name = kept.pop().input[0]
    for node in kept:
        if node.op_type == "Dropout":
            # It does nothing here; onnx2torch does not know the version without a mask.
            node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output[:1]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    # Before version 4 every initializer had to be an input as well.
    model.ir_version = max(model.ir_version, 8)
    used = {name for node in kept for name in node.input}
    images, stored_now = inputs(model), list(model.graph.initializer)
    del model.graph.input[:], model.graph.initializer[:]
    model.graph.input.extend(info for info in images if info.name in used)
    model.graph.initializer.extend(tensor for tensor in stored_now if tensor.name in used)
    return model


def _readers(model: ModelProto) -> dict[str, tuple[str, int]]:
    """What reads each value, and as which of its inputs; an Unsqueeze only passes it on."""
    found: dict[str, tuple[str, int]] = {}
    for node in reversed(model.graph.node):
        for at, name in enumerate(node.input):
            found[name] = found[node.output[0]] if node.op_type == "Unsqueeze" else (node.op_type, at)
    return found


def _drawn(random: np.random.Generator, shape: tuple[int, ...], reader: str, at: int) -> Array:
    """Weights that keep numbers at a sensible size from layer to layer."""
    if reader == "Mul" or (reader == "BatchNormalization" and at in (1, 4)):
        array = random.uniform(0.7, 1.4, shape)
    elif len(shape) > 1:
        array = random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
    else:
        array = random.standard_normal(shape) * 0.1
    return array.astype(np.float32)


def judged(name: str) -> Verdict:
    """Compute the gradient of the first output by every input of floats, and compare it with the truth."""
    sample = opened(name)
    model, feeds = sample.model, sample.feeds
    operators = tuple(sorted({node.op_type for node in model.graph.node}))
    wrt = [each for each, array in feeds.items() if array.dtype.kind == "f"]
    of = model.graph.output[0].name
    large = name.startswith("light/")
    try:
        graph = backward(model, of=of, wrt=wrt or None, outputs=watched(model) if large else ())
    except GradientError as refusal:
        return Verdict(name, operators, "", math.nan, plain(refusal.message))
    seed = np.random.default_rng(2).standard_normal(sample.value.shape).astype(sample.value.dtype)
    found = run(graph, {**feeds, "seed": seed})
    assert close(found[of], sample.value)
    truth, wanted = _rebuilt(sample, found, seed) if large else _truth(sample, wrt, seed)
    largest = max(error(found[f"gradient/{each}"], wanted[each]) for each in wrt)
    return Verdict(name, operators, truth, largest, "")


def _rebuilt(sample: Sample, found: Mapping[str, Array], seed: Array) -> tuple[str, Mapping[str, Array]]:
    """The gradient of a large network, on the sides of each kink that our run took."""
    straight = straightened(sample.model, sides(sample.model, found))
    of = straight.graph.output[0].name
    assert close(REBUILT.values(straight, sample.feeds, [of])[of], sample.value)
    return REBUILT.name, REBUILT.gradients(straight, sample.feeds, list(sample.feeds), seed)


def _truth(sample: Sample, wrt: Sequence[str], seed: Array) -> tuple[str, Mapping[str, Array]]:
    """PyTorch's gradient where that computes what the model does, else quotients of differences."""
    module = _module(sample.model)
    if module is not None:

        def called(given: Mapping[str, Any]) -> Any:
            return module(*given.values())

        try:
            if close(called(tensors(sample.feeds)).detach().numpy(), sample.value):
                return "PyTorch", autograd(called, sample.feeds, wrt, seed)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            pass  # onnx2torch writes modules that fail when they are called, with whatever comes up
    return DIFFERENCES.name, DIFFERENCES.gradients(sample.model, sample.feeds, wrt, seed)


def _module(model: ModelProto) -> Any:
    """The model in PyTorch, float64; None where onnx2torch cannot."""
    torchvision_alone.importable()
    import onnx2torch  # type: ignore[import-untyped]

    try:
        return onnx2torch.convert(onnx.shape_inference.infer_shapes(model)).double().eval()
    except Exception:  # noqa: BLE001  (what it does not support it says with whatever comes up)
        return None


def plain(message: str) -> str:
    """A refusal without the name of the file, on one line."""
    return re.sub(r"^the model in memory: ", "", " ".join(message.split()))
