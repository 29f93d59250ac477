"""PyTorch's programs as sources of `convert`; PyTorch itself runs in a child process."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.assemble import put_back
from converters.certificate import FileRecord
from converters.child import Child
from converters.errors import MissingExtraError, SourceError
from converters.formats import Feeds, Reference, Request, Source, Written
from converters.pytorch.content import check_program, check_script
from converters.pytorch.origin import Described, Exported, Origin, StoredWeight

INSTALL = "pip install 'onnx-inspector[torch]'"
_PROGRAM = ("converters.pytorch.exported", "converters.pytorch.exported_onnx:export")
_SCRIPT = ("converters.pytorch.scripted", "converters.pytorch.script_onnx:export")
_VERSIONS = "converters.pytorch.packages:versions"


@contextmanager
def open_program(path: Path, request: Request) -> Iterator[Source]:
    """Open an exported program (`torch.export.save`)."""
    _check_request(path, request, "an exported program")
    if request.input_shapes:
        raise SourceError(
            f"{path}: an exported program declares the shapes of its inputs itself",
            "Leave out --input-shape.",
        )
    check_installed(path, "an exported program")
    with _opened(path, request, "PyTorch exported program", check_program, _PROGRAM) as source:
        yield source


@contextmanager
def open_script(path: Path, request: Request) -> Iterator[Source]:
    """Open a TorchScript program (`torch.jit.save`)."""
    _check_request(path, request, "a TorchScript program")
    check_installed(path, "a TorchScript program")
    with _opened(path, request, "TorchScript program", check_script, _SCRIPT) as source:
        yield source


@contextmanager
def open_module(child: Child, target: str, request: Request, files: Sequence[Path]) -> Iterator[Source]:
    """Open a `torch.nn.Module` that somebody's own code makes in a child process.

    Args:
        child: The process; the code is loaded there.
        target: "package.module:name".
        request: What was asked for, input shapes among it.
        files: The code's own file, as far as it is one.
    """
    _check_request(Path(target), request, "a module")
    check_installed(Path(target), "a module")
    versions = child.call(_VERSIONS)
    origin = Origin(target, code=target, shapes=request.input_shapes)
    described = child.call(f"{_PROGRAM[0]}:describe", origin=origin)
    records = tuple(FileRecord.of(file) for file in files)
    with _folder() as folder:
        yield _source(
            child, origin, described, request, "PyTorch module", records, versions, _PROGRAM, folder
        )


def check_installed(path: Path, kind: str) -> None:
    """Refuse to go on without PyTorch.

    Raises:
        MissingExtraError: A package is not installed; the hint is the install command.
    """
    absent = [name for name in ("torch", "onnxscript") if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingExtraError(
            f"{path}: converting {kind} needs {' and '.join(absent)}, not installed here", INSTALL
        )


def _check_request(path: Path, request: Request, kind: str) -> None:
    for option, given in (
        ("--inputs", request.inputs),
        ("--outputs", request.outputs),
        ("--signature", request.signature),
    ):
        if given:
            raise SourceError(f"{path}: {kind} has its own inputs and outputs; {option} cannot choose others")


@contextmanager
def _opened(
    path: Path, request: Request, kind: str, check: Callable[[Path], None], runner: tuple[str, str]
) -> Iterator[Source]:
    with Child("PyTorch", path) as child, _folder() as folder:
        # PyTorch takes a second to import; the file is checked and hashed meanwhile.
        child.send(_VERSIONS)
        check(path)
        records = (FileRecord.of(path),)
        versions = child.receive()
        origin = Origin(str(path), file=str(path), shapes=request.input_shapes)
        described = child.call(f"{runner[0]}:describe", origin=origin)
        yield _source(child, origin, described, request, kind, records, versions, runner, folder)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for weights, which are mapped: Windows removes no file that is."""
    with TemporaryDirectory(prefix="onnx-inspector-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _source(
    child: Child,
    origin: Origin,
    described: Described,
    request: Request,
    kind: str,
    files: tuple[FileRecord, ...],
    versions: Mapping[str, str],
    runner: tuple[str, str],
    folder: Path,
) -> Source:
    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        values: dict[str, NDArray[Any]] = child.call(
            f"{runner[0]}:run", origin=origin, feeds=dict(feeds), names=list(names)
        )
        return values

    def write() -> Written:
        exported = child.call(
            runner[1], origin=origin, folder=str(folder), opset=request.opset, fold=request.fold
        )
        return _written(exported, folder, versions)

    name = f"the {'module' if origin.code else 'program'} itself in PyTorch {versions['torch']}"
    return Source(
        kind=kind,
        files=files,
        inputs=described.inputs,
        outputs=described.outputs,
        layers=described.layers,
        decisions=described.decisions,
        warnings=described.warnings,
        reference=Reference(run, lambda: name, lambda: {"torch": versions["torch"]}),
        write=write,
        steps=described.steps,
    )


def _written(exported: Exported, folder: Path, versions: Mapping[str, str]) -> Written:
    import onnx

    weights = {name: _mapped(folder, stored) for name, stored in exported.weights.items()}
    model = put_back(onnx.ModelProto.FromString(exported.nodes), weights)
    return Written(model, exported.engine, exported.values, versions, exported.decisions)


def _mapped(folder: Path, stored: StoredWeight) -> NDArray[Any]:
    import onnx

    from converters.pytorch.origin import WEIGHTS_FILE

    dtype = onnx.helper.tensor_dtype_to_np_dtype(stored.dtype)
    if 0 in stored.shape:
        return np.zeros(stored.shape, dtype)
    path = folder / WEIGHTS_FILE
    return np.memmap(path, dtype, mode="r", offset=stored.offset, shape=stored.shape)
