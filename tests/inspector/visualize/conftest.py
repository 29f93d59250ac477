"""A network that looks for two patterns."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import EDGE, SPOT, saved
from onnx import helper


@pytest.fixture
def two_filters(tmp_path):
    """A padded convolution with a Relu: an edge, and a spot."""
    kernels = np.stack([EDGE, SPOT])[:, None]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["c"], ["y"], name="relu"),
    ]
    return saved(tmp_path, nodes, {"w": kernels})
