"""Fixtures that several rooms of the tests share."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# What builds networks imports whole frameworks, in processes of its own.
collect_ignore_glob = [
    "zoo/*",
    "converters/formats/*",
    "converters/*/build_*.py",
    "converters/pytorch/torch_networks.py",
    "converters/tflite/lite_*networks.py",
    "converters/*/*_builder.py",
    "converters/*/keras_code.py",
]

HERE = Path(__file__).resolve().parent
ZOO = HERE / "zoo"
NETWORK = re.compile(r"^@(tflearn|plain)_network\ndef (\w+)", re.MULTILINE)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, here and in processes started here, though a shell may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test every network of the zoo by name, all or those made with (or without) tflearn."""
    # Read without importing the scripts, which would import TensorFlow.
    found = [
        pair
        for script in ZOO.glob("*networks.py")
        for pair in NETWORK.findall(script.read_text(encoding="utf-8"))
    ]
    for argument, kinds in (
        ("zoo_network", ("tflearn", "plain")),
        ("tflearn_network", ("tflearn",)),
        ("plain_network", ("plain",)),
    ):
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, sorted(name for kind, name in found if kind in kinds))


@pytest.fixture(scope="session")
def zoo(pytestconfig: pytest.Config) -> Path:
    """A folder with every network of the zoo, built by tflearn and TensorFlow in a process of its own.

    It takes a minute, so it is kept in pytest's cache until a script of the zoo changes.
    """
    scripts = [*sorted(ZOO.glob("*.py")), HERE.parent / "models" / "tflearn_compat.py"]
    digest = hashlib.sha256(b"".join(script.read_bytes() for script in scripts)).hexdigest()[:16]
    folder = pytestconfig.cache.mkdir(f"zoo-{digest}")
    if not (folder / "complete").exists():
        done = subprocess.run(
            [sys.executable, ZOO / "build.py", folder],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        if done.returncode:
            pytest.fail(f"the zoo could not be built:\n{done.stderr[-3000:]}", pytrace=False)
        (folder / "complete").touch()
    return folder
