"""Networks that tflearn and TensorFlow saved, converted, against what they themselves predicted."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnxruntime
import pytest

from converters.conversion import Conversion, convert
from converters.errors import UnsupportedError
from converters.formats import Request
from converters.tensorflow import emit
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import read_source

# What the native engine leaves to tf2onnx: conditionals and loops that the input decides.
NOT_NATIVE = {
    "branch_on_data": "no emitter for Switch in cond; Merge in cond",
    "while_loop": "no emitter for Enter in while; Merge in while; LoopCond in while; Switch in while",
}


def converted(zoo, path, network, **choices) -> Conversion:
    stored = np.load(zoo / network / f"{network}.npz")
    # What tflearn does to the data outside the graph when it predicts.
    request = Request(bake_preprocessing=bool(stored["preprocessed"]), **choices)
    return convert(zoo / network / str(stored["source"]), path, request=request)


def check_predictions(zoo, done: Conversion, network: str) -> None:
    """Hold a converted network against the stored answers of its framework."""
    stored = np.load(zoo / network / f"{network}.npz")
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


@pytest.fixture
def without_tensorflow(monkeypatch):
    """Nothing of TensorFlow is installed, and no process can be started for it."""
    real = importlib.util.find_spec
    hidden = ("tensorflow", "tf2onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in hidden else real(name))
    monkeypatch.setattr("converters.tensorflow.framework.Child", None)


def test_without_tensorflow_a_network_predicts_what_its_framework_predicted(
    zoo, tmp_path, zoo_network, without_tensorflow
):
    if zoo_network in NOT_NATIVE:
        with pytest.raises(UnsupportedError) as caught:
            converted(zoo, tmp_path / "m.onnx", zoo_network)
        source = zoo / zoo_network / str(np.load(zoo / zoo_network / f"{zoo_network}.npz")["source"])
        reason = NOT_NATIVE[zoo_network]
        start = f"{source}: cannot be converted without tf2onnx: {reason}"
        assert caught.value.message.startswith(start)
        assert caught.value.hint == "pip install 'onnx-inspector[tf]'"
        return
    done = converted(zoo, tmp_path / "m.onnx", zoo_network)
    assert done.certificate.engine == "native"
    assert done.certificate.reference == "the frozen graph in float64 numpy"
    check_predictions(zoo, done, zoo_network)


def test_tf2onnx_gives_the_same_and_no_fewer_nodes(zoo, tmp_path, zoo_network):
    done = converted(zoo, tmp_path / "m.onnx", zoo_network, engine="tf2onnx")
    assert done.certificate.engine.startswith("tf2onnx ")
    check_predictions(zoo, done, zoo_network)
    if zoo_network not in NOT_NATIVE:
        stored = np.load(zoo / zoo_network / f"{zoo_network}.npz")
        source = read_source(zoo / zoo_network / str(stored["source"]))
        # tf2onnx folds batch normalization unasked, where it can.
        native = emit.emit(freeze(source, bake_preprocessing=bool(stored["preprocessed"])), fold=True)
        assert len(native.nodes.graph.node) <= done.certificate.model["nodes"]
