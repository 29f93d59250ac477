"""Networks that tflearn and TensorFlow saved, converted, against what they themselves predicted."""

from __future__ import annotations

import numpy as np
import onnxruntime

from converters.conversion import convert
from converters.formats import Request


def test_the_converted_network_predicts_what_its_framework_predicted(zoo, tmp_path, zoo_network):
    folder = zoo / zoo_network
    stored = np.load(folder / f"{zoo_network}.npz")
    # What tflearn does to the data outside the graph when it predicts.
    request = Request(bake_preprocessing=bool(stored["preprocessed"]))
    done = convert(folder / str(stored["source"]), tmp_path / "m.onnx", request=request)
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
