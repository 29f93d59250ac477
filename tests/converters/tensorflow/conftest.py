"""Networks made by tflearn and TensorFlow themselves, and TensorFlow to run what was made of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
Run = Callable[[bytes, Mapping[str, np.ndarray], list[str]], list[np.ndarray]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of tflearn's and TensorFlow's networks; both programs run at once."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("tflearn_nets", "plain_nets")}
    running = {
        name: subprocess.Popen(
            [sys.executable, str(HERE / f"{name}.py"), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name, folder in folders.items()
    }
    for name, process in running.items():
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, f"{name}: {said.decode(errors='replace')[-3000:]}"
    return folders


@pytest.fixture(scope="session")
def tflearn_nets(made: dict[str, Path]) -> Path:
    """A folder per network of `tflearn_nets.py`."""
    return made["tflearn_nets"]


@pytest.fixture(scope="session")
def plain_nets(made: dict[str, Path]) -> Path:
    """A folder per network of `plain_nets.py`."""
    return made["plain_nets"]


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("tensorflow").compat.v1


@pytest.fixture(scope="session")
def run(tensorflow: Any) -> Run:
    """Runs a serialized GraphDef in TensorFlow."""

    def run(graph: bytes, feeds: Mapping[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
        with tensorflow.Graph().as_default(), tensorflow.Session() as session:
            tensorflow.import_graph_def(tensorflow.GraphDef.FromString(graph), name="")
            return session.run(outputs, dict(feeds))

    return run
