"""TensorFlow Lite networks that TensorFlow's own converter made, with LiteRT's answers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def lite_zoo(pytestconfig: pytest.Config) -> Path:
    """A folder with a file NAME.tflite and its answers NAME.npz for each network.

    It takes a minute, in a process of its own, so it is kept in pytest's cache until a script changes.
    """
    scripts = [HERE / "build_lite.py", HERE / "lite_registry.py", *sorted(HERE.glob("lite_*networks.py"))]
    digest = hashlib.sha256(b"".join(script.read_bytes() for script in scripts)).hexdigest()[:16]
    folder = pytestconfig.cache.mkdir(f"lite-zoo-{digest}")
    if not (folder / "complete").exists():
        done = subprocess.run(
            [sys.executable, HERE / "build_lite.py", folder],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        if done.returncode:
            pytest.fail(f"the networks could not be built:\n{done.stderr[-3000:]}", pytrace=False)
        (folder / "complete").touch()
    return folder
