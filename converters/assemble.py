"""The converted model as nodes and weights apart, and how the two become one file.

Weights stay the arrays that the source's reader handed out, often views of a mapped file. They meet the
nodes only in the output file, written once, without a copy in memory.

Reference: https://protobuf.dev/programming-guides/encoding/ for the bytes, onnx.proto3 for the field numbers.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from converters.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_Message = TypeVar("_Message")

LAYER_KEY = "inspector.layer"
# Node metadata came with ONNX 1.16, IR version 10.
MIN_IR_VERSION = 10
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_GRAPH_INITIALIZER = 5
_TENSOR_RAW_DATA = 9
_PROTOBUF_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class Assembled:
    """A model whose weights are beside it.

    Attributes:
        nodes: The model without its large weights.
        weights: Initializer name → array, in the shape and type that the nodes read.
    """

    nodes: ModelProto
    weights: Mapping[str, NDArray[Any]]

    @property
    def parameters(self) -> int:
        """How many numbers the initializers hold, small ones included."""
        small = sum(int(np.prod(tensor.dims)) for tensor in self.nodes.graph.initializer)
        return small + sum(array.size for array in self.weights.values())

    def write(self, path: Path) -> None:
        """Write one self-contained ONNX file.

        Args:
            path: The file to write.

        Raises:
            UnsupportedError: The file would pass the 2 GiB that a protobuf message may have.
        """
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self.nodes)
        graph = model.graph.SerializeToString()
        model.ClearField("graph")
        headers = [(_tensor_header(name, array), array) for name, array in self.weights.items()]
        fields = [
            (_tag(_GRAPH_INITIALIZER, len(head) + array.nbytes) + head, array) for head, array in headers
        ]
        size = len(graph) + sum(len(head) + array.nbytes for head, array in fields)
        if size > _PROTOBUF_LIMIT:
            raise UnsupportedError(
                f"{path}: the model would take {size:,} bytes; one ONNX file may take {_PROTOBUF_LIMIT:,}"
            )
        with path.open("wb") as file:
            file.write(model.SerializeToString())
            file.write(_tag(_MODEL_GRAPH, size) + graph)
            for head, array in fields:
                file.write(head)
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        let_go(self.weights.values())

    def with_outputs(self, names: Iterable[str]) -> ModelProto:
        """The model with more of its values as outputs, for running it in memory with `weights` beside it.

        Each weight is declared as external data, of which onnxruntime asks the caller.
        """
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self.nodes)
        present = {output.name for output in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
        for name, array in self.weights.items():
            tensor = model.graph.initializer.add(name=name, dims=array.shape, data_type=_onnx_dtype(array))
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="given by the caller")
        return model


def let_go(arrays: Iterable[NDArray[Any]]) -> None:
    """Give back the memory of mapped files that arrays are views of; it is read again when it is needed.

    What has been read of a mapped file counts as the process's own memory, the size of the weights here.
    """
    mapped: dict[int, mmap.mmap] = {}
    for array in arrays:
        base: object = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, memoryview):
            base = base.obj
        if isinstance(base, mmap.mmap):
            mapped[id(base)] = base
    for file in mapped.values():
        if hasattr(file, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            file.madvise(mmap.MADV_DONTNEED)


def put_back(model: ModelProto, weights: Mapping[str, NDArray[Any]]) -> Assembled:
    """Replace the graph inputs that stand for weights by the weights.

    Transposes and reshapes that only touch a weight are carried out on it, and disappear. A weight is called
    as its variable is, `conv_1/W`.

    Args:
        model: Nodes that read each weight as the graph input `NAME:0`. It is changed.
        weights: NAME → array.
    """
    graph = model.graph
    # Value name → the variable that it comes from, and its numbers.
    found = {f"{name}:0": (name, array) for name, array in weights.items()}
    outputs = {value.name for value in graph.output}
    _replace(graph.input, [value for value in graph.input if value.name not in found])
    small = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        origin, array = found.get(node.input[0] if node.input else "", ("", None))
        folded = None if array is None or node.output[0] in outputs else _fold(node, array, small)
        if folded is None:
            kept.append(node)
        else:
            found[node.output[0]] = origin, folded
    _replace(graph.node, kept)
    read = {name for node in kept for name in _reads(node)} | outputs
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in read])
    model.ir_version = max(model.ir_version, MIN_IR_VERSION)
    return _named_by_variable(model, {name: pair for name, pair in found.items() if name in read})


def name_layers(model: ModelProto, layers: Sequence[str]) -> None:
    """Write into each node its layer: the longest layer name that its own name starts with."""
    known = set(layers)
    for node in model.graph.node:
        # tf2onnx marks the nodes that it adds with a number behind two underscores.
        name = re.sub(r"__\d+$", "", node.name)
        while name and name not in known:
            name = name.rpartition("/")[0]
        if name:
            entry = node.metadata_props.add()
            entry.key, entry.value = LAYER_KEY, name


def append_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Add metadata to a finished ONNX file, whose other bytes stay as they are."""
    import onnx

    with path.open("ab") as file:
        for key, value in metadata.items():
            entry = onnx.StringStringEntryProto(key=key, value=value).SerializeToString()
            file.write(_tag(_MODEL_METADATA, len(entry)) + entry)


def _reads(node: NodeProto) -> Iterable[str]:
    """What a node reads, in its subgraphs too."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)


def _fold(node: NodeProto, array: NDArray[Any], small: Mapping[str, TensorProto]) -> NDArray[Any] | None:
    """What a node makes of the weight that it reads, when it only moves its numbers; None otherwise."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in _MOVES:
        return None
    return _MOVES[node.op_type](array, _numbers(node, small))


def _reshaped(array: NDArray[Any], sizes: list[int] | None) -> NDArray[Any] | None:
    if sizes is None:
        return None
    return array.reshape([array.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)])


# Each takes the weight and the node's permutation, axes or sizes, None where they are not constant.
_MOVES: Mapping[str, Callable[[NDArray[Any], list[int] | None], NDArray[Any] | None]] = {
    "Identity": lambda array, _: array,
    "Transpose": lambda array, axes: array.transpose(axes),
    "Reshape": _reshaped,
    "Squeeze": lambda array, axes: array.squeeze(None if axes is None else tuple(axes)),
    "Unsqueeze": lambda array, axes: None if axes is None else np.expand_dims(array, tuple(axes)),
}


def _numbers(node: NodeProto, small: Mapping[str, TensorProto]) -> list[int] | None:
    """A node's permutation, axes or shape: an attribute, or its second input."""
    from onnx import numpy_helper

    for attribute in node.attribute:
        if attribute.name in ("perm", "axes"):
            return list(attribute.ints)
    if len(node.input) > 1 and node.input[1] in small:
        return [int(number) for number in numpy_helper.to_array(small[node.input[1]])]
    return None


def _named_by_variable(model: ModelProto, found: Mapping[str, tuple[str, NDArray[Any]]]) -> Assembled:
    graph = model.graph
    taken = {name for node in graph.node for name in (*_reads(node), *node.output)}
    taken |= {entry.name for entry in (*graph.input, *graph.output, *graph.initializer)}
    names: dict[str, str] = {}
    weights: dict[str, NDArray[Any]] = {}
    for value, (variable, array) in found.items():
        name, number = variable, 1
        while name in taken:
            name, number = f"{variable}_{number}", number + 1
        taken.add(name)
        names[value] = name
        weights[name] = array
    _rename(graph.node, names)
    return Assembled(model, weights)


def _rename(nodes: Iterable[NodeProto], names: Mapping[str, str]) -> None:
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                _rename(graph.node, names)


def _replace(field: MutableSequence[_Message], kept: Iterable[_Message]) -> None:
    """Set a repeated protobuf field."""
    kept = list(kept)
    del field[:]
    field.extend(kept)


def _tensor_header(name: str, array: NDArray[Any]) -> bytes:
    """A TensorProto up to where its raw bytes begin."""
    import onnx

    tensor = onnx.TensorProto(name=name, data_type=_onnx_dtype(array), dims=array.shape)
    head: bytes = tensor.SerializeToString()
    return head + _tag(_TENSOR_RAW_DATA, array.nbytes)


def _onnx_dtype(array: NDArray[Any]) -> int:
    import onnx

    return int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))


def _tag(field: int, length: int) -> bytes:
    """Key and length of a length-delimited protobuf field."""
    return _varint(field << 3 | 2) + _varint(length)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
