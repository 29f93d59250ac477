"""TensorFlow in a process of its own, started when something first needs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from converters.child import Child
from converters.errors import InspectorError, MissingExtraError

INSTALL = "pip install 'onnx-inspector[tf]'"


class Framework:
    """TensorFlow, as far as it is there; a context manager that ends its process."""

    def __init__(self, path: Path) -> None:
        """Start nothing yet.

        Args:
            path: The source, for messages.
        """
        self._path = path
        self._stack = ExitStack()
        self._child: Child | None = None
        self._versions: Mapping[str, str] | None = None
        self._failure: InspectorError | None = None

    def __enter__(self) -> Framework:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> None:
        """Let TensorFlow be imported, which takes seconds, while the caller does something else."""
        if self._child is None:
            self._child = self._stack.enter_context(Child("TensorFlow", self._path))
            self._child.send("converters.tensorflow.through_tf2onnx:versions")

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function there: "package.module:name"."""
        self.versions()
        assert self._child is not None
        return self._child.call(function, **arguments)

    def versions(self) -> Mapping[str, str]:
        """The versions of TensorFlow, and of tf2onnx where it is installed."""
        if self._failure is not None:
            # The one reply has been read: to wait for another would be for ever.
            raise self._failure
        if self._versions is None:
            self.start()
            assert self._child is not None
            try:
                self._versions = self._child.receive()
            except InspectorError as error:
                self._failure = error
                raise
        return self._versions


def is_installed(name: str) -> bool:
    """Whether a package is there; it is not imported."""
    return importlib.util.find_spec(name) is not None


def check_installed(path: Path, kind: str, *names: str) -> None:
    """Refuse to go on without these packages.

    Raises:
        MissingExtraError: One is not installed; the hint is the install command.
    """
    absent = [name for name in names if not is_installed(name)]
    if absent:
        raise MissingExtraError(
            f"{path}: converting a {kind} with tf2onnx needs {' and '.join(absent)}, not installed here",
            INSTALL,
        )
