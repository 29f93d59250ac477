"""The part of a model behind a layer, where a branch inside a node reads what stands outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.explain import Runner, Subject
from inspector.model import load
from inspector.predictor import Predictor


@pytest.fixture
def branching(tmp_path: Path) -> Subject:
    """A convolution, behind which an If reads its maps and a weight that nothing else reads."""
    random = np.random.default_rng(0)
    branches = []
    for name in ("then", "else"):
        made = helper.make_node("MatMul", ["flat", f"{name} weight"], [f"{name} scores"])
        result = helper.make_tensor_value_info(f"{name} scores", TensorProto.FLOAT, None)
        branches.append(helper.make_graph([made], name, [], [result]))
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4, name="conv"),
        helper.make_node("Flatten", ["c"], ["flat"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=branches[0], else_branch=branches[1]),
    ]
    stored = {"w": (2, 1, 3, 3), "then weight": (72, 3), "else weight": (72, 3)}
    tensors = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
        for name, shape in stored.items()
    ]
    tensors.append(numpy_helper.from_array(np.array(True), "yes"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 6, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "branching", [x], [y], tensors)
    path = tmp_path / "branching.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    runner = Runner(Predictor(load(path), preprocess={"channels": "gray", "range": "0..1"}))
    return Subject(runner, random.uniform(size=(2, 1, 6, 6)).astype(np.float32), (0, 2), "conv")


def test_running_on_from_a_layers_own_maps_changes_nothing(branching: Subject) -> None:
    layer = branching.target_layer
    maps = branching.values(branching.inputs, [layer.value])[layer.value]
    for index, expected in enumerate(branching.scores(branching.inputs, branching.targets)):
        found = branching.scores_from(index, layer, maps[index : index + 1])
        np.testing.assert_allclose(found, [expected], rtol=1e-4)
