"""JAX functions and Flax modules of somebody's own code; JAX runs in a child process."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.assemble import put_back
from converters.certificate import FileRecord
from converters.child import Child
from converters.errors import MissingExtraError
from converters.formats import Feeds, Reference, Request, Source, Written

INSTALL = "pip install 'onnx-inspector[jax]'"
_CHILD = "converters.jax_child"


@contextmanager
def open_function(child: Child, target: str, request: Request, files: Sequence[Path]) -> Iterator[Source]:
    """Open a JAX function or Flax module that somebody's own code makes in a child process.

    Args:
        child: The process; the code is loaded there.
        target: "package.module:name".
        request: What was asked for, input shapes among it.
        files: The code's own file, as far as it is one.

    Raises:
        MissingExtraError: JAX or jax2onnx is not installed.
    """
    absent = [name for name in ("jax", "jax2onnx") if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingExtraError(
            f"{target}: converting a JAX function needs {' and '.join(absent)}, not installed here", INSTALL
        )
    shapes = request.input_shapes
    described = child.call(f"{_CHILD}:describe", target=target, shapes=shapes)
    versions = child.call(f"{_CHILD}:versions")

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        values: dict[str, NDArray[Any]] = child.call(
            f"{_CHILD}:run", target=target, shapes=shapes, feeds=dict(feeds), names=list(names)
        )
        return values

    def write() -> Written:
        import onnx

        nodes, weights = child.call(f"{_CHILD}:export", target=target, shapes=shapes, opset=request.opset)
        model = put_back(onnx.ModelProto.FromString(nodes), weights)
        return Written(model, f"jax2onnx {versions['jax2onnx']}", versions=versions)

    yield Source(
        kind="JAX function" if described.plain else "Flax module",
        files=tuple(FileRecord.of(file) for file in files),
        inputs=described.inputs,
        outputs=described.outputs,
        layers={},
        decisions=(),
        warnings=(),
        reference=Reference(run, lambda: f"the function itself in JAX {versions['jax']}", lambda: versions),
        write=write,
    )
