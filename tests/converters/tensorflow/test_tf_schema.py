from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from converters.errors import SourceError
from converters.tensorflow import schema
from converters.tensorflow.dtypes import from_numpy, name, to_numpy
from converters.tensorflow.tensors import tensor_array

# Where TensorFlow keeps each message; those that a module does not have are this schema's own.
_FRAMEWORK = "attr_value graph node_def tensor tensor_shape versions function op_def tensor_slice variable"
_PROTOBUF = "meta_graph saved_model saver tensor_bundle saved_object_graph trackable_object_graph"
_MODULES = {"core.framework": _FRAMEWORK.split(), "core.protobuf": _PROTOBUF.split()}


def fields(descriptor):
    """Per field its number, wire type and repetition; an enum is an int32 on the wire."""
    found = {}
    for field in descriptor.fields:
        kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
        found[field.name] = (field.number, kind, field.is_repeated)
    return found


def test_every_field_is_the_one_that_tensorflow_has(tensorflow):
    import importlib

    theirs = {}
    for package, modules in _MODULES.items():
        for module in modules:
            loaded = importlib.import_module(f"tensorflow.{package}.{module}_pb2")
            theirs.update(loaded.DESCRIPTOR.message_types_by_name)
    pairs = [(cls.DESCRIPTOR, theirs[name]) for name, cls in schema._classes().items() if name in theirs]
    compared = 0
    for mine, their in pairs:
        known = fields(their)
        for field, described in fields(mine).items():
            assert described == known[field], (mine.name, field)
            compared += 1
        pairs += [(nested, their.nested_types_by_name[nested.name]) for nested in mine.nested_types]
    assert compared > 150


def test_messages_and_tensorflow_live_in_one_process():
    program = (
        "from converters.tensorflow.schema import new\n"
        "graph = new('GraphDef')\n"
        "graph.node.add(name='x', op='Placeholder').attr['dtype'].type = 1\n"
        "from tensorflow.core.framework import graph_pb2\n"
        "print(graph_pb2.GraphDef.FromString(graph.SerializeToString()).node[0].attr['dtype'].type)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_what_the_schema_does_not_list_survives():
    node = schema.new("NodeDef")
    node.name = "x"
    unknown = node.SerializeToString() + bytes([15 << 3 | 2, 3]) + b"abc"
    assert schema.parse("NodeDef", unknown, "a node").SerializeToString() == unknown


def test_bytes_that_are_no_message_are_refused():
    with pytest.raises(SourceError) as caught:
        schema.parse("GraphDef", b"\x0a\xff\xff", "net.pb")
    assert caught.value.message == "net.pb: is damaged: not a readable GraphDef message"


_TYPES = "float32 float64 int32 uint8 int16 int8 int64 bool uint16 uint32 uint64 float16 complex64 complex128"


@pytest.mark.parametrize("dtype", [*_TYPES.split(), "bfloat16", "object"])
def test_a_tensor_of_every_type_reads_as_tensorflow_writes_it(dtype, tensorflow):
    import ml_dtypes

    kind = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    values = np.array([[b"a", b""], [b"bc", b"d"]], object) if dtype == "object" else np.eye(2).astype(kind)
    for array in (values, values[0, 0]):
        proto = tensorflow.make_tensor_proto(array)
        mine = schema.parse("TensorProto", proto.SerializeToString(), "a tensor")
        read = tensor_array(mine)
        assert read.dtype == kind
        np.testing.assert_array_equal(read, array)
        assert to_numpy(from_numpy(kind)) == kind


def test_one_listed_value_fills_the_whole_shape_and_a_list_repeats_its_last():
    tensor = schema.new("TensorProto")
    tensor.dtype = 1
    tensor.tensor_shape.dim.add(size=4)
    tensor.float_val.append(2.5)
    np.testing.assert_array_equal(tensor_array(tensor), np.full(4, 2.5, np.float32))
    tensor.float_val.append(3)
    np.testing.assert_array_equal(tensor_array(tensor), np.array([2.5, 3, 3, 3], np.float32))
    del tensor.float_val[:]
    np.testing.assert_array_equal(tensor_array(tensor), np.zeros(4, np.float32))


def made(dtype: int, sizes: list[int], **values: object):
    tensor = schema.new("TensorProto")
    tensor.dtype = dtype
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    for field, value in values.items():
        if isinstance(value, list):
            getattr(tensor, field).extend(value)
        else:
            setattr(tensor, field, value)
    return tensor


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (made(20, []), "its element type 20 has no values"),
        (made(1, [-1]), "its shape [-1] is not a static one"),
        (made(1, [2], tensor_content=b"abc"), "it has 3 bytes where 8 are expected"),
        (made(1, [1], float_val=[1, 2]), "it has 2 values where 1 are expected"),
        (
            made(1, [1 << 40], float_val=[1]),
            "its shape [1099511627776] needs 4,398,046,511,104 bytes, which it does not have",
        ),
        (made(1, [1] * 40), "its shape of 40 axes and 1 values is not a possible one"),
        (
            made(1, [0, 1 << 62, 1 << 62]),
            "its shape of 3 axes and 0 values is not a possible one",
        ),
        (made(24, [2], int_val=[1]), "its values are listed, which is not done for 8-bit floats"),
    ],
)
def test_a_tensor_whose_parts_do_not_fit_is_refused(tensor, message):
    with pytest.raises(ValueError) as caught:
        tensor_array(tensor)
    assert str(caught.value) == message


def test_types_are_named_for_messages():
    assert [name(number) for number in (1, 101, 7, 14, 20, 99)] == (
        ["float32", "float32", "string", "bfloat16", "resource", "type 99"]
    )
