"""TensorFlow 1 and tflearn as sources of `convert`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.assemble import let_go
from converters.certificate import FileRecord
from converters.formats import Feeds, Format, Reference, Request, Source, Written
from converters.tensorflow.engine import with_shapes, write
from converters.tensorflow.framework import Framework, is_installed
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph, read_source, recognise
from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.layers import noted_tensors
from converters.tensorflow.preprocessing import applied
from converters.tensorflow.weights import checkpoint_weights


@contextmanager
def _open(path: Path, request: Request) -> Iterator[Source]:
    with Framework(path) as framework:
        judged = request.verify and is_installed("tensorflow")
        if judged or (request.engine == "tf2onnx" and all(map(is_installed, ("tensorflow", "tf2onnx")))):
            # TensorFlow takes seconds to import; what needs none of it is done meanwhile.
            framework.start()
        source = read_source(path)
        graph = freeze(
            source,
            inputs=request.inputs or None,
            outputs=request.outputs or None,
            bake_preprocessing=request.bake_preprocessing,
        )
        graph = with_shapes(source, graph, request, partial(_shapes, source, framework))
        tensors = _layer_tensors(source, graph)

        def write_model() -> Written:
            written = write(graph, request, framework, path=source.path, kind=source.kind)
            return replace(
                written, values={tensor: graph.layers[layer][-1] for layer, tensor in tensors.items()}
            )

        yield Source(
            kind=source.kind,
            files=tuple(FileRecord.of(file) for file in source.files),
            inputs=graph.inputs,
            outputs=graph.outputs,
            layers=tensors,
            decisions=graph.decisions,
            warnings=graph.warnings,
            reference=_tensorflow(framework, source, graph, baked=request.bake_preprocessing)
            if judged
            else _numpy(graph, tensors),
            write=write_model,
        )


def _shapes(
    source: SourceGraph, framework: Framework, names: list[str]
) -> list[tuple[int | None, ...] | None]:
    """The shapes of tensors as TensorFlow works them out."""
    found: list[tuple[int | None, ...] | None] = framework.call(
        "converters.tensorflow.reference:shapes",
        graph=str(source.files[0]),
        prefix=None if source.checkpoint is None else str(source.checkpoint.prefix),
        names=names,
    )
    return found


def _layer_tensors(source: SourceGraph, graph: InferenceGraph) -> Mapping[str, str]:
    """Layer → the tensor of the source that holds its value, for the layers that inference has."""
    noted = noted_tensors(source)
    return {layer: noted.get(layer, tensors)[-1] for layer, tensors in graph.layers.items()}


def _tensorflow(
    framework: Framework, source: SourceGraph, graph: InferenceGraph, *, baked: bool
) -> Reference:
    """The source itself, run by TensorFlow in the child process."""

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        if baked:
            feeds = {name: applied(graph.preprocessing, array) for name, array in feeds.items()}
        values: dict[str, NDArray[Any]] = framework.call(
            "converters.tensorflow.reference:run",
            graph=str(source.files[0]),
            prefix=None if source.checkpoint is None else str(source.checkpoint.prefix),
            settings=graph.settings,
            bypassed=graph.bypassed,
            feeds=dict(feeds),
            fetches=list(names),
        )
        return values

    return Reference(
        run, lambda: f"the source in TensorFlow {framework.versions()['tensorflow']}", framework.versions
    )


def _numpy(graph: InferenceGraph, layers: Mapping[str, str]) -> Reference:
    """The frozen graph, computed without TensorFlow; its tensors can have other names than the source's."""
    own = {tensor: graph.layers[layer][-1] for layer, tensor in layers.items()}

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        from converters.tensorflow.evaluate import Evaluator

        asked = {name: own.get(name, name) for name in names}
        values = Evaluator(graph).run(feeds, list(dict.fromkeys(asked.values())))
        let_go(graph.weights.values())
        return {name: values[tensor] for name, tensor in asked.items()}

    return Reference(run, lambda: "the frozen graph in float64 numpy")


TENSORFLOW = Format(
    "tflearn or TensorFlow 1 checkpoint, frozen TensorFlow graph", recognise, _open, checkpoint_weights
)
