"""Where the test networks of each format are: built by its framework, and kept until a script changes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graph_sources import KINDS as ZOO_NAMES

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
ROOT = TESTS.parent
ROOMS = HERE.parent

# Slug of the files → the column of the table.
KINDS = {
    "float-cnn": "float CNN",
    "batch-norm": "batch norm",
    "residual": "residual",
    "separable": "separable conv",
    "recurrent": "recurrent",
    "two-inputs": "two inputs",
    "two-outputs": "two outputs",
    "quantised": "quantised",
}
_JAX_SHAPES = {
    "float-cnn": ["N,12,12,3"],
    "batch-norm": ["N,8,8,3"],
    "residual": ["N,8,8,4"],
    "separable": ["N,9,9,6"],
    "recurrent": ["N,7,5"],
    "two-inputs": ["N,8,8,3", "N,4"],
    "two-outputs": ["N,8,8,2"],
}


@dataclass(frozen=True)
class Folder:
    """A folder of networks that a script builds.

    Attributes:
        cached: What its folder in pytest's cache is called, before the digest of the scripts.
        scripts: What the networks depend on, the script that builds them first.
        arguments: Beside the folder itself, which comes first.
    """

    cached: str
    scripts: tuple[Path, ...]
    arguments: tuple[str, ...] = ()


def _zoo() -> tuple[Path, ...]:
    return (*sorted((TESTS / "zoo").glob("*.py")), ROOT / "models" / "tflearn_compat.py")


def _lite() -> tuple[Path, ...]:
    room = ROOMS / "tflite"
    return (room / "build_lite.py", room / "lite_registry.py", *sorted(room.glob("lite_*networks.py")))


# The first ones are those that the tests of each format build too.
FOLDERS = {
    "zoo": Folder("zoo", _zoo()),
    "saved models": Folder("saved-models", (ROOMS / "savedmodel" / "saved_model_builder.py",)),
    "keras": Folder("zoo-keras", (ROOMS / "keras" / "build_keras.py",), ("keras",)),
    "tf_keras": Folder("zoo-tf_keras", (ROOMS / "keras" / "build_keras.py",), ("tf_keras",)),
    "tflite": Folder("lite-zoo", _lite()),
    "torch": Folder("torch-zoo", (ROOMS / "pytorch" / "torch_networks.py",)),
    "graphs": Folder("graph-sources", (HERE / "graph_sources.py", *_zoo()), ("zoo",)),
    "plain torch": Folder(
        "torch-sources", (HERE / "torch_sources.py", ROOMS / "pytorch" / "torch_networks.py")
    ),
}
_SCRIPTS = {"zoo": TESTS / "zoo" / "build.py"}


class Networks:
    """Test networks of every format.

    Args:
        folder_of: Gives the folder in which something may be kept, by its name.
    """

    def __init__(self, folder_of: Callable[[str], Path]) -> None:
        self._folder_of = folder_of
        self.folder = cache(self._built)

    def _built(self, name: str) -> Path:
        wanted = FOLDERS[name]
        digest = hashlib.sha256(b"".join(script.read_bytes() for script in wanted.scripts)).hexdigest()[:16]
        folder = self._folder_of(f"{wanted.cached}-{digest}")
        if not (folder / "complete").exists():
            script = _SCRIPTS.get(name, wanted.scripts[0])
            arguments = [str(self._built(each)) if each in _SCRIPTS else each for each in wanted.arguments]
            # The networks of the zoo that others are made of come first among the arguments.
            places = [*arguments, str(folder)] if name == "graphs" else [str(folder), *arguments]
            done = subprocess.run(
                [sys.executable, script, *places],
                capture_output=True,
                text=True,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
            )
            if done.returncode:
                raise RuntimeError(f"the networks could not be built:\n{done.stderr[-3000:]}")
            (folder / "complete").touch()
        return folder

    def shapes(self, kind: str) -> tuple[str, ...]:
        """What PyTorch's network of a kind takes."""
        described: Mapping[str, Iterable[str]] = json.loads(
            (self.folder("torch") / "shapes.json").read_text(encoding="utf-8")
        )
        return tuple(described[kind])


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        label: What is converted, as the reader of the table calls it.
        format: The name of its format in the registry.
        source: Networks and a kind → the network's path; there may be nothing of that kind.
        shapes: Networks and a kind → `--input-shape`.
    """

    label: str
    format: str
    source: Callable[[Networks, str], Path]
    shapes: Callable[[Networks, str], tuple[str, ...]] = lambda networks, kind: ()


def _in(folder: str, pattern: str) -> Callable[[Networks, str], Path]:
    return lambda networks, kind: networks.folder(folder) / pattern.format(kind=kind)


def _checkpoint(networks: Networks, kind: str) -> Path:
    name = ZOO_NAMES.get(kind, kind)
    return networks.folder("zoo") / name / name


def _code(module: str) -> Callable[[Networks, str], Path]:
    return lambda networks, kind: Path(f"{module}:{kind.replace('-', '_')}")


_CHECKPOINT = "tflearn or TensorFlow 1 checkpoint, frozen TensorFlow graph"
_KERAS = "Keras model or weights"
_CODE = "package.module:callable of PyTorch, JAX, Flax or Keras code"

ROWS = (
    Row("tflearn / TensorFlow 1 checkpoint", _CHECKPOINT, _checkpoint),
    Row("TensorFlow 1 SavedModel", "TensorFlow SavedModel", _in("graphs", "{kind}")),
    Row("TensorFlow 2 SavedModel", "TensorFlow SavedModel", _in("saved models", "kinds/{kind}")),
    Row("Keras 2 `.h5`", _KERAS, _in("tf_keras", "{kind}.h5")),
    Row("Keras 2 `.keras`", _KERAS, _in("tf_keras", "{kind}.keras")),
    Row("Keras 3 `.keras`", _KERAS, _in("keras", "{kind}.keras")),
    Row("Keras 3 `.h5`", _KERAS, _in("keras", "{kind}.h5")),
    Row("Keras weights alone `.weights.h5`", _KERAS, _in("keras", "{kind}.weights.h5")),
    Row("TensorFlow Lite `.tflite`", "TensorFlow Lite model", _in("tflite", "{kind}.tflite")),
    Row(
        "PyTorch exported program `.pt2`",
        "PyTorch exported program (.pt2)",
        _in("torch", "{kind}.pt2"),
    ),
    Row("TorchScript, scripted", "TorchScript", _in("torch", "{kind}.pt"), Networks.shapes),
    Row("TorchScript, traced", "TorchScript", _in("torch", "traced/{kind}.pt"), Networks.shapes),
    Row("PyTorch state_dict `.pth`", "PyTorch state_dict", _in("plain torch", "weights/{kind}.pth")),
    Row("safetensors", "safetensors file", _in("plain torch", "weights/{kind}.safetensors")),
    Row("`module:callable`, PyTorch", _CODE, _code("torch_kinds"), Networks.shapes),
    Row("`module:callable`, Keras", _CODE, _code("keras_kinds")),
    Row(
        "`module:callable`, JAX / Flax",
        _CODE,
        _code("jax_kinds"),
        lambda networks, kind: tuple(_JAX_SHAPES.get(kind, ())),
    ),
    Row("ONNX", "ONNX model", _in("plain torch", "onnx/{kind}.onnx")),
)

# Row and kind that cannot be: the format stores no network of integers, or no tool here makes one.
ABSENT = {
    (row.label, "quantised")
    for row in ROWS
    if row.label
    not in (
        "TensorFlow Lite `.tflite`",
        "TorchScript, scripted",
        "TorchScript, traced",
        "`module:callable`, PyTorch",
        "ONNX",
    )
}
