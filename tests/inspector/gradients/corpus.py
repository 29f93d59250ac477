"""The models that the ONNX package brings along, and what their gradients are by an independent reckoning."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torchvision_alone
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from rebuilt import kinks, rebuilt

from inspector.errors import GradientError
from inspector.gradients import backward

Array = NDArray[Any]

ROOT = Path(onnx.__file__).parent / "backend" / "test" / "data"
FOLDERS = ("light", "pytorch-converted", "pytorch-operator", "simple")
# What float32 may lose.
ERROR = 1e-5
_DIRECTIONS, _STEP = 12, 1e-5


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
        image = _inputs(model)[0]
        shape = [each.dim_value for each in image.type.tensor_type.shape.dim]
        feeds = {image.name: np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
        return Sample(model, feeds, _run(model, feeds)[model.graph.output[0].name])
    folder = ROOT / name / "test_data_set_0"
    model, feeds = onnx.load(ROOT / name / "model.onnx"), dict[str, Array]()
    for at, info in enumerate(_inputs(model)):
        if info.type.HasField("tensor_type"):
            feeds[info.name] = _array(folder / f"input_{at}.pb")
    value = np.empty(0)
    if model.graph.output[0].type.HasField("tensor_type"):
        value = _array(folder / "output_0.pb")
    model = _first_output(model)
    if value.dtype.kind == "f" and not (np.abs(value) < 1e6).all():
        # One model takes roots of negative numbers, and others come with memory that nobody filled.
        random = np.random.default_rng(3)
        feeds = {
            each: random.uniform(0.5, 2, array.shape).astype(array.dtype) for each, array in feeds.items()
        }
        value = np.asarray(ReferenceEvaluator(model).run(None, dict(feeds))[0])
    return Sample(model, feeds, value)


def _first_output(model: ModelProto) -> ModelProto:
    """The model without what its first output does not need."""
    del model.graph.output[1:]
    needed, kept = {model.graph.output[0].name}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept[::-1])
    return model


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
    images, stored_now = _inputs(model), list(model.graph.initializer)
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
    sides = kinks(model) if name.startswith("light/") else []
    try:
        graph = backward(model, of=of, wrt=wrt or None, outputs=sides)
    except GradientError as error:
        return Verdict(name, operators, "", math.nan, plain(error.message))
    seed = np.random.default_rng(2).standard_normal(sample.value.shape).astype(sample.value.dtype)
    found = _run(graph, {**feeds, "seed": seed})
    np.testing.assert_allclose(found[of], sample.value, rtol=1e-3, atol=1e-4 * np.abs(sample.value).max())
    truth, wanted = (
        ("PyTorch, rebuilt", _in_pytorch(sample, rebuilt(model, found), seed))
        if sides
        else _truth(sample, wrt, seed)
    )
    largest = max(_error(found[f"gradient/{each}"], wanted[each], feeds[each]) for each in wrt)
    return Verdict(name, operators, truth, largest, "")


def _run(graph: ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    opened_graph = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in opened_graph.get_outputs()]
    taken = {each.name for each in opened_graph.get_inputs()}
    given = {name: array for name, array in feeds.items() if name in taken}
    return dict(zip(names, opened_graph.run(names, given), strict=True))


def _error(found: Array, wanted: Array, at: Array) -> float:
    """The largest difference by the largest number; for derivatives along directions, along the same."""
    if wanted.shape != at.shape:
        found = np.array([(found * direction).sum(dtype=np.float64) for direction in _directions(at.shape)])
    scale = float(np.abs(wanted).max())
    return float(np.abs(found - wanted).max()) / (scale or 1.0)


def _directions(shape: Sequence[int]) -> list[Array]:
    random = np.random.default_rng(7)
    return [random.standard_normal(shape) for _ in range(_DIRECTIONS)]


def _in_pytorch(sample: Sample, network: Callable[[Any], Any], seed: Array) -> dict[str, Array]:
    """The gradient of a network of one input, which has to give what the model does."""
    import torch

    ((name, picture),) = sample.feeds.items()
    x = torch.tensor(picture, dtype=torch.float64, requires_grad=True)
    value = network(x)
    np.testing.assert_allclose(
        value.detach().numpy(), sample.value, rtol=1e-3, atol=1e-4 * np.abs(sample.value).max()
    )
    return {name: torch.autograd.grad((value * torch.tensor(seed)).sum(), x)[0].numpy()}


def _truth(sample: Sample, wrt: Sequence[str], seed: Array) -> tuple[str, Mapping[str, Array]]:
    """PyTorch's gradient where that computes what the model does, else quotients of differences."""
    module = _module(sample.model)
    if module is not None:
        try:
            value = module(*_tensors(sample.feeds).values()).detach().numpy()
            if np.allclose(value, sample.value, rtol=1e-3, atol=1e-4 * np.abs(sample.value).max()):
                return "PyTorch", _autograd(module, sample.feeds, wrt, seed)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            pass  # onnx2torch writes modules that fail when they are called, with whatever comes up
    return "differences", _differences(sample.model, sample.feeds, wrt, seed)


def _module(model: ModelProto) -> Any:
    """The model in PyTorch, float64; None where onnx2torch cannot."""
    torchvision_alone.importable()
    import onnx2torch  # type: ignore[import-untyped]

    try:
        return onnx2torch.convert(onnx.shape_inference.infer_shapes(model)).double().eval()
    except Exception:  # noqa: BLE001  (what it does not support it says with whatever comes up)
        return None


def _tensors(feeds: Mapping[str, Array]) -> dict[str, Any]:
    import torch

    return {
        name: torch.tensor(array.astype(np.float64) if array.dtype.kind == "f" else array)
        for name, array in feeds.items()
    }


def _autograd(module: Any, feeds: Mapping[str, Array], wrt: Sequence[str], seed: Array) -> dict[str, Array]:
    import torch

    tensors = _tensors(feeds)
    for name in wrt:
        tensors[name].requires_grad_(True)
    total = (module(*tensors.values()) * torch.tensor(seed, dtype=torch.float64)).sum()
    found = torch.autograd.grad(total, [tensors[name] for name in wrt], allow_unused=True)
    return {
        name: np.zeros(feeds[name].shape) if gradient is None else gradient.numpy()
        for name, gradient in zip(wrt, found, strict=True)
    }


def _differences(
    model: ModelProto, feeds: Mapping[str, Array], wrt: Sequence[str], seed: Array
) -> dict[str, Array]:
    """Central differences in float64: by each number, or where those are many, along random directions."""
    double = in_double(model)
    point: dict[str, Array] = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in feeds.items()
    }
    evaluator = ReferenceEvaluator(double)

    def slope(name: str, direction: Array) -> float:
        ends = [
            evaluator.run([model.graph.output[0].name], point | {name: point[name] + side * direction})[0]
            for side in (_STEP, -_STEP)
        ]
        return float(((np.asarray(ends[0]) - np.asarray(ends[1])) * seed).sum() / (2 * _STEP))

    found: dict[str, Array] = {}
    for name in wrt:
        shape = feeds[name].shape
        if feeds[name].size <= 128:
            each = np.eye(feeds[name].size).reshape(-1, *shape)
            found[name] = np.array([slope(name, one) for one in each]).reshape(shape)
        else:
            found[name] = np.array([slope(name, one) for one in _directions(shape)])
    return found


def in_double(model: ModelProto) -> ModelProto:
    """The same graph with float64 in the place of float32."""
    double = ModelProto()
    double.CopyFrom(model)
    graph = double.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
            )
    for info in (*graph.input, *graph.output):
        if info.type.tensor_type.elem_type == TensorProto.FLOAT:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                array = numpy_helper.to_array(attribute.t).astype(np.float64)
                attribute.CopyFrom(helper.make_attribute(attribute.name, numpy_helper.from_array(array)))
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    del graph.value_info[:]
    return double


def _stored(model: ModelProto) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}


def _inputs(model: ModelProto) -> list[onnx.ValueInfoProto]:
    return [info for info in model.graph.input if info.name not in _stored(model)]


def plain(message: str) -> str:
    """A refusal without the name of the file, on one line."""
    return re.sub(r"^the model in memory: ", "", " ".join(message.split()))
