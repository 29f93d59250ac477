"""SavedModels that TensorFlow and Keras wrote, with their own answers."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("saved_model_builder.py")


@pytest.fixture(scope="session")
def saved_models(pytestconfig: pytest.Config) -> Path:
    """A folder with `kinds` and `others`; kept in pytest's cache until the script that builds it changes."""
    digest = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:16]
    folder = pytestconfig.cache.mkdir(f"saved-models-{digest}")
    if not (folder / "complete").exists():
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
        done = subprocess.run(
            [sys.executable, SCRIPT, folder], capture_output=True, text=True, env=environment
        )
        if done.returncode:
            pytest.fail(f"the SavedModels could not be built:\n{done.stderr[-3000:]}", pytrace=False)
        (folder / "complete").touch()
    return folder


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of TensorFlow is installed, and no process can be started for it."""
    real = importlib.util.find_spec
    hidden = ("tensorflow", "tf2onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in hidden else real(name))
    monkeypatch.setattr("converters.tensorflow.framework.Child", None)
