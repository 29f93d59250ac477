"""Which value of the checkpoint each variable takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tf_files import GraphBuilder

from converters.errors import SourceError
from converters.tensorflow.graph import Saver, read_source
from converters.tensorflow.restore import read_variable, stored_variables
from converters.tensorflow.signature import output_type
from converters.tensorflow.topology import Node, read_topology

W = np.arange(12, dtype=np.float32).reshape(4, 3)


def saved(folder, part: str, *, op: str = "RestoreV2", shape=(2, 3), through: bool = False):
    """A variable v that the saver fills with a part of the checkpoint's w."""
    graph = GraphBuilder()
    graph.add("v", "VariableV2", dtype="float32", shape=shape)
    graph.const("save/Const", b"model", dtype="object")
    graph.const("save/names", [b"w"], dtype="object")
    graph.const("save/slices", [part.encode()], dtype="object")
    graph.add("save/restore", op, "save/Const", "save/names", "save/slices")
    last = graph.add("save/Identity", "Identity", "save/restore") if through else "save/restore"
    graph.add("save/Assign", "Assign", "v", last, T="float32")
    graph.add("save/restore_all", "NoOp", "^save/Assign")
    graph.write_checkpoint(folder / "net", {"w": W})
    source = replace(read_source(folder), saver=Saver("save/Const:0", "save/restore_all"))
    return source, read_topology(source.graph_def, "net")


def value(source, topology):
    return read_variable(source, topology.nodes["v"], stored_variables(source, topology))


@pytest.mark.parametrize("through", [False, True])
@pytest.mark.parametrize("op", ["Restore", "RestoreV2", "RestoreSlice"])
def test_a_variable_takes_the_slice_that_the_saver_names(tmp_path, op, through):
    np.testing.assert_array_equal(value(*saved(tmp_path, "4 3 1,2:-", op=op, through=through)), W[1:3])


def test_no_slice_is_all_of_the_value(tmp_path):
    np.testing.assert_array_equal(value(*saved(tmp_path, "", shape=(4, 3))), W)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("4 3 3,2:-", "a slice covers 3 to 5 of an axis of 4"),
        ("4 3 0,2", "a slice has 1 axes where the variable has 2"),
        ("4 3 a,b:-", "the saver names the slice '4 3 a,b:-', which is none"),
    ],
)
def test_a_slice_that_cannot_be_is_refused(tmp_path, part, message):
    source, topology = saved(tmp_path, part)
    with pytest.raises(SourceError) as caught:
        value(source, topology)
    assert caught.value.message == f"{tmp_path}: the variable 'v': {message}"


def test_a_restore_that_cannot_be_followed_leaves_the_variable_its_own_name(tmp_path):
    source, topology = saved(tmp_path, "")
    for broken in ("save/names", "save/restore"):
        definition = topology.nodes[broken].definition
        nodes = {**topology.nodes, broken: Node(broken, "Unknown", (), (), definition)}
        assert stored_variables(source, replace(topology, nodes=nodes)) == {}


def test_a_resource_is_kept_under_its_shared_name(tmp_path):
    graph = GraphBuilder()
    graph.add("handle", "VarHandleOp", dtype="float32")
    graph.graph.node[0].attr["shared_name"].s = b"w"
    graph.write_checkpoint(tmp_path / "net", {"w": W})
    source = read_source(tmp_path)
    topology = read_topology(source.graph_def, "net")
    np.testing.assert_array_equal(read_variable(source, topology.nodes["handle"], {}), W)


@pytest.mark.parametrize(
    ("op", "attrs", "place", "expected"),
    [
        ("Relu", {"T": "float16"}, 0, 19),
        ("Less", {"T": "float32"}, 0, 10),
        ("Shape", {"T": "float32"}, 0, 3),
        ("Shape", {"T": "float32", "out_type": "int64"}, 0, 9),
        ("ArgMax", {"T": "float32"}, 0, 9),
        ("ArgMax", {"T": "float32", "output_type": "int32"}, 0, 3),
        ("TopKV2", {"T": "float32"}, 1, 3),
        ("Cast", {"SrcT": "float32", "DstT": "int32"}, 0, 3),
        ("Unknown", {}, 0, 0),
    ],
)
def test_the_type_of_an_output_is_what_the_op_says(op, attrs, place, expected):
    graph = GraphBuilder()
    graph.add("y", op, **attrs)
    assert output_type(read_topology(graph.graph, "net").nodes["y"], place) == expected
