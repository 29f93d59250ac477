"""Keras itself, in the child process: it loads a network, and says what it is made of."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from converters.errors import SourceError, UnsupportedError
from converters.keras.config import CODE_HINT
from converters.keras.naming import free

_MODELS = ("Functional", "Model", "Sequential")
# Keras 2 writes TensorFlow's own functions as layers, under classes that it does not list.
_FUNCTION_LAYERS = (
    *("TFOpLambda", "SlicingOpLambda", "TFSlicingOpLambda", "ClassMethod", "InstanceMethod"),
    *("InstanceProperty", "TensorFlowOpLayer"),
)
_SUFFIXES = {"archive": (".keras",), "HDF5 file": (".h5", ".hdf5")}


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded model with the package that it is of.

    Attributes:
        model: A `keras.Model`, of either generation.
        keras: The package: `keras` or `tf_keras`.
    """

    model: Any
    keras: ModuleType

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of the package, and of TensorFlow."""
        import tensorflow as tf

        return {self.keras.__name__: str(self.keras.__version__), "tensorflow": tf.__version__}

    def inner(self, name: str) -> Any:
        """A module of the package that it does not export."""
        return importlib.import_module(f"{self.keras.__name__}.src.{name}")

    def flat(self, value: Any) -> list[Any]:
        """The tensors of a structure, in the package's order."""
        import tensorflow as tf

        tree = getattr(self.keras, "tree", None)
        return list(tf.nest.flatten(value) if tree is None else tree.flatten(value))

    def parts(self) -> Iterator[tuple[Any, str]]:
        """Every layer and operation with its path: `encoder/conv2d`; the model itself has an empty one."""
        pending, seen = deque([(self.model, "")]), {id(self.model)}
        while pending:
            part, path = pending.popleft()
            yield part, path
            taken: set[str] = set()
            for child in _children(part):
                if id(child) not in seen:
                    seen.add(id(child))
                    name = free(str(child.name), taken)
                    pending.append((child, f"{path}/{name}" if path else name))

    def variables(self) -> dict[str, Any]:
        """The TensorFlow variables by name: `encoder/conv2d/kernel`."""
        found: dict[str, Any] = {}
        seen: set[int] = set()
        taken: set[str] = set()
        for part, path in self.parts():
            for variable in _own_variables(part):
                held = unwrapped(variable)
                if id(held) not in seen:
                    seen.add(id(held))
                    leaf = str(variable.name).rpartition("/")[2].partition(":")[0]
                    found[free(f"{path}/{leaf}" if path else leaf, taken)] = held
        return found


@cache
def load(
    file: str, package: str, container: str, classes: tuple[tuple[str, str], ...], trust: bool
) -> Network:
    """Load a file; once, however often it is asked for.

    Args:
        file: Its path.
        package: "keras" or "tf_keras".
        container: "archive" or "HDF5 file".
        classes: The class and name of each layer in its configuration.
        trust: Whether code in it may run.

    Raises:
        UnsupportedError: A layer is of a class that the package does not have.
    """
    keras = _imported(package)
    for kind, name in classes:
        known = (*_MODELS, *_FUNCTION_LAYERS)
        if not (hasattr(keras.layers, kind) or kind in known or _is_operation(package, kind)):
            raise UnsupportedError(
                f"{file}: the layer {name!r} is of the class {kind!r}, which {package} {keras.__version__} "
                "does not have",
                CODE_HINT,
            )
    with _named(Path(file), _SUFFIXES[container]) as path:
        return Network(keras.models.load_model(str(path), compile=False, safe_mode=not trust), keras)


def built(target: str, made: object) -> Network:
    """A model that somebody's own code has made, or what makes one.

    Raises:
        SourceError: It is no Keras model.
        UnsupportedError: Keras does not run on TensorFlow.
    """
    packages = [sys.modules[name] for name in ("keras", "tf_keras") if name in sys.modules]
    for keras in packages:
        if isinstance(made, type) and issubclass(made, keras.Model):
            made = made()
        if isinstance(made, keras.Model):
            _check_backend(keras)
            return Network(made, keras)
    if callable(made) and not isinstance(made, type):
        return built(target, made())
    raise SourceError(
        f"{target}: is of the type {type(made).__name__}; expected a Keras model, or a function that "
        "gives one"
    )


def quiet() -> None:
    """Choose Keras's backend, and keep TensorFlow on the processor; before either is imported."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def versions(packages: Sequence[str]) -> Mapping[str, str]:
    """Import packages, which takes seconds; the version of each."""
    return {name: str(_imported(name).__version__) for name in packages}


def without_comments(keras: ModuleType) -> None:
    """Let errors pass through Keras as they are: it writes its own words into those of others."""
    import tensorflow as tf

    tf.debugging.disable_traceback_filtering()
    disable = getattr(getattr(keras, "config", None), "disable_traceback_filtering", None)
    if disable is not None:
        disable()


def unwrapped(variable: Any) -> Any:
    """The TensorFlow variable within Keras's own."""
    for inner in ("_value", "_variable"):
        held = getattr(variable, inner, None)
        if held is not None and hasattr(held, "handle"):
            return held
    return variable


def _imported(package: str) -> ModuleType:
    quiet()
    module = importlib.import_module(package)
    _check_backend(module)
    return module


def _check_backend(keras: ModuleType) -> None:
    backend = getattr(getattr(keras, "config", None), "backend", lambda: "tensorflow")()
    if backend != "tensorflow":
        raise UnsupportedError(
            f"Keras runs on {backend} here (KERAS_BACKEND); expected tensorflow", "KERAS_BACKEND=tensorflow"
        )


def _is_operation(package: str, kind: str) -> bool:
    """Whether Keras 3 has an operation of this name, which it writes as a layer."""
    if package != "keras":
        return False
    parts = ("numpy", "nn", "math", "core", "image", "linalg", "einops")
    modules = (f"keras.src.ops.{part}" for part in parts if importlib.util.find_spec(f"keras.src.ops.{part}"))
    return any(hasattr(importlib.import_module(name), kind) for name in modules)


@contextmanager
def _named(path: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """The file under a name that Keras takes: it tells what a file is by its suffix."""
    if path.suffix in suffixes:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"model{suffixes[0]}"
        shutil.copyfile(path, copy)
        yield copy


def _children(part: Any) -> list[Any]:
    """The layers and operations directly below."""
    if "Functional" in (kind.__name__ for kind in type(part).__mro__) and hasattr(part, "operations"):
        return list(part.operations)
    if type(part).__name__ == "Sequential":
        return list(part.layers)
    flatten = getattr(part, "_flatten_layers", None)
    return [] if flatten is None else list(flatten(include_self=False, recursive=False))


def _own_variables(part: Any) -> list[Any]:
    """The variables of a layer, without those of the layers in it."""
    found = []
    for name in (
        "_trainable_variables",
        "_trainable_weights",
        "_non_trainable_variables",
        "_non_trainable_weights",
    ):
        found += [item for item in getattr(part, name, ()) if hasattr(item, "shape")]
    return found
