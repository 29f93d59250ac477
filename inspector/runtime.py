"""onnxruntime itself: opening a model within limits, and one sentence about what it cannot do."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspector.errors import ModelError, RunError
from inspector.onnxfile.runnable import check_runnable
from inspector.onnxfile.source import AGAIN
from inspector.onnxfile.wire import encode_bytes

if TYPE_CHECKING:
    import onnxruntime

    from inspector.onnxfile.model_file import OnnxFile

_OLDEST_OPSET = 7
_GRAPH_OF_MODEL, _OUTPUT_OF_GRAPH, _NAME_OF_VALUE = 7, 12, 1
# What onnxruntime says when its arena is full.
_REFUSED = "is smaller than requested bytes"
# What an arena reserves at once; only what is used of it becomes memory. Grown from onnxruntime's 1 MiB by
# doubling, it is in pieces that large values do not fit into: a run took up to half as much again.
_FIRST_PIECE = 64 * 2**20


def open_runtime(
    file: OnnxFile, extra: Sequence[str], threads: int, memory_limit: int
) -> onnxruntime.InferenceSession:
    """Let onnxruntime open a model on the CPU.

    Args:
        file: The model, already checked.
        extra: Names of computed values that are to be outputs too.
        threads: Threads that compute one run; 0 for one for each core.
        memory_limit: Bytes that its runs may take together, beside the weights.

    Raises:
        RunError: It cannot.
        ModelError: The graph is broken, or uses unknown operators.
    """
    import onnxruntime

    options = _options(threads, memory_limit)
    held = file.source.data
    if extra or isinstance(held, bytes):
        # Protobuf merges a second `graph` into the first, which adds outputs without parsing the model.
        added = b"".join(
            encode_bytes(_OUTPUT_OF_GRAPH, encode_bytes(_NAME_OF_VALUE, name.encode())) for name in extra
        )
        whole = held if isinstance(held, bytes) else file.path.read_bytes()
        model: str | bytes = whole + encode_bytes(_GRAPH_OF_MODEL, added) if extra else whole
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(file.path.absolute().parent)
        )
    else:
        model = str(file.path)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except failures() as error:
        raise _open_error(file, error) from error


def open_serialized(
    model: bytes, where: str, threads: int, memory_limit: int
) -> onnxruntime.InferenceSession:
    """Let onnxruntime open a model that this package made, on the CPU.

    Args:
        model: The serialized model, without external data.
        where: What messages call it.
        threads: Threads that compute one run; 0 for one for each core.
        memory_limit: Bytes that its runs may take together, beside the weights.

    Raises:
        RunError: It cannot.
    """
    import onnxruntime

    options = _options(threads, memory_limit)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except failures() as error:
        raise RunError(f"{where}: onnxruntime cannot open the model: {reason(error)}", AGAIN) from error


def failures() -> tuple[type[Exception], ...]:
    """Every kind of exception that onnxruntime raises of a model or its inputs."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, MemoryError)


def is_out_of_limit(error: Exception) -> bool:
    """Whether a run failed because it asked for more memory than `open_runtime` allowed."""
    return _REFUSED in str(error)


def reason(error: Exception) -> str:
    """What onnxruntime said, in one line and without its error code."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "bad_alloc" in text or "allocate memory" in text:
        return "there is not enough memory"
    text = text.split(" : ", 3)[-1] if text.startswith("[ONNXRuntimeError]") else text
    return text[:300]


def _options(threads: int, memory_limit: int) -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # A second run at one shape would take a block for all its values beside what the first one took: twice
    # the memory, and no less time.
    options.enable_mem_pattern = False
    _limit_memory(options, memory_limit)
    return options


def _limit_memory(options: onnxruntime.SessionOptions, limit: int) -> None:
    """Give the session opened next an arena of its own, which refuses to grow beyond `limit` bytes."""
    import onnxruntime

    kind = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    # A release that keeps the first arena for all sessions refuses a second: then they share its limit.
    with contextlib.suppress(*failures()):
        arena = {"max_mem": limit, "initial_chunk_size_bytes": _FIRST_PIECE}
        onnxruntime.create_and_register_allocator(kind, onnxruntime.OrtArenaCfg(arena))
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Weights are as large as their file, which nobody means to limit.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")


def _open_error(file: OnnxFile, error: Exception) -> RunError | ModelError:
    path = file.path
    try:
        check_runnable(file)
    except ModelError as broken:
        return broken
    opset = file.opsets.get("", _OLDEST_OPSET)
    if opset < _OLDEST_OPSET:
        return RunError(
            f"{path}: uses opset {opset}, which onnxruntime does not run; expected opset 7 or later",
            'python -c "import onnx, onnx.version_converter as v; '
            f"onnx.save(v.convert_version(onnx.load({str(path)!r}), 13), 'opset13.onnx')\"",
        )
    return RunError(f"{path}: onnxruntime cannot open the model: {reason(error)}", AGAIN)
