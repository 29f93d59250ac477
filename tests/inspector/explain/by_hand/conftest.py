"""Networks built by hand that provably read one patch of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inspector.explain import Runner, Subject
from inspector.model import load
from inspector.predictor import Predictor

SIDE, PATCH = 16, 6


@dataclass(frozen=True)
class HandBuilt:
    """A network and what it reads.

    Attributes:
        path: Its file.
        subject: Three pictures with the classes that they get.
        mask: bool (16, 16): whatever can change the output.
        weights: The dense layer's, float32 (features, classes).
    """

    path: Path
    subject: Subject
    mask: NDArray[np.bool_]
    weights: NDArray[np.float32]


@pytest.fixture
def by_hand(tmp_path):
    """Make a network: its kind is "linear" or "conv"; a convolution without biases is "bare"."""

    def make(kind="conv", corner=(3, 8), *, axes="NCHW", ending="Softmax", batch="N", dtype="FLOAT"):
        random = np.random.default_rng(corner)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[corner[0] : corner[0] + PATCH, corner[1] : corner[1] + PATCH] = True
        read = mask.copy()
        if kind != "linear":
            # Only positions whose window of 3x3 is in the patch.
            read[:] = False
            read[corner[0] + 1 : corner[0] + PATCH - 1, corner[1] + 1 : corner[1] + PATCH - 1] = True
        channels = 1 if kind == "linear" else 4
        weight = random.uniform(0.5, 1, (channels, SIDE, SIDE)) * read
        kernels = random.uniform(0.05, 0.2, (channels, 1, 3, 3)).astype(np.float32)
        middle = weight.sum() / 2 if kind == "linear" else (weight.sum((1, 2)) @ kernels.sum((1, 2, 3))) / 2
        scale = (0.015 if dtype == "UINT8" else 4) / middle
        dense = (scale * weight.ravel()[:, None] * ([[2]] if ending == "Sigmoid" else [[-1, 1]])).astype("f4")
        bias = np.array([-8] if ending == "Sigmoid" else [4, -4], np.float32) * (kind != "bare")
        plain = {"NCHW": [batch, 1, SIDE, SIDE], "NHWC": [batch, SIDE, SIDE, 1], "HWC": [SIDE, SIDE, 1]}
        value = "x"
        nodes = []
        if dtype == "UINT8":
            nodes.append(helper.make_node("Cast", [value], ["floats"], to=TensorProto.FLOAT))
            value = "floats"
        if axes == "HWC":
            nodes.append(helper.make_node("Unsqueeze", [value, "zero"], ["one"]))
            value = "one"
        if axes != "NCHW":
            nodes.append(helper.make_node("Transpose", [value], ["turned"], perm=[0, 3, 1, 2]))
            value = "turned"
        if kind != "linear":
            nodes.append(
                helper.make_node("Conv", [value, "conv.weight"], ["maps"], pads=[1] * 4, name="conv")
            )
            nodes.append(helper.make_node("Relu", ["maps"], ["last"]))
            value = "last"
        nodes.append(helper.make_node("Flatten", [value], ["flat"]))
        nodes.append(
            helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"], name="dense")
        )
        output = "logits"
        if ending:
            nodes.append(helper.make_node(ending, ["logits"], ["y"]))
            output = "y"
        stored = {"conv.weight": kernels, "dense.weight": dense, "dense.bias": bias.astype(np.float32)}
        tensors = [numpy_helper.from_array(array, name) for name, array in stored.items()]
        tensors.append(numpy_helper.from_array(np.array([0]), "zero"))
        x = helper.make_tensor_value_info("x", getattr(TensorProto, dtype), plain[axes])
        y = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, dense.shape[1]])
        graph = helper.make_graph(nodes, "by hand", [x], [y], tensors)
        path = tmp_path / f"{kind}-{axes}-{ending or 'logits'}-{dtype}-{corner}.onnx"
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return HandBuilt(path, subject_of(path, mask, dtype), mask, dense)

    return make


def subject_of(path, mask, dtype):
    """Three noisy pictures, dark, light and dark in the patch, with the classes that the network gives."""
    random = np.random.default_rng(5)
    pictures = random.uniform(0.2, 0.8, (3, 1, SIDE, SIDE))
    for number, picture in enumerate(pictures[:, 0]):
        picture[mask] = (
            random.uniform(0.75, 1, mask.sum()) if number % 2 else random.uniform(0, 0.25, mask.sum())
        )
    pictures = pictures * (255 if dtype == "UINT8" else 1)
    fields = {"channels": "gray", "range": "0..255" if dtype == "UINT8" else "0..1"}
    runner = Runner(Predictor(load(path), preprocess=fields))
    empty = Subject(runner, np.zeros((1, 1), np.float32), (0,))
    inputs = empty.as_input(pictures.astype(np.float32))
    targets = Subject(runner, inputs, (0, 0, 0)).probabilities(inputs).argmax(axis=1)
    return Subject(runner, inputs, tuple(int(target) for target in targets))
