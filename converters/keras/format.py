"""Keras models as sources of `convert`."""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.certificate import FileRecord
from converters.child import Child
from converters.errors import MissingExtraError, SourceError, UnsupportedError
from converters.formats import Feeds, Format, Reference, Request, Source, Written
from converters.keras import archive, config, stored
from converters.keras.archive import KerasFile
from converters.keras.finishing import finished, output_of
from converters.keras.graph import Plan, plan
from converters.keras.traced import Traced
from converters.tensorflow import engine

INSTALL = "pip install 'onnx-inspector[keras]'"
_TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos")


@dataclass
class _Framework:
    """Keras's process, as the TensorFlow engine knows one."""

    child: Child
    found: dict[str, str] = field(default_factory=dict)

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function there: "package.module:name"."""
        return self.child.call(function, **arguments)

    def versions(self) -> Mapping[str, str]:
        """The versions of TensorFlow and of tf2onnx."""
        if not self.found:
            self.found.update(self.child.call("converters.tensorflow.through_tf2onnx:versions"))
        return self.found


@contextmanager
def _open(path: Path, request: Request) -> Iterator[Source]:
    file = archive.read(path)
    if file.config is None:
        raise UnsupportedError(
            f"{path}: holds weights only, and not the network that they belong to; expected a whole model",
            f"{stored.NEEDS}\nIts kernels can be seen as it is: inspector filters {path}",
        )
    ran = config.check(file.config, path, trust=request.trust)
    package = _needed(file)
    load = {
        "file": str(path),
        "package": package,
        "container": file.container,
        "classes": tuple((item.class_name, item.layer) for item in config.layers(file.config)),
        "trust": request.trust,
    }
    with Child("Keras", path) as child:
        # Keras takes seconds to import; what needs none of it is done meanwhile.
        child.send("converters.keras.loading:versions", packages=[package, "tensorflow"])
        record = FileRecord.of(path)
        child.receive()
        with _opened(child, load, path, request) as source:
            yield replace(
                source,
                kind=file.kind,
                files=(record,),
                warnings=tuple(f"The Python code in the layer {layer!r} was run: --trust." for layer in ran),
            )


def open_model(
    child: Child, load: Mapping[str, Any], path: Path, request: Request
) -> AbstractContextManager[Source]:
    """Open a Keras model that a child process can get hold of.

    Args:
        child: The process; it ends with the caller's context.
        load: {"code": "package.module:name"}: what `converters.code_child.load` imports; or what
            `converters.keras.loading.load` takes.
        path: What the user named, for messages.
        request: Choices that override the defaults.

    Returns:
        A context manager whose source's `kind` is "Keras model in code", without files.

    Raises:
        SourceError: It is no Keras model, or it does not know its inputs and none were given.
        UnsupportedError: Something in it cannot be converted.
    """
    return _opened(child, load, path, request)


@contextmanager
def _opened(child: Child, load: Mapping[str, Any], path: Path, request: Request) -> Iterator[Source]:
    if request.inputs:
        raise UnsupportedError(f"{path}: the inputs of a Keras model cannot be chosen", "Leave out --inputs.")
    with tempfile.TemporaryDirectory(prefix="onnx-inspector-", ignore_cleanup_errors=True) as folder:
        weights = Path(folder) / "weights"
        traced = _chosen(_traced(child, load, path, weights, request), request.outputs, path)
        made = plan(traced, weights, str(path))
        framework = _Framework(child)

        def write() -> Written:
            kind = "Keras model"
            return finished(engine.write(made.graph, request, framework, path=path, kind=kind), made)

        package, version = next(iter(traced.framework.items()))
        inputs = {made.ports[spec.name]: spec.name for spec in made.inputs}
        yield Source(
            kind="Keras model in code",
            files=(),
            inputs=made.inputs,
            outputs=made.outputs,
            layers={layer: inputs.get(tensor, output_of(layer)) for layer, tensor in made.layers.items()},
            decisions=traced.decisions,
            warnings=(),
            reference=Reference(
                _reference(child, load, made, traced),
                lambda: f"the model itself in {package} {version}",
                lambda: traced.framework,
            ),
            write=write,
        )


def _traced(child: Child, load: Mapping[str, Any], path: Path, weights: Path, request: Request) -> Traced:
    """The network as the child process traces it; what goes wrong there names the source."""
    try:
        traced: Traced = child.call(
            "converters.keras.tracing:trace", load=load, weights=str(weights), given=request.input_shapes
        )
    except (SourceError, UnsupportedError) as error:
        if error.message.startswith(str(path)):
            raise
        raise type(error)(f"{path}: {error.message}", error.hint) from error
    return traced


def _reference(
    child: Child, load: Mapping[str, Any], made: Plan, traced: Traced
) -> Callable[[Feeds, Sequence[str]], dict[str, NDArray[Any]]]:
    """The model itself: it answers without the graph that was traced of it."""
    layers = {output_of(layer): layer for layer in traced.layers}
    # Outputs that are layers, where somebody asked for these.
    chosen = [port.name for port in traced.outputs if port is traced.layers.get(port.name)]

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        answers, values = child.call(
            "converters.keras.tracing:run",
            load=load,
            feeds=[feeds[spec.name] for spec in made.inputs],
            wanted=[*(layers[name] for name in names if name in layers), *chosen],
        )
        answers = [values[name] for name in chosen] or answers
        own = dict(zip((spec.name for spec in made.outputs), answers, strict=True))
        return own | {output_of(layer): value for layer, value in values.items()}

    return run


def _chosen(traced: Traced, outputs: Sequence[str], path: Path) -> Traced:
    """The network with the outputs that were asked for, which are layers of it."""
    if not outputs:
        return traced
    for name in outputs:
        if name not in traced.layers:
            near = difflib.get_close_matches(name, traced.layers, 3, 0.3)
            raise SourceError(
                f"{path}: has no layer {name!r} to be an output",
                f"Nearest: {', '.join(near)}." if near else "",
            )
    return replace(traced, outputs=tuple(traced.layers[name] for name in outputs))


def _needed(file: KerasFile) -> str:
    """The package that reads a file.

    Raises:
        MissingExtraError: It or TensorFlow is not installed.
    """
    package = "tf_keras" if file.generation == 2 else "keras"
    versions = {name: _version(name) for name in ("tensorflow", "keras", "tf_keras")}
    unfit = package == "keras" and (versions["keras"] or "3") < "3"
    absent = [name for name in (package, "tensorflow") if not versions[name]]
    if not absent and not unfit:
        return package
    needed = f"{' and '.join(absent)}, not installed here" if absent else "keras 3"
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version) or "none of Keras"
    by = f"written by Keras {file.version}" if file.version else "of an unknown version"
    raise MissingExtraError(
        f"{file.path}: converting a {file.kind} ({by}) needs {needed}; found {found}", INSTALL
    )


def _version(package: str) -> str:
    """The version of a package; empty when it is not installed. It is not imported."""
    if importlib.util.find_spec(package) is None:
        return ""
    for name in _TENSORFLOW if package == "tensorflow" else (package,):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return "of an unknown version"


KERAS = Format("Keras model or weights", archive.recognise, _open, stored.weights)
