"""The models that the onnx package ships, read by both and compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, numpy_helper

from inspector.layers import layers_of
from inspector.onnxfile import Node, Tensor, open_onnx
from inspector.onnxfile.runnable import all_tensors, check_external, check_runnable

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
MODELS = sorted(DATA.glob("*/*/model.onnx")) + sorted(DATA.glob("light/*.onnx"))


def tensors_in(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        yield from tensors_of(node)


def tensors_of(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            yield attribute.t
        for graph in (attribute.g, *attribute.graphs):
            yield from tensors_in(graph)


def as_text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def same_node(ours: Node, theirs: NodeProto) -> bool:
    attributes = {
        attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in theirs.attribute
    }
    plain = {
        name: value for name, value in ours.attributes.items() if isinstance(value, (int, float, str, bytes))
    }
    return (
        (ours.name, ours.op_type, ours.inputs, ours.outputs)
        == (theirs.name, theirs.op_type, tuple(theirs.input), tuple(theirs.output))
        and list(ours.attributes) == list(attributes)
        and all(as_text(value) == as_text(attributes[name]) for name, value in plain.items())
    )


def test_there_is_a_corpus() -> None:
    assert len(MODELS) >= 100


@pytest.mark.parametrize("path", MODELS, ids=lambda path: "-".join(path.parts[-3:-1]) + path.stem)
def test_a_shipped_model_is_read_as_onnx_reads_it(path: Path) -> None:
    theirs = onnx.load(path, load_external_data=False)
    ours = open_onnx(path)
    assert len(ours.graph.nodes) == len(theirs.graph.node)
    assert all(map(same_node, ours.graph.nodes, theirs.graph.node))
    assert [value.name for value in ours.graph.inputs] == [value.name for value in theirs.graph.input]
    expected = {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors_in(theirs.graph)}
    found: list[Tensor] = list(all_tensors(ours))
    assert {tensor.name for tensor in found} == set(expected)
    for tensor in found:
        if tensor.name:
            np.testing.assert_array_equal(tensor.numpy(), expected[tensor.name])
    check_external(ours)
    check_runnable(ours)
    layers = layers_of(ours)
    assert len({layer.name for layer in layers}) == len(layers)
    assert all(node in ours.graph.nodes for layer in layers for node in layer.nodes)
    assert layers.to_dict()["parameters"] >= 0
