"""Watching a network while it computes, in the child process: which layer made what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from converters.keras.loading import Network


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let an attribute of a class or module be another one for a while."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


class Recorder:
    """Knows the layer that is at work; `on_value` hears of each value that a layer has made."""

    def __init__(
        self,
        network: Network,
        on_begin: Callable[[str], None],
        on_value: Callable[[str, Any], None],
    ) -> None:
        """Begin to know no layer.

        Args:
            network: Whose layers are watched.
            on_begin: Called with a layer's path before it begins.
            on_value: Called with the path and what it returned.
        """
        self._paths = {id(part): path for part, path in network.parts()}
        self._parts = [part for part, _ in network.parts()]
        self._network = network
        self._on_begin = on_begin
        self._on_value = on_value
        self._stack: list[tuple[Any, str]] = []
        self._calls: Counter[str] = Counter()

    @property
    def current(self) -> tuple[Any, str]:
        """The layer that is at work, and its path; None and an empty path between layers."""
        return self._stack[-1] if self._stack else (None, "")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every layer that is called meanwhile."""
        with ExitStack() as patches:
            for owner in self._callers():
                patches.enter_context(patched(owner, "__call__", self._watched(owner.__call__)))
            yield

    def _callers(self) -> list[type]:
        """The classes whose `__call__` begins the work of layers and operations."""
        keras = self._network.keras
        return [keras.layers.Layer, *([keras.Operation] if hasattr(keras, "Operation") else [])]

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(part: Any, *args: Any, **kwargs: Any) -> Any:
            path = self._paths.get(id(part), "")
            # A cell computes one step of the layer around it.
            within = self._stack and (self._stack[-1][0] is part or hasattr(self._stack[-1][0], "cell"))
            if not path or within:
                return call(part, *args, **kwargs)
            self._calls[path] += 1
            count = self._calls[path]
            name = path if count == 1 else f"{path}@{count}"
            self._on_begin(name)
            self._stack.append((part, name))
            try:
                made = call(part, *args, **kwargs)
            finally:
                self._stack.pop()
            self._on_value(name, made)
            return made

        return watched
