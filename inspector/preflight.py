"""What is refused before onnxruntime sees it: windows that make no sense, and tensors that fill the memory.

onnxruntime computes constant parts of a graph while it opens a model, so a bomb goes off before any run; a
group of 0 can end the process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from inspector.errors import RunError
from inspector.onnxfile.checks import all_nodes
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.source import quoted
from inspector.shape_arithmetic import small_constants

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

    from inspector.onnxfile.graph import Node
    from inspector.onnxfile.model_file import OnnxFile

MAX_TENSOR_BYTES = 4 * 2**30
MAX_PADDING = 65_535

_CONVOLUTIONS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"}
_POOLINGS = {"MaxPool", "AveragePool", "LpPool", "MaxUnpool", "QLinearAveragePool", "MaxRoiPool"}
_WINDOWED = frozenset(_CONVOLUTIONS | _POOLINGS)
# Operators whose output may be of any size, whatever that of their inputs.
_FILLING = {"ConstantOfShape", "EyeLike", "OneHot", "RandomNormal", "RandomUniform", "Range"}
_ENLARGING = {"CenterCropPad", "Col2Im", "Expand", "Pad", "Resize", "Tile", "Upsample"}
_WINDOWS = {"BlackmanWindow", "HammingWindow", "HannWindow"}
_GROWING = frozenset(_FILLING | _ENLARGING | _WINDOWS)
# An operator that broadcasts or multiplies two constants may make so many numbers of them.
_LARGE_PAIR = 2**28
_LARGE_WINDOW = 1_024


def check_windows(file: OnnxFile) -> None:
    """Check group, strides, dilations, kernel shape and padding of every convolution and pooling.

    Raises:
        RunError: One is 0, negative, or a padding larger than 65,535; the layer is named.
    """
    for node in _nodes(file):
        if node.op_type not in _WINDOWED:
            continue
        for attribute in ("group", "strides", "dilations", "kernel_shape", "pads"):
            least = 0 if attribute == "pads" else 1
            most = MAX_PADDING if attribute == "pads" else 2**31 - 1
            wrong = [number for number in _integers(node, attribute) if not least <= number <= most]
            if wrong:
                expected = f"{least} or more" if wrong[0] < least else f"at most {most:,}"
                raise RunError(
                    f"{file.path}: layer {quoted(_layer(node))} ({node.op_type}) has {attribute} {wrong[0]}; "
                    f"expected {expected}"
                )


def check_memory(file: OnnxFile) -> None:
    """Check that no tensor, as far as its shape is known before a run, takes more than 4 GiB.

    Shapes are inferred only when an operator of the graph can make a large tensor out of small ones. A
    dimension that the model leaves open counts as 1.

    Raises:
        RunError: One does; it is named with the operator that makes it.
    """
    if not any(_may_grow(file, node) for node in _nodes(file)):
        return
    model = _with_constants(file)
    if model is None:
        return
    makers = {name: node.op_type for node in _nodes(file) for name in node.outputs}
    for info in _infos(model.graph):
        kind = info.type.tensor_type
        try:
            dtype = DataType(kind.elem_type)
        except ValueError:
            # Not a tensor, or of a type that inference could not tell.
            continue
        count = math.prod(d.dim_value for d in kind.shape.dim if d.HasField("dim_value"))
        if dtype.nbytes(count) > MAX_TENSOR_BYTES:
            maker = makers.get(info.name, "the graph")
            raise RunError(
                f"{file.path}: the value {quoted(info.name)} made by {maker} would take "
                f"{dtype.nbytes(count):,} bytes; expected at most {MAX_TENSOR_BYTES:,}"
            )


def _nodes(file: OnnxFile) -> Iterator[Node]:
    yield from all_nodes(file.graph.nodes)
    for function in file.functions:
        yield from all_nodes(function.nodes)


def _layer(node: Node) -> str:
    return node.metadata.get("inspector.layer") or node.name or (node.outputs[0] if node.outputs else "")


def _integers(node: Node, attribute: str) -> tuple[int, ...]:
    found = node.attributes.get(attribute, ())
    numbers: Iterable[object] = found if isinstance(found, tuple) else (found,)
    return tuple(number for number in numbers if isinstance(number, int))


def _may_grow(file: OnnxFile, node: Node) -> bool:
    if node.op_type in _GROWING:
        return True
    if node.op_type in _WINDOWED:
        return any(
            number > _LARGE_WINDOW
            for attribute in ("pads", "strides", "output_shape", "output_padding")
            for number in _integers(node, attribute)
        )
    constants = file.graph.initializers
    sizes = [constants[name].size for name in node.inputs if name in constants]
    return len(sizes) == len(node.inputs) > 1 and math.prod(sizes) > _LARGE_PAIR


def _with_constants(file: OnnxFile) -> ModelProto | None:
    """The model without weights, shapes inferred; None when they cannot be.

    Small constants that the graph computes are put in beforehand. onnx could propagate them itself, but would
    then fill a tensor of any size with numbers.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper, shape_inference

    try:
        model = onnx.load_model_from_string(file.skeleton())
        known: Mapping[str, object] = {tensor.name: tensor for tensor in model.graph.initializer}
        for name, array in small_constants(file.graph).items():
            if name not in known:
                model.graph.initializer.append(numpy_helper.from_array(array, name))
        computed = {tensor.name for tensor in model.graph.initializer}
        kept = [node for node in model.graph.node if not set(node.output) <= computed]
        del model.graph.node[:]
        model.graph.node.extend(kept)
        return shape_inference.infer_shapes(model)
    except (shape_inference.InferenceError, DecodeError):
        # onnxruntime says better than this what is wrong with such a graph.
        return None


def _infos(graph: GraphProto) -> Iterator[ValueInfoProto]:
    waiting = [graph]
    while waiting:
        graph = waiting.pop()
        yield from graph.value_info
        yield from graph.output
        for node in graph.node:
            for attribute in node.attribute:
                waiting.extend(attribute.graphs)
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
