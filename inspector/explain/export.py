"""A model that explains itself: its own outputs and a heatmap, in one ONNX file."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.files import check_not_input, check_output
from inspector import labels, preprocess
from inspector.errors import OptionError
from inspector.onnxfile.source import quoted

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

    from inspector.explain import Explainer
    from inspector.explain.target_layer import TargetLayer
    from inspector.predictor import Predictor

HEATMAP = "heatmap"
RECORD = "inspector.heatmap"


def export(explainer: Explainer, out: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write a model together with its explanation to one ONNX file, which any onnxruntime runs.

    The file takes what the model takes, and gives what the model gives and "heatmap", float32 (N, height,
    width) in the input's size; with several methods, "heatmap/METHOD" for each. The class that is explained
    is the one that the explainer is told, or the one that each picture gets, found in the graph. It keeps
    the model's labels and way from pixels to the input, or those that the explainer was given.

    Args:
        explainer: The model with the methods; only those in `METHODS` can be written as a graph.
        out: The file to write.
        force: Whether an existing file may be replaced.

    Returns:
        The file written.

    Raises:
        OptionError: A method cannot be written as a graph, the model takes pictures of any size, or the
            file's suffix is not .onnx.
        GradientError: The model has no gradient.
        OutputExistsError: `out` exists and `force` is not set.
        FileError: It cannot be written, or is the model itself.
    """
    from inspector.export import save

    where = str(explainer.runner.model.path)
    check_name(out)
    check_output(out, force=force)
    check_not_input(out, [explainer.runner.model.path])
    return save(explained(explainer), out, where, force=force)


def check_name(out: str | os.PathLike[str]) -> None:
    """Refuse a name that is none of an ONNX file.

    Raises:
        OptionError: Its suffix is not .onnx.
    """
    path = Path(out)
    if path.suffix.lower() != ".onnx":
        found = path.suffix or "a file without suffix"
        raise OptionError(
            f"{path}: cannot write a model with its heatmap as {found}; expected .onnx",
            f"--export {path.with_suffix('.onnx')}",
        )


def told(explainer: Explainer) -> str:
    """What an exported file explains, and by what: "layercam at conv_2, for Lars"."""
    from inspector.explain.target_layer import target_layer

    runner, made = explainer.runner, []
    for method in explainer.methods:
        place = ""
        if method.name in _MAPS:
            layer = target_layer(runner.model, runner.input, runner.logits, explainer.layer)
            place = f" at {layer.name}"
        made.append(f"{method.name}{place}")
    target = explainer.fixed_target
    what = "the class that each picture gets" if target is None else explainer.label(target)
    return f"{', '.join(made)}, for {what}"


def explained(explainer: Explainer) -> ModelProto:
    """Write the graph that `export` saves.

    Raises:
        OptionError: A method cannot be written as a graph, or the model takes pictures of any size.
        GradientError: The model has no gradient.
    """
    from inspector.explain.target_layer import target_layer
    from inspector.gradients import backward
    from inspector.gradients.assembly import RECORD as GRADIENT_RECORD

    names = tuple(method.name for method in explainer.methods)
    _check(explainer, names)
    runner = explainer.runner
    own = [value.name for value in runner.model.graph.outputs]
    layer = None
    if any(name in _MAPS for name in names):
        layer = target_layer(runner.model, runner.input, runner.logits, explainer.layer)
    wrt = [*([layer.value] if layer else []), *([runner.input] if _GRADIENT in names else [])]
    asked = [*own, layer.value] if layer else own
    graph = backward(runner.proto or runner.model, of=runner.logits, wrt=wrt, outputs=asked)
    record = json.loads(next(each.value for each in graph.metadata_props if each.key == GRADIENT_RECORD))
    gradients = dict(zip(record["wrt"], record["gradients"], strict=True))
    built = _Built(graph, explainer)
    _choose_seed(built, record["seed"], explainer.fixed_target)
    for name in names:
        if layer and name in _MAPS:
            made = _class_activation(built, _MAPS[name], layer, gradients[layer.value])
        else:
            made = _gradient(built, gradients[runner.input])
        built.give(made, HEATMAP if len(names) == 1 else f"{HEATMAP}/{name}")
    return _finished(built, own, runner.ready, {"methods": names, "layer": layer.name if layer else None})


def _check(explainer: Explainer, names: tuple[str, ...]) -> None:
    where = explainer.runner.model.path
    for name in names:
        if name not in METHODS:
            raise OptionError(
                f"{where}: the method {name!r} cannot be written as a graph; expected {', '.join(METHODS)}",
                "--export FILE -m grad-cam",
            )
    if not (explainer.runner.ready.layout.height and explainer.runner.ready.layout.width):
        raise OptionError(
            f"{where}: takes pictures of any size; a file with a heatmap needs a fixed one",
            f"inspector convert {where} -o fixed.onnx --input-shape N,3,224,224",
        )


class _Built:
    """A gradient graph that grows at its end."""

    def __init__(self, model: ModelProto, explainer: Explainer) -> None:
        self.model = model
        self.where = str(explainer.runner.model.path)
        self.layout = explainer.runner.ready.layout
        self.size = self.layout.height or 0, self.layout.width or 0
        self.logits = explainer.runner.logits
        self.opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
        self.declared: Mapping[str, ValueInfoProto] = {
            info.name: copy.deepcopy(info) for info in (*model.graph.input, *model.graph.output)
        }
        self.heatmaps: list[str] = []
        self.new: list[NodeProto] = []
        self._used = {name for node in model.graph.node for name in (*node.input, *node.output)}

    def add(self, op_type: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Write a node; `name` is that of its output, if it matters."""
        from onnx import helper

        name = name or self.unique(f"{HEATMAP}/{op_type}")
        self.new.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        return name

    def constant(self, array: NDArray[np.generic]) -> str:
        """Store numbers."""
        from onnx import numpy_helper

        name = self.unique(f"{HEATMAP}/constant")
        self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def unique(self, name: str) -> str:
        """A name that nothing has yet."""
        count, found = 1, name
        while found in self._used or found in self.declared:
            count, found = count + 1, f"{name}_{count}"
        self._used.add(found)
        return found

    def sizes(self, name: str) -> tuple[int, ...]:
        """The declared sizes of an input or output; 0 for a free one."""
        return tuple(each.dim_value for each in self.declared[name].type.tensor_type.shape.dim)

    def dtype(self, name: str) -> np.dtype[np.generic]:
        """The declared dtype of an input or output."""
        from onnx import helper

        return np.dtype(helper.tensor_dtype_to_np_dtype(self.declared[name].type.tensor_type.elem_type))

    def floats(self, name: str) -> str:
        """A declared value in float32."""
        from onnx import TensorProto

        return name if self.dtype(name) == np.float32 else self.add("Cast", name, to=TensorProto.FLOAT)

    def give(self, name: str, wanted: str) -> None:
        """Make a value an output of the graph."""
        self.heatmaps.append(self.add("Identity", name, name=self.unique(wanted)))


def _choose_seed(built: _Built, seed: str, target: int | None) -> None:
    """Compute the seed in the graph, where it was an input: a one at the class that is explained."""
    dtype, batched = built.dtype(seed), "N" in built.layout.axes
    sizes = built.sizes(seed)
    classes = math.prod(sizes[1:] if batched else sizes)
    shape = built.add("Shape", built.logits)
    if classes == 1:
        _seed_of_two(built, seed, shape, dtype, target)
    else:
        flat = built.add("Reshape", built.logits, built.constant(np.array([-1, classes])))
        chosen = (
            built.add("ArgMax", flat, axis=1, keepdims=0)
            if target is None
            else _repeated(built, flat, np.array([target]))
        )
        values = built.constant(np.array([0, 1], dtype))
        ones = built.add("OneHot", chosen, built.constant(np.array(classes)), values, axis=1)
        built.add("Reshape", ones, shape, name=seed)
    nodes = list(built.model.graph.node)
    after = next((at for at, node in enumerate(nodes) if built.logits in node.output), -1) + 1
    kept = [info for info in built.model.graph.input if info.name != seed]
    del built.model.graph.node[:], built.model.graph.input[:]
    built.model.graph.node.extend([*nodes[:after], *built.new, *nodes[after:]])
    built.model.graph.input.extend(kept)
    built.new.clear()


def _seed_of_two(
    built: _Built, seed: str, shape: str, dtype: np.dtype[np.generic], target: int | None
) -> None:
    """One logit for two classes: its sign says which."""
    from onnx import numpy_helper

    if target is not None:
        value = numpy_helper.from_array(np.array([1 if target else -1], dtype))
        built.add("ConstantOfShape", shape, name=seed, value=value)
        return
    signs = [built.constant(np.array(number, dtype)) for number in (0, 1, -1)]
    built.add("Where", built.add("Greater", built.logits, signs[0]), *signs[1:], name=seed)


def _repeated(built: _Built, flat: str, number: NDArray[np.int64]) -> str:
    """One number for each sample."""
    from onnx import numpy_helper

    rows = built.add(
        "Slice", built.add("Shape", flat), built.constant(np.array([0])), built.constant(np.array([1]))
    )
    return built.add("ConstantOfShape", rows, value=numpy_helper.from_array(number))


def _gradient(built: _Built, gradient: str) -> str:
    """The largest magnitude of the gradient over the channels."""
    axes: str = built.layout.axes
    whole = built.add("Abs", built.floats(gradient))
    if axes == "NHW":
        return whole
    if axes == "NF":
        whole = built.add("Reshape", whole, built.constant(np.array([-1, 1, *built.size])))
        axes = "NCHW"
    elif "N" not in axes:
        whole, axes = built.add("Unsqueeze", whole, built.constant(np.array([0]))), f"N{axes}"
    channels = axes.index("C")
    if built.opset >= 18:
        return built.add("ReduceMax", whole, built.constant(np.array([channels])), keepdims=0)
    return built.add("ReduceMax", whole, axes=[channels], keepdims=0)


def _class_activation(built: _Built, weigh: Weigh, layer: TargetLayer, gradient: str) -> str:
    """The rectified sum of a layer's weighted maps, at the picture's size."""
    order = [layer.axes.index(letter) for letter in "NCHW"]
    maps, slopes = (built.floats(name) for name in (layer.value, gradient))
    sizes = [built.sizes(layer.value)[at] for at in order]
    if 0 in sizes[2:]:
        raise OptionError(
            f"{built.where}: the maps of {quoted(layer.name)} have no fixed size; a heatmap needs one to be "
            "enlarged from",
            "Name another layer with --layer.",
        )
    if order != [0, 1, 2, 3]:
        maps, slopes = (built.add("Transpose", name, perm=order) for name in (maps, slopes))
    weighted = built.add("Mul", weigh(built, slopes), maps)
    added = built.add("ReduceSum", weighted, built.constant(np.array([1])), keepdims=0)
    positive = built.add("Relu", added)
    rows, columns = (_bilinear(sizes[2 + at], built.size[at]) for at in (0, 1))
    if sizes[2] != built.size[0]:
        positive = built.add("MatMul", built.constant(rows), positive)
    if sizes[3] != built.size[1]:
        positive = built.add("MatMul", positive, built.constant(columns.T.copy()))
    return positive


def _bilinear(source: int, size: int) -> NDArray[np.float32]:
    """The matrix, float32 (size, source), that enlarges or shrinks an axis bilinearly.

    The weights are a triangle around each new place, as wide as the spacing of the coarser grid; what
    reaches beyond the edge is left out.
    """
    spacing = source / size
    width = max(spacing, 1.0)
    centres = (np.arange(size)[:, None] + 0.5) * spacing
    weights = np.maximum(0, 1 - np.abs(np.arange(source) + 0.5 - centres) / width)
    found: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _finished(built: _Built, own: list[str], ready: Predictor, record: Mapping[str, object]) -> ModelProto:
    """The graph with the model's outputs and the heatmaps, and none that only served to make them."""
    from onnx import TensorProto, helper

    from inspector.gradients.assembly import RECORD as GRADIENT_RECORD

    graph = built.model.graph
    graph.node.extend(built.new)
    first = built.declared[own[0]].type.tensor_type.shape.dim[:1]
    batch = next((each.dim_value or each.dim_param for each in first), "N") or "N"
    shape = [batch if "N" in built.layout.axes else 1, *built.size]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in built.heatmaps]
    del graph.output[:]
    graph.output.extend([*(built.declared[name] for name in own), *made])
    said = {each.key: each.value for each in built.model.metadata_props if each.key != GRADIENT_RECORD}
    if ready.labels is not None and ready.names is not None:
        said[labels.KEY] = ready.names.to_json()
    if ready.preprocess:
        said[preprocess.KEY] = ready.way.to_json()
    helper.set_model_props(built.model, {**said, RECORD: json.dumps(record)})
    return built.model


def _mean_slopes(built: _Built, slopes: str) -> str:
    return built.add("GlobalAveragePool", slopes)


def _slopes(_: _Built, slopes: str) -> str:
    return slopes


def _rising_slopes(built: _Built, slopes: str) -> str:
    return built.add("Relu", slopes)


Weigh: TypeAlias = "Callable[[_Built, str], str]"
_GRADIENT = "gradient"
# What weighs the maps of a layer, made of their gradients.
_MAPS: Mapping[str, Weigh] = {
    "grad-cam": _mean_slopes,
    "hirescam": _slopes,
    "layercam": _rising_slopes,
}
METHODS = (*_MAPS, _GRADIENT)
"""The methods that can be written as a graph."""
