from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference

from inspector.onnxfile import OnnxFile

Make = Callable[..., ModelProto]
Open = Callable[[ModelProto], OnnxFile]

LARGE = np.arange(2000, dtype=np.float32)
SMALL = np.arange(5, dtype=np.int64)


def reduced(proto: TensorProto) -> bool:
    """Whether a tensor has kept its description and lost its data."""
    described = (proto.data_type, list(proto.dims)) == (TensorProto.FLOAT, [2000])
    empty = not (proto.raw_data or proto.float_data or proto.external_data)
    return described and empty and proto.data_location == TensorProto.EXTERNAL


def test_small_tensors_keep_their_values_and_large_ones_their_description(model: Make, opened: Open) -> None:
    typed = helper.make_tensor("typed", TensorProto.FLOAT, (2000,), LARGE)
    tensors = [numpy_helper.from_array(LARGE, "raw"), typed, numpy_helper.from_array(SMALL, "small")]
    proto = model(None, tensors)
    helper.set_model_props(proto, {"key": "value"})
    found = onnx.load_model_from_string(opened(proto).skeleton())
    raw, other, small = found.graph.initializer
    assert (raw.name, other.name) == ("raw", "typed")
    assert reduced(raw)
    assert reduced(other)
    np.testing.assert_array_equal(numpy_helper.to_array(small), SMALL)
    del found.graph.initializer[:]
    del proto.graph.initializer[:]
    assert found == proto


def test_large_tensors_are_reduced_wherever_they_stand(model: Make, opened: Open) -> None:
    tensor = numpy_helper.from_array(LARGE)
    constant = helper.make_node("Constant", [], ["k"], value=tensor)
    indices = numpy_helper.from_array(np.arange(2000), "")
    sparse = helper.make_sparse_tensor(numpy_helper.from_array(LARGE, "s"), indices, [4000])
    inner = helper.make_graph([constant], "inner", [], [], [numpy_helper.from_array(LARGE, "w")])
    nodes = [
        helper.make_node("Relu", ["x"], ["y"], beta=0.5),
        constant,
        helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner),
    ]
    proto = model(nodes)
    proto.graph.sparse_initializer.append(sparse)
    proto.functions.append(
        helper.make_function("f", "F", [], ["k"], [constant], [helper.make_opsetid("", 18)])
    )
    proto.training_info.add().algorithm.node.append(constant)
    found = onnx.load_model_from_string(opened(proto).skeleton())
    branch = found.graph.node[2].attribute[0].g
    assert reduced(found.graph.node[1].attribute[0].t)
    assert reduced(branch.node[0].attribute[0].t)
    assert reduced(branch.initializer[0])
    assert reduced(found.graph.sparse_initializer[0].values)
    assert reduced(found.functions[0].node[0].attribute[0].t)
    assert found.graph.node[0] == nodes[0]
    assert not found.training_info
    assert found.ByteSize() < 2000


def test_long_lists_of_numbers_stay_in_it(model: Make, opened: Open) -> None:
    values = np.linspace(0, 1, 500).astype(np.float32).tolist()
    node = helper.make_node("Relu", ["x"], ["y"], values=values, sizes=list(range(500)), text="a" * 2000)
    found = onnx.load_model_from_string(opened(model([node])).skeleton())
    assert found.graph.node[0] == node


def test_shapes_can_be_inferred_on_it(model: Make, opened: Open) -> None:
    weight = numpy_helper.from_array(np.zeros((4, 1000), np.float32), "w")
    shape = numpy_helper.from_array(np.array([10, 100]), "shape")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Reshape", ["m", "shape"], ["r"]),
    ]
    bare = onnx.load_model_from_string(opened(model(nodes, [weight, shape])).skeleton())
    values = {value.name: value for value in shape_inference.infer_shapes(bare).graph.value_info}
    sizes = {name: [d.dim_value for d in v.type.tensor_type.shape.dim] for name, v in values.items()}
    assert sizes == {"m": [1, 1000], "r": [10, 100]}
