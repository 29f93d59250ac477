"""Networks that tflearn and TensorFlow saved, converted, against what they themselves predicted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from converters.conversion import convert
from converters.formats import Request

ZOO = Path(__file__).resolve().parents[1] / "zoo"
NAMES = sorted(
    name
    for script in ZOO.glob("*networks.py")
    for name in re.findall(r"^@\w+_network\ndef (\w+)", script.read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("name", NAMES)
def test_the_converted_network_predicts_what_its_framework_predicted(zoo, tmp_path, name):
    stored = np.load(zoo / name / f"{name}.npz")
    # tflearn applies featurewise preprocessing outside the graph, when it predicts.
    request = Request(bake_preprocessing=name.startswith("featurewise"))
    done = convert(zoo / name / str(stored["source"]), tmp_path / "m.onnx", request=request)
    assert done.certificate.verdict == "equal"
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    declared = {entry.name: entry for entry in session.get_inputs()}
    assert sorted(declared) == sorted(stored["inputs"])
    feeds = {name: stored[f"x{index}"] for index, name in enumerate(stored["inputs"])}
    values = session.run(list(stored["outputs"]), feeds)
    assert len(session.get_outputs()) == len(values)
    for index, value in enumerate(values):
        expected = stored[f"y{index}"]
        assert value.shape == expected.shape
        assert np.abs(value - expected).max() <= 2e-6 * max(1.0, float(np.abs(expected).max()))
