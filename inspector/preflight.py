"""What is refused before onnxruntime sees it: windows that make no sense, and tensors that fill the memory.

onnxruntime computes constant parts of a graph while it opens a model, so a bomb goes off before any run; a
group of 0 can end the process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from inspector.errors import RunError
from inspector.growth import folded_sizes, is_outer_product
from inspector.layers.operators import KERNEL_INPUT
from inspector.onnxfile.checks import all_nodes
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.source import AGAIN, quoted
from inspector.shape_arithmetic import small_constants

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

    from inspector.onnxfile.graph import Graph, Node
    from inspector.onnxfile.model_file import OnnxFile

MAX_TENSOR_BYTES = 4 * 2**30
# Of one constant text: onnxruntime folds texts at many times their size, and no network needs more.
MAX_TEXT_BYTES = 2**26
MAX_PADDING = 65_535

_CONVOLUTIONS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"}
_POOLINGS = {"MaxPool", "AveragePool", "LpPool", "MaxUnpool", "QLinearAveragePool", "MaxRoiPool"}
_WINDOWED = frozenset(_CONVOLUTIONS | _POOLINGS)
# Operators whose output may be of any size, whatever that of their inputs.
_FILLING = {"ConstantOfShape", "EyeLike", "OneHot", "RandomNormal", "RandomUniform", "Range"}
_ENLARGING = {"CenterCropPad", "Col2Im", "Expand", "Pad", "Resize", "Tile", "Upsample"}
_WINDOWS = {"BlackmanWindow", "HammingWindow", "HannWindow"}
_GROWING = frozenset(_FILLING | _ENLARGING | _WINDOWS)
# Constants computed while the model is opened may have so many elements before shapes are inferred.
_LARGE_PAIR = 2**28
_LARGE_WINDOW = 1_024


def check_windows(file: OnnxFile) -> None:
    """Check group, strides, dilations, kernel shape and padding of every convolution and pooling.

    Raises:
        RunError: One is 0, negative, or a padding larger than 65,535, or stored kernels have no weights; the
            layer is named.
    """
    for node in _nodes(file):
        if node.op_type not in _WINDOWED:
            continue
        _check_kernels(file, node)
        for attribute in ("group", "strides", "dilations", "kernel_shape", "pads"):
            least = 0 if attribute == "pads" else 1
            most = MAX_PADDING if attribute == "pads" else 2**31 - 1
            wrong = [number for number in _integers(node, attribute) if not least <= number <= most]
            if wrong:
                expected = f"{least} or more" if wrong[0] < least else f"at most {most:,}"
                raise RunError(
                    f"{file.path}: layer {quoted(_layer(node))} ({node.op_type}) has {attribute} {wrong[0]}; "
                    f"expected {expected}",
                    AGAIN,
                )


def check_memory(file: OnnxFile) -> None:
    """Check that no tensor, as far as its shape is known before a run, takes more than 4 GiB.

    Nor may constant texts that are joined take more than 64 MiB.

    Shapes are inferred only when an operator of the graph can make a large tensor out of small ones. A
    dimension that the model leaves open counts as 1, so that what a larger batch takes is not seen.

    Raises:
        RunError: One does; it is named with the operator that makes it.
    """
    folded = dict(folded_sizes(file.graph))
    for node, size in folded.items():
        if node.op_type == "StringConcat" and size > MAX_TEXT_BYTES:
            raise _too_large(file, node.outputs[0], node.op_type, size, MAX_TEXT_BYTES)
    if max(folded.values(), default=0) <= _LARGE_PAIR and not any(
        _may_grow(file.graph, node) for node in _nodes(file)
    ):
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
            raise _too_large(file, info.name, maker, dtype.nbytes(count))


def _too_large(file: OnnxFile, name: str, maker: str, size: int, most: int = MAX_TENSOR_BYTES) -> RunError:
    return RunError(
        f"{file.path}: the value {quoted(name)} made by {maker} would take {size:,} bytes; "
        f"expected at most {most:,}",
        AGAIN,
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


def _check_kernels(file: OnnxFile, node: Node) -> None:
    at = KERNEL_INPUT.get(node.op_type, len(node.inputs))
    kernels = file.graph.initializers.get(node.inputs[at]) if at < len(node.inputs) else None
    if kernels is not None and not kernels.size:
        raise RunError(
            f"{file.path}: layer {quoted(_layer(node))} ({node.op_type}) has kernels of the shape "
            f"{list(kernels.shape)}; expected no axis of size 0",
            AGAIN,
        )


def _may_grow(graph: Graph, node: Node) -> bool:
    if node.op_type in _GROWING or is_outer_product(graph, node):
        return True
    return node.op_type in _WINDOWED and any(
        number > _LARGE_WINDOW
        for attribute in ("pads", "strides", "output_shape", "output_padding")
        for number in _integers(node, attribute)
    )


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
        _take_one(model.graph)
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


def _take_one(graph: GraphProto) -> None:
    """Give inputs of which only the batch is open the batch of 1, so that what follows has a size too."""
    stored = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in stored and dims and all(dim.dim_value > 0 for dim in dims[1:]):
            dims[0].dim_value = dims[0].dim_value or 1


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
