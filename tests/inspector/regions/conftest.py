"""A network of which it is known what it reads."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector.explain import Explainer, Runner, find
from inspector.model import load
from inspector.predictor import Predictor

SIDE = 24
LEFT = (slice(4, 12), slice(2, 10))
RIGHT = (slice(4, 12), slice(14, 22))


@pytest.fixture
def reader(tmp_path):
    """Make an `Explainer` of a network whose two classes compare the light of patches with 1/2."""

    def make(*patches, methods=()):
        weights = np.zeros((SIDE, SIDE), np.float32)
        for patch in patches:
            weights[patch] = 12 / 64 / len(patches)
        dense = np.stack([-weights.ravel(), weights.ravel()], axis=1)
        bias = np.array([6.0, -6.0], np.float32)
        nodes = [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("Gemm", ["f", "w", "b"], ["l"]),
            helper.make_node("Softmax", ["l"], ["y"], axis=1),
        ]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
        tensors = [numpy_helper.from_array(dense, "w"), numpy_helper.from_array(bias, "b")]
        graph = helper.make_graph(nodes, "reader", [x], [y], tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        onnx.save(model, tmp_path / "reader.onnx")
        ready = Predictor(load(tmp_path / "reader.onnx"))
        return Explainer(Runner(ready), tuple(find(name) for name in methods), trust=False)

    return make


@pytest.fixture
def pictures(tmp_path):
    """Twelve noisy pictures, light and dark in turn at both patches; masks of the patches beside them."""
    random = np.random.default_rng(0)
    folder = tmp_path / "masks"
    folder.mkdir()
    paths = []
    for number in range(12):
        pixels = random.uniform(0.3, 0.7, (SIDE, SIDE))
        for patch in (LEFT, RIGHT):
            pixels[patch] = random.uniform(0.75, 1) if number % 2 else random.uniform(0, 0.25)
        path = tmp_path / f"{number:02d}_picture.png"
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
        paths.append(str(path))
        for name, patch in (("left", LEFT), ("right", RIGHT)):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[patch] = 255
            Image.fromarray(mask).save(folder / f"{number:02d}_{name}.png")
        rest = np.full((SIDE, SIDE), 255, np.uint8)
        rest[LEFT] = rest[RIGHT] = 0
        Image.fromarray(rest).save(folder / f"{number:02d}_rest.png")
    return paths
