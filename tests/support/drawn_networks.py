"""Networks for `visualize`, built by hand, whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inspector import load
from inspector.preprocess import Preprocess

EDGE = np.outer([1, 1, 1, 1, 1], [-1, -1, 0, 1, 1]).astype(np.float32)
SPOT = np.where(np.hypot(*np.mgrid[-2:3, -2:3]) < 1.5, 1, -0.5).astype(np.float32)


def saved(tmp_path, nodes, weights, shape=("N", 1, 12, 14), metadata=None, kind=TensorProto.FLOAT):
    value = helper.make_tensor_value_info("x", kind, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [value], [result], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    channels = "gray" if 1 in shape[1:] else "rgb"
    told = metadata or {"inspector.preprocess": Preprocess(channels).to_json()}
    helper.set_model_props(model, told)
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return load(path)


def alike(picture, pattern):
    """The correlation of a picture's pixels with a pattern."""
    return np.corrcoef(picture.astype(float).ravel(), pattern.ravel())[0, 1]


def classifier(tmp_path, batch="N", end="Softmax"):
    """Three classes: each wants one third of the picture white and the others black."""
    weights = np.full((3, 12, 15), -1, np.float32)
    for number in range(3):
        weights[number, :, 5 * number : 5 * number + 5] = 1
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "d"], ["l"]),
        helper.make_node(end, ["l"], ["y"]),
    ]
    told = {
        "inspector.preprocess": Preprocess("gray").to_json(),
        "inspector.labels": json.dumps(["left", "middle", "right"]),
    }
    shape = (batch, 1, 12, 15)
    return saved(tmp_path, nodes, {"d": weights.reshape(3, -1).T.copy()}, shape, told), weights


def yes_or_no(tmp_path, labels=(), end="Sigmoid"):
    """One sigmoid: the likelier, the whiter the left half and the blacker the right one."""
    weights = np.ones((12, 14), np.float32)
    weights[:, 7:] = -1
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "d"], ["l"]),
        helper.make_node(end, ["l"], ["y"]),
    ]
    told = {"inspector.preprocess": Preprocess("gray").to_json()}
    if labels:
        told["inspector.labels"] = json.dumps(list(labels))
    return saved(tmp_path, nodes, {"d": weights.reshape(-1, 1)}, metadata=told), weights
