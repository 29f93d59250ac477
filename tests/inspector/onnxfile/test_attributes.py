from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.onnxfile import Graph, Node, OnnxFile, SparseTensor, Tensor, open_onnx
from inspector.onnxfile.wire import encode_bytes, encode_number, encode_varint

Make = Callable[..., ModelProto]
Open = Callable[[ModelProto], OnnxFile]
Write = Callable[..., Path]
Refusal = Callable[[Callable[[], object]], str]


def test_plain_attributes_have_the_types_of_python(model: Make, opened: Open) -> None:
    given = {
        "real": 0.5,
        "whole": -3,
        "text": "grüß",
        "reals": (1.5, -2.0),
        "wholes": (-1, 2**40),
        "texts": ("a", "b"),
    }
    node = helper.make_node(
        "Relu", ["x"], ["y"], **{k: v if not isinstance(v, tuple) else list(v) for k, v in given.items()}
    )
    node.attribute.append(helper.make_attribute("bytes", b"\xff\x00"))
    attributes = opened(model([node])).graph.nodes[0].attributes
    assert dict(attributes) == {**given, "bytes": b"\xff\x00"}
    assert (len(attributes), "whole" in attributes, attributes.get("absent")) == (7, True, None)
    assert repr(attributes) == repr(dict(attributes))


def test_tensors_and_graphs_are_attributes_too(model: Make, opened: Open) -> None:
    array = np.arange(3, dtype=np.float32)
    tensor = numpy_helper.from_array(array)
    sparse = helper.make_sparse_tensor(tensor, numpy_helper.from_array(np.array([0, 2, 4])), [5])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["g"])], "inner", [], [])
    node = helper.make_node(
        "Relu", ["x"], ["y"], one=tensor, many=[tensor, tensor], body=graph, bodies=[graph]
    )
    node.attribute.append(helper.make_attribute("sparse", sparse))
    node.attribute.append(helper.make_attribute("sparses", [sparse]))
    node.attribute.append(
        helper.make_attribute("type", helper.make_tensor_type_proto(TensorProto.FLOAT, [1]))
    )
    found: Node = opened(model([node])).graph.nodes[0]
    one, many, body = (found.attributes[name] for name in ("one", "many", "body"))
    assert isinstance(one, Tensor)
    assert isinstance(many, tuple)
    assert isinstance(body, Graph)
    assert one.numpy().tolist() == [0, 1, 2]
    assert [part.numpy().tolist() for part in many if isinstance(part, Tensor)] == [[0, 1, 2]] * 2
    assert found.has_graphs
    assert [inner.name for inner in found.graphs] == ["inner", "inner"]
    assert isinstance(found.attributes["sparse"], SparseTensor)
    assert found.attributes["sparse"].numpy().tolist() == [0, 0, 1, 0, 2]
    assert isinstance(found.attributes["sparses"], tuple)
    assert found.attributes["type"] is None


def test_a_node_without_graphs_says_so(model: Make, opened: Open) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="2Z2Z", kernel_shape=[50, 90], auto_pad="22ZZ")
    found = opened(model([node])).graph.nodes[0]
    assert not found.has_graphs
    assert list(found.graphs) == []


def test_a_large_constant_is_not_copied_to_be_described(model: Make, opened: Open) -> None:
    array = np.zeros(100_000, np.float32)
    node = helper.make_node("Constant", [], ["y"], name="big", value=numpy_helper.from_array(array))
    found = opened(model([node])).graph.nodes[0]
    value = found.attributes["value"]
    assert (found.name, found.has_graphs) == ("big", False)
    assert isinstance(value, Tensor)
    assert value.nbytes == 400_000


def attribute(*parts: bytes) -> bytes:
    """A model's bytes to append: a node with one attribute, named "a"."""
    content = encode_bytes(1, b"a") + b"".join(parts)
    node = encode_bytes(4, b"Relu") + encode_bytes(2, b"z") + encode_bytes(3, b"n") + encode_bytes(5, content)
    return encode_bytes(7, encode_bytes(1, node))


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ([encode_number(3, 7)], 7),
        ([encode_bytes(4, b"old")], "old"),
        ([encode_bytes(8, encode_varint(1) + encode_varint(2**64 - 1)), encode_number(20, 7)], (1, -1)),
        ([encode_bytes(7, np.array([1, 2], "<f4").tobytes()), encode_number(20, 6)], (1.0, 2.0)),
        ([encode_number(20, 2)], 0),
        ([encode_number(20, 1)], 0.0),
        ([encode_number(20, 3)], ""),
        ([encode_number(20, 4)], None),
        ([encode_number(20, 7)], ()),
        ([encode_bytes(21, b"outer"), encode_number(20, 2)], None),
        ([], None),
    ],
    ids=[
        "an integer without a type",
        "a text without a type",
        "packed integers",
        "packed floats",
        "no integer",
        "no float",
        "no text",
        "no tensor",
        "no integers",
        "a reference",
        "nothing",
    ],
)
def test_what_other_writers_leave_out_or_pack_is_understood(
    parts: list[bytes], value: object, model: Make, write: Write
) -> None:
    path = write(model().SerializeToString() + attribute(*parts))
    assert open_onnx(path).graph.nodes[1].attributes["a"] == value


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([b"\x0b"], "the Relu node 'n' is damaged: no field of ONNX has wire type 3 at byte PLACE"),
        (
            [encode_bytes(5, b"\x08\x01") * 2, encode_number(20, 4)],
            "the Relu node 'n' gives its attribute 'a' 2 values",
        ),
        (
            [encode_bytes(5, b"\x08\x01"), encode_number(20, 4)],
            "the tensor of the attribute 'a' of the Relu node 'n' has no element type",
        ),
    ],
)
def test_a_broken_attribute_is_refused_when_it_is_read(
    parts: list[bytes], message: str, model: Make, write: Write, refusal: Refusal
) -> None:
    path = write(model().SerializeToString() + attribute(*parts))
    expected = f"m.onnx: {message}".replace("PLACE", str(path.stat().st_size - 1))
    node = open_onnx(path).graph.nodes[1]
    assert refusal(lambda: dict(node.attributes)) == expected


def test_an_attribute_given_twice_is_refused(model: Make, opened: Open, refusal: Refusal) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], alpha=1)
    node.attribute.append(helper.make_attribute("alpha", 2))
    found = opened(model([node])).graph.nodes[0]
    expected = "m.onnx: node 0 (Relu) has the attribute 'alpha' twice"
    assert refusal(lambda: found.attributes["alpha"]) == expected


def test_a_damaged_value_type_is_refused_when_it_is_read(model: Make, write: Write, refusal: Refusal) -> None:
    content = model().SerializeToString() + encode_bytes(7, encode_bytes(13, encode_bytes(2, b"\x0b")))
    graph = open_onnx(write(content)).graph
    expected = (
        f"m.onnx: a value's type is damaged: no field of ONNX has wire type 3 at byte {len(content) - 1}"
    )
    assert refusal(lambda: dict(graph.values)) == expected
