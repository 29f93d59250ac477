"""The only owner of onnxruntime sessions; any value of a graph can be asked for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.choices import TIME_LIMIT
from inspector.errors import RunError, UnknownLayerError
from inspector.feeds import checked_feeds
from inspector.growth import check_loops
from inspector.memory import private_bytes, run_limit
from inspector.onnxfile.runnable import check_external
from inspector.onnxfile.source import AGAIN, quoted
from inspector.pipeline import cores
from inspector.preflight import check_memory, check_windows
from inspector.runtime import failures, is_out_of_limit, open_runtime, reason

if TYPE_CHECKING:
    import onnxruntime

    from inspector.onnxfile.graph import Value
    from inspector.onnxfile.model_file import OnnxFile

_MOST_VARIANTS = 4
# How often a waiting thread looks up, in seconds: Ctrl-C is answered as fast.
_GLANCE = 0.1
# How much a process may grow during a run beyond what the run itself may take, in bytes.
_SPARE = 2**30
# How long a stopped run may take to end, in seconds, before it is left to itself.
_GRACE = 2.0
_MOST_RUNS = 64


class TimeLimitError(RunError):
    """A run was stopped because it took longer than the time limit."""


class MemoryLimitError(RunError):
    """A run was stopped because it took more memory than the limit."""


class Session:
    """A model that can be run on the CPU.

    onnxruntime opens the model at the first run. Values that are no outputs of the graph are had from a
    second session, whose model has them as outputs; the last four such variants are kept. Several threads may
    run one session at once.

    Args:
        file: The model.
        threads: Threads that compute one run, at most one for each core; None for all cores.
        time_limit: Seconds that one run may take; None for any time.
        memory_limit: Bytes that the runs under way may take together, beside the weights; None for 4 GiB, or
            half of the machine's memory if that is less.

    Example:
        >>> from inspector.onnxfile import open_onnx
        >>> Session(open_onnx("absent.onnx"))
        Traceback (most recent call last):
        converters.errors.FileError: absent.onnx: no such file; expected an ONNX model
    """

    def __init__(
        self,
        file: OnnxFile,
        *,
        threads: int | None = None,
        time_limit: float | None = TIME_LIMIT,
        memory_limit: int | None = None,
    ) -> None:
        self.file = file
        # More threads than cores are no faster, and each takes memory.
        self.threads = None if threads is None else min(threads, cores())
        self.time_limit = time_limit
        self.memory_limit = run_limit() if memory_limit is None else memory_limit
        graph = file.graph
        constants = {*graph.initializers, *graph.sparse_initializers}
        self.inputs: tuple[Value, ...] = tuple(v for v in graph.inputs if v.name not in constants)
        self.outputs: tuple[Value, ...] = graph.outputs
        self._output_names = tuple(value.name for value in graph.outputs)
        self._lock = threading.Lock()
        self._variants: OrderedDict[frozenset[str], onnxruntime.InferenceSession] = OrderedDict()
        self._running: set[onnxruntime.RunOptions] = set()
        self._checked = False
        self._pool = ThreadPoolExecutor(_MOST_RUNS, thread_name_prefix="inspector-run")

    def __repr__(self) -> str:
        """The model's path and inputs."""
        return f"Session({str(self.file.path)!r}, inputs={[value.name for value in self.inputs]})"

    def run(
        self, feeds: Mapping[str, NDArray[np.generic]], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.generic]]:
        """Run the model.

        Args:
            feeds: One array for each input, of its shape; floats are converted to the input's float type.
            outputs: Names of the values wanted: outputs, inputs, constants, or any value between. None for
                the graph's outputs.

        Returns:
            The values by name, with the dtype and shape that the graph gives them.

        Raises:
            UnknownLayerError: The graph has no such value.
            RunError: The feeds do not fit, onnxruntime cannot open or run the model, or the run took too long
                (then a `TimeLimitError`) or too much memory (a `MemoryLimitError`).
            ModelError: The graph is broken, or uses operators that are neither ONNX's nor onnxruntime's.
            TensorError: External data is missing or not allowed.
        """
        wanted = self._output_names if outputs is None else tuple(dict.fromkeys(outputs))
        arrays = checked_feeds(self.file.path, self.inputs, feeds)
        found = {name: self._constant(name, arrays) for name in wanted}
        computed = [name for name in wanted if found[name] is None]
        results: dict[str, NDArray[np.generic]] = {k: v for k, v in found.items() if v is not None}
        if computed:
            results |= self._run(self._open(computed), arrays, computed)
        return {name: results[name] for name in wanted}

    def open(self, outputs: Sequence[str] = ()) -> None:
        """Let onnxruntime open the model now rather than at the first run.

        Args:
            outputs: Names of computed values that will be asked for beside the graph's outputs.

        Raises:
            RunError: It cannot.
            ModelError: The graph is broken, or uses unknown operators.
            TensorError: External data is missing or not allowed.
        """
        self._open(outputs)

    def stop(self) -> None:
        """End every run that is under way in another thread; each raises a `RunError` there."""
        with self._lock:
            for options in self._running:
                options.terminate = True

    def _constant(self, name: str, arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic] | None:
        """The value if it need not be computed, None if it must be."""
        graph = self.file.graph
        if name in self._output_names or name in graph.producers:
            return None
        if name in arrays:
            return arrays[name]
        stored = graph.initializers.get(name) or graph.sparse_initializers.get(name)
        if stored is None:
            raise UnknownLayerError(name, (*graph.producers, *arrays), str(self.file.path))
        return stored.numpy()

    def _open(self, wanted: Sequence[str]) -> onnxruntime.InferenceSession:
        """The session whose outputs hold those wanted, opened at most once."""
        extra = frozenset(wanted) - set(self._output_names)
        with self._lock:
            if extra not in self._variants:
                self._check()
                self._variants[extra] = self._create(sorted(extra))
                if len(self._variants) > _MOST_VARIANTS:
                    self._variants.popitem(last=False)
            self._variants.move_to_end(extra)
            return self._variants[extra]

    def _check(self) -> None:
        if not self._checked:
            check_external(self.file)
            check_windows(self.file)
            check_loops(self.file)
            check_memory(self.file)
            self._checked = True

    def _create(self, extra: Sequence[str]) -> onnxruntime.InferenceSession:
        return open_runtime(self.file, extra, self.threads or 0, self.memory_limit)

    def _run(
        self,
        session: onnxruntime.InferenceSession,
        feeds: Mapping[str, NDArray[np.generic]],
        names: Sequence[str],
    ) -> dict[str, NDArray[np.generic]]:
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        with self._lock:
            self._running.add(options)
        try:
            # In another thread, because onnxruntime would keep this one from seeing Ctrl-C.
            values = self._wait(self._pool.submit(session.run, list(names), dict(feeds), options), options)
        except failures() as error:
            if is_out_of_limit(error):
                raise self._memory_error() from error
            raise RunError(
                f"{self.file.path}: onnxruntime cannot run the model: {reason(error)}", AGAIN
            ) from error
        finally:
            with self._lock:
                self._running.discard(options)
        for name, value in zip(names, values, strict=True):
            if not isinstance(value, np.ndarray):
                raise RunError(
                    f"{self.file.path}: the value {quoted(name)} is no tensor; expected one",
                    "Ask for the tensors that are made of it.",
                )
        return dict(zip(names, values, strict=True))

    def _wait(
        self, future: Future[list[NDArray[np.generic]]], options: onnxruntime.RunOptions
    ) -> list[NDArray[np.generic]]:
        began = time.monotonic()
        # Asking takes longer than a small network: what is taken before the first glance goes uncounted.
        before: int | None = None
        failure: RunError | None = None
        try:
            while failure is None:
                try:
                    return future.result(_GLANCE)
                except NotYetError:
                    held = private_bytes() or 0
                    before = held if before is None else before
                    failure = self._overrun(time.monotonic() - began, held - before)
        except KeyboardInterrupt:
            options.terminate = True
            raise
        options.terminate = True
        # One endless operator does not look at the flag; nothing more can be done about it.
        with contextlib.suppress(NotYetError):
            future.exception(_GRACE)
        raise failure

    def _overrun(self, seconds: float, grown: int) -> RunError | None:
        """What is wrong with a run that has taken so long, while the process grew by so many bytes."""
        if grown > self.memory_limit + _SPARE:
            # Not everything comes out of the arena: strings do not.
            return self._memory_error()
        if self.time_limit is None or seconds <= self.time_limit:
            return None
        return TimeLimitError(
            f"{self.file.path}: the run was stopped after {self.time_limit:g} seconds without a result",
            "If the model is known to be slow, allow more with --time-limit SECONDS "
            "(in Python time_limit=SECONDS).",
        )

    def _memory_error(self) -> MemoryLimitError:
        return MemoryLimitError(
            f"{self.file.path}: a run takes more than the {self.memory_limit:,} bytes of memory that it may",
            "Run less at once with --batch-size 1 --threads 1 (in Python batch_size=1, threads=1), or allow "
            "more: inspector.session.Session(model.file, memory_limit=BYTES).",
        )
