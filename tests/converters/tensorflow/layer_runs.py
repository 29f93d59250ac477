"""Building the networks of `layer_networks` with tflearn, and converting them with each engine.

`python layer_runs.py FOLDER` builds. For each layer that is a checkpoint FOLDER/LAYER, and FOLDER/LAYER.npz
with inputs of batch 1 and 5 and what TensorFlow answers; or FOLDER/LAYER.txt, why it cannot be built.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import onnx
from layer_networks import LAYERS, Layer

from converters.choices import Engine
from converters.errors import InspectorError
from converters.formats import Request
from converters.runtime import Runtime
from converters.tensorflow.engine import write
from converters.tensorflow.evaluate import Evaluator
from converters.tensorflow.framework import Framework
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import read_source

ROOT = Path(__file__).resolve().parents[3]
BATCHES = (1, 5)


class Built:
    """A network under construction."""

    def __init__(self, tflearn: ModuleType) -> None:
        self.tflearn = tflearn
        self.inputs: dict[tuple[int, ...], tuple[Any, int]] = {}
        self.outputs: dict[str, Any] = {}

    def input(self, *shape: int, below: int = 0) -> Any:
        import tensorflow.compat.v1 as tf

        key = (*shape, below)
        if key not in self.inputs:
            name = f"input_{'_'.join(map(str, key))}"
            if shape or not below:
                made = self.tflearn.input_data([None, *shape], name=name)
            else:
                made = tf.placeholder(tf.int64, [None], name=name)
            self.inputs[key] = made, below
        return self.inputs[key][0]

    def gives(self, way: str, tensor: Any) -> None:
        self.outputs[way] = tensor


def main(folder: Path) -> None:
    sys.path.append(str(ROOT))
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    for layer in LAYERS.values():
        try:
            _build(layer, folder)
        except (AttributeError, ImportError, TypeError, ValueError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]} ({Path(where.filename).name})"
            (folder / f"{layer.name}.txt").write_text(reason, encoding="utf-8")


def _build(layer: Layer, folder: Path) -> None:
    from models.tflearn_compat import fresh_graph

    seed = zlib.crc32(layer.name.encode()) % 2**31
    with fresh_graph(seed=seed) as tflearn:
        import tensorflow.compat.v1 as tf

        site = Built(tflearn)
        layer.build(site)
        rng = np.random.default_rng(seed)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for variable in tf.global_variables():
                _stir(variable, session, rng)
            tflearn.is_training(False, session)
            arrays = _answers(site, session, rng)
            tf.train.Saver().save(session, str(folder / layer.name))
    np.savez(folder / f"{layer.name}.npz", **arrays)


def _stir(variable: Any, session: Any, rng: np.random.Generator) -> None:
    """Give a variable numbers that no layer starts with: biases, slopes and moving averages among them."""
    value = session.run(variable)
    if value.dtype.kind != "f":
        return
    noise = rng.normal(0, 0.3, value.shape).astype(value.dtype)
    variable.load(np.abs(value + noise) + 0.1 if "variance" in variable.name else value + noise, session)


def _answers(site: Built, session: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {
        "ways": np.array(list(site.outputs)),
        "outputs": np.array([tensor.name for tensor in site.outputs.values()]),
        "inputs": np.array([tensor.name for tensor, _ in site.inputs.values()]),
    }
    for batch in BATCHES:
        feeds = {tensor.name: _drawn(tensor, below, batch, rng) for tensor, below in site.inputs.values()}
        values = session.run(list(site.outputs.values()), feeds)
        arrays |= {f"x{batch}_{place}": value for place, value in enumerate(feeds.values())}
        arrays |= {f"y{batch}_{place}": np.asarray(value) for place, value in enumerate(values)}
    return arrays


def _drawn(tensor: Any, below: int, batch: int, rng: np.random.Generator) -> np.ndarray:
    shape = (batch, *tensor.shape.as_list()[1:])
    drawn = rng.integers(0, below, shape) if below else rng.normal(0, 1, shape)
    return drawn.astype(tensor.dtype.as_numpy_dtype)


@dataclass(frozen=True)
class Result:
    """How the conversion of one layer by one engine came out.

    Attributes:
        refusal: Why it was not converted; empty when it was.
        differences: For each way and batch, the largest difference from TensorFlow.
        nodes: How many ONNX nodes all ways take together.
    """

    refusal: str
    differences: Mapping[str, float]
    nodes: int = 0

    @property
    def largest(self) -> float:
        return max(self.differences.values(), default=float("inf"))


def built(folder: Path) -> Path:
    """Build every network into a folder, in a process of its own, unless that is done already."""
    if not (folder / "complete").exists():
        done = subprocess.run(
            [sys.executable, __file__, folder],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        if done.returncode:
            raise RuntimeError(f"the networks could not be built:\n{done.stderr[-3000:]}")
        (folder / "complete").touch()
    return folder


def reasons(folder: Path) -> dict[str, str]:
    """The layers that cannot be built, with tflearn's or TensorFlow's words."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))}


class Engines:
    """Converts the networks of a folder; TensorFlow runs in one process for all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._results: dict[tuple[str, str], Result] = {}
        self._framework = Framework(folder)

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, *_: object) -> None:
        self._framework.__exit__(None, None, None)

    def result(self, layer: str, engine: Engine | Literal["evaluator"]) -> Result:
        """Convert a layer's network, or only evaluate it, and compare it with TensorFlow; once."""
        if (layer, engine) not in self._results:
            self._results[layer, engine] = self._compared(layer, engine)
        return self._results[layer, engine]

    def _compared(self, layer: str, engine: Engine | Literal["evaluator"]) -> Result:
        with np.load(self._folder / f"{layer}.npz") as file:
            stored = dict(file)
        outputs = [str(name) for name in stored["outputs"]]
        source = read_source(self._folder / layer)
        graph = freeze(source, outputs=outputs)
        if engine == "evaluator":
            evaluator = Evaluator(graph)
            return Result("", _differences(stored, lambda feeds: evaluator.run(feeds, outputs)))
        try:
            model = write(
                graph, Request(engine=engine), self._framework, path=source.path, kind=source.kind
            ).model
            path = self._folder / f"{layer}.{engine}.onnx"
            model.write(path)
            onnx.checker.check_model(str(path))
            return Result("", _differences(stored, Runtime(path).run), len(model.nodes.graph.node))
        except InspectorError as error:
            return Result(error.message.replace(f"{self._folder}{os.sep}", ""), {})


def _differences(
    stored: Mapping[str, np.ndarray], run: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]]
) -> dict[str, float]:
    found = {}
    for batch in BATCHES:
        feeds = {str(name): stored[f"x{batch}_{place}"] for place, name in enumerate(stored["inputs"])}
        values = run(feeds)
        names: Sequence[str] = [str(name) for name in stored["outputs"]]
        for place, (way, name) in enumerate(zip(stored["ways"], names, strict=True)):
            expected, value = stored[f"y{batch}_{place}"], values[name]
            found[f"{way}, batch {batch}"] = (
                float(np.abs(value.astype(np.float64) - expected.astype(np.float64)).max() / scale(expected))
                if value.shape == expected.shape
                else float("inf")
            )
    return found


def scale(expected: np.ndarray) -> float:
    """What a difference is measured by: 1, or the largest number where that is more."""
    return max(1.0, float(np.abs(expected.astype(np.float64)).max(initial=0)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
