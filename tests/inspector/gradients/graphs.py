"""What the checks do to ONNX graphs: cut them short, run them, and write them in float64."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from inspector.gradients.names import reads

Array = NDArray[Any]


def inputs(model: ModelProto) -> list[ValueInfoProto]:
    """What a model takes; before version 4 every initializer had to be declared as an input as well."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in stored]


def constants(model: ModelProto, names: Container[str] | None = None) -> dict[str, Array]:
    """The initializers, and what the Constant nodes hold: all, or those of these names."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            stored[node.output[0]] = node.attribute[0].t
    return {
        name: numpy_helper.to_array(tensor)
        for name, tensor in stored.items()
        if names is None or name in names
    }


def ending_at(model: ModelProto, *names: str) -> ModelProto:
    """A copy that gives these values, without what they do not need."""
    ended = ModelProto()
    ended.CopyFrom(model)
    needed, kept = set(names), []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(reads(node))
            kept.append(node)
    del ended.graph.node[:], ended.graph.output[:], ended.graph.input[:]
    ended.graph.node.extend(kept[::-1])
    ended.graph.input.extend(info for info in model.graph.input if info.name in needed)
    declared = {info.name: info for info in model.graph.output}
    ended.graph.output.extend(declared.get(name, helper.make_empty_tensor_value_info(name)) for name in names)
    return ended


def run(model: ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Every output, by onnxruntime; feeds that the model does not take are left out."""
    opened = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in opened.get_outputs()]
    taken = {each.name for each in opened.get_inputs()}
    given = {name: array for name, array in feeds.items() if name in taken}
    return dict(zip(names, opened.run(names, given), strict=True))


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
