"""Files converted and run, against LiteRT, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from lite_files import run

from converters.errors import UnsupportedError
from converters.formats import Request
from converters.tflite.format import TFLITE


def session_of(path: Path, out: Path, opset: int = 17) -> tuple[onnxruntime.InferenceSession, list[float]]:
    """A file as a session of onnxruntime, and the steps of its quantised outputs."""
    with TFLITE.open(path, Request(verify=False, opset=opset)) as source:
        written = source.write()
        written.model.write(out)
        onnx.checker.check_model(str(out))
        steps = [source.steps.get(spec.name, 0.0) for spec in source.outputs]
    return onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"]), steps


def refused(tmp_path: Path, content: bytes) -> str:
    """What is said of the operator that a file cannot be converted for."""
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(UnsupportedError) as caught:
        session_of(path, tmp_path / "m.onnx")
    return caught.value.message.removeprefix(f"{path}: cannot be converted: no emitter for ")


def check(tmp_path: Path, content: bytes, *feeds: np.ndarray, within: float = 1e-5) -> None:
    """Hold a converted file against LiteRT: to a part of the largest number, or to whole steps."""
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    session, _ = session_of(path, tmp_path / "m.onnx")
    got = session.run(None, {entry.name: x for entry, x in zip(session.get_inputs(), feeds, strict=True)})
    for array, expected in zip(got, run(path, *feeds), strict=True):
        assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
        allowed = within * max(1.0, float(np.abs(expected).max(initial=0.0))) if within < 1 else within
        assert np.abs(array.astype(np.float64) - expected).max(initial=0.0) <= allowed
