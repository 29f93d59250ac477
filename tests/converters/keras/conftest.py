"""Networks of both generations of Keras, built once and kept in pytest's cache until the script changes."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("build_keras.py")


@pytest.fixture(scope="session")
def keras_zoo(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """The folder with every network of a package, "keras" or "tf_keras": SLUG.keras, SLUG.h5, SLUG.npz."""
    digest = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:16]

    def built(package: str) -> Path:
        folder = pytestconfig.cache.mkdir(f"zoo-{package}-{digest}")
        if not (folder / "complete").exists():
            done = subprocess.run(
                [sys.executable, SCRIPT, folder, package],
                capture_output=True,
                text=True,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
            if done.returncode:
                pytest.fail(f"the networks could not be built:\n{done.stderr[-3000:]}", pytrace=False)
            (folder / "complete").touch()
        return folder

    return built
