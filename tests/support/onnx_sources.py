"""ONNX files as sources of `convert`, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.conversion import convert
from converters.errors import SourceError
from converters.formats import Request

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "certificate.schema.json").read_text(encoding="utf-8")
)
RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(0, 0.3, (8, 3, 3, 3)).astype("f4")
DENSE = RANDOM.normal(0, 0.3, (288, 4)).astype("f4")


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def network(*, opset=17, ir=10, weights=None, nodes=None, inputs=None, outputs=None, **more):
    """A convolution and a dense layer."""
    nodes = nodes or [
        helper.make_node("Conv", ["x", "features.0.weight"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "fc/kernel"], ["y"]),
    ]
    if weights is None:
        weights = [
            numpy_helper.from_array(KERNEL, "features.0.weight"), numpy_helper.from_array(DENSE, "fc/kernel")
        ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "net", inputs or [value("x", ["N", 3, 12, 12])], outputs or [value("y", ["N", 4])], weights
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, **more)


def converted(path, tmp_path, **choices):
    done = convert(path, tmp_path / "out.onnx", request=Request(**choices), force=True)
    jsonschema.validate(done.certificate.to_dict(), SCHEMA)
    return done


def answers(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def refusal(path, tmp_path, kind=SourceError, **choices):
    with pytest.raises(kind) as caught:
        converted(path, tmp_path, **choices)
    assert not (tmp_path / "out.onnx").exists()
    return caught.value.message
