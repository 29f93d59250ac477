"""Networks that PyTorch saved; and PyTorch in this process, where one of its own would only take time."""

import hashlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

BUILDER = Path(__file__).resolve().parent / "torch_networks.py"


@pytest.fixture(scope="session")
def torch_zoo(pytestconfig: pytest.Config) -> Path:
    """Every network in each way of saving it, kept in pytest's cache until the builder changes."""
    digest = hashlib.sha256(BUILDER.read_bytes()).hexdigest()[:16]
    folder = pytestconfig.cache.mkdir(f"torch-zoo-{digest}")
    if not (folder / "complete").exists():
        done = subprocess.run([sys.executable, BUILDER, folder], capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"the networks could not be built:\n{done.stderr[-3000:]}", pytrace=False)
        (folder / "complete").touch()
    return folder


class InlineChild:
    """What `Child` is, without a process."""

    def __init__(self, framework, source):
        self._sent = []

    def send(self, function, **arguments):
        self._sent.append((function, arguments))

    def receive(self):
        name, arguments = self._sent.pop(0)
        module, _, function = name.partition(":")
        return getattr(importlib.import_module(module), function)(**arguments)

    def call(self, function, **arguments):
        self.send(function, **arguments)
        return self.receive()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def torch_here(monkeypatch):
    """The child's functions run in this process."""
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setattr("converters.pytorch.format.Child", InlineChild)
