"""Where ONNX sources are written."""

from __future__ import annotations

import pytest


@pytest.fixture
def save(tmp_path):
    def write(model, name="net.onnx"):
        (tmp_path / name).write_bytes(model.SerializeToString())
        return tmp_path / name

    return write
