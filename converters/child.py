"""A framework in a process of its own: its log noise, crashes and global state stay there.

The parent starts `python -m converters.child` and sends calls by name; the child runs them one after
another, so that a framework that takes seconds to import is imported once. Calls and results are pickled:
both ends are this package, and nothing of a user's file is ever unpickled.
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from converters import errors
from converters.errors import InspectorError, SourceError

_LOG_LINES = 15
_ASK = "INSPECTOR_DEBUG=1 shows its own words."


class Child:
    """A running child process; a context manager that ends it.

    Example:
        >>> with Child("Python", "a sum") as child:
        ...     child.call("platform:python_implementation")
        'CPython'
    """

    def __init__(self, framework: str, source: str | os.PathLike[str]) -> None:
        """Start the process.

        Args:
            framework: What runs there, for messages.
            source: What it works on, for messages.
        """
        self._framework = framework
        self._source = str(source)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        root = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            # -P: a file called torch.py beside a stranger's model is not what is meant by torch.
            [sys.executable, "-P", "-m", "converters.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def send(self, function: str, **arguments: Any) -> None:
        """Start a call of `function` ("package.module:name"); `receive` gives its result."""
        assert self._process.stdin is not None
        try:
            pickle.dump((function, arguments), self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except (BrokenPipeError, OSError) as error:
            raise self._death() from error

    def receive(self) -> Any:
        """The result of the oldest call that has none yet.

        Raises:
            InspectorError: What the called function raised as such.
            SourceError: The function failed otherwise, or the process died.
        """
        assert self._process.stdout is not None
        try:
            outcome, value = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            raise self._death() from error
        if outcome == "known":
            kind, message, hint = value
            raise getattr(errors, kind, InspectorError)(message, hint)
        if outcome == "failed":
            reason, trace = value
            message = f"{self._source}: {self._framework} failed on it: {reason}"
            raise SourceError(message, trace if os.environ.get("INSPECTOR_DEBUG") == "1" else _ASK)
        return value

    def call(self, function: str, **arguments: Any) -> Any:
        """`send` and `receive` at once."""
        self.send(function, **arguments)
        return self.receive()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing is left to be said to the child, and a framework can take seconds to end by itself.
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def _death(self) -> SourceError:
        code = self._process.wait()
        self._log.seek(0)
        words = self._log.read().decode(errors="replace").strip().splitlines()
        message = f"{self._source}: {self._framework} ended with code {code} while it worked on it"
        debug = os.environ.get("INSPECTOR_DEBUG") == "1"
        return SourceError(message, "\n".join(words[-_LOG_LINES:]) if debug else _ASK)


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    while True:
        try:
            name, arguments = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(_outcome(name, arguments), replies, pickle.HIGHEST_PROTOCOL)
        replies.flush()


def _outcome(name: str, arguments: dict[str, Any]) -> tuple[str, Any]:
    module, _, function = name.partition(":")
    try:
        return "ok", getattr(importlib.import_module(module), function)(**arguments)
    except InspectorError as error:
        return "known", (type(error).__name__, error.message, error.hint)
    except Exception as error:  # noqa: BLE001  a framework may raise anything; the parent names it
        lines = traceback.format_exc().strip().splitlines()
        reason = str(error).strip().splitlines()
        return "failed", (f"{type(error).__name__}: {reason[0] if reason else ''}", "\n".join(lines))


def main() -> None:
    """Serve calls until the parent closes the pipe."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever the framework prints must not get between two replies.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
