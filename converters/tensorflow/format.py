"""TensorFlow 1 and tflearn as sources of `convert`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.assemble import Assembled, name_layers, put_back
from converters.certificate import FileRecord
from converters.child import Child
from converters.errors import MissingExtraError
from converters.formats import Draft, Feeds, Format, Reference, Request
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph, read_source, recognise
from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.layers import noted_tensors
from converters.tensorflow.preprocessing import applied

_NEEDED = ("tensorflow", "tf2onnx")


@contextmanager
def _draft(path: Path, request: Request) -> Iterator[Draft]:
    with Child("TensorFlow", path) as child:
        # TensorFlow takes seconds to import; what needs none of it is done meanwhile.
        child.send("converters.tensorflow.through_tf2onnx:versions")
        source = read_source(path)
        graph = freeze(
            source,
            inputs=request.inputs or None,
            outputs=request.outputs or None,
            bake_preprocessing=request.bake_preprocessing,
        )
        files = tuple(FileRecord.of(file) for file in source.files)
        _check_installed(source)
        versions: dict[str, str] = child.receive()
        if any(spec.shape is None for spec in graph.inputs):
            graph = graph.with_input_shapes(_shapes(child, source, graph))
        model = _emitted(child, graph, request.opset)
        tensors = _layer_tensors(source, graph)

        yield Draft(
            model=model,
            inputs=graph.inputs,
            outputs=graph.outputs,
            layers=tensors,
            values={tensor: graph.layers[layer][-1] for layer, tensor in tensors.items()},
            files=files,
            kind=source.kind,
            engine=f"tf2onnx {versions['tf2onnx']}",
            versions=versions,
            decisions=graph.decisions,
            warnings=graph.warnings,
            reference=_reference(child, source, graph, baked=request.bake_preprocessing),
            reference_name=f"the source in TensorFlow {versions['tensorflow']}",
        )


def _shapes(child: Child, source: SourceGraph, graph: InferenceGraph) -> list[tuple[int | None, ...] | None]:
    """The shapes of the inputs as TensorFlow works them out: a tensor in the middle of a graph notes none."""
    found: list[tuple[int | None, ...] | None] = child.call(
        "converters.tensorflow.reference:shapes",
        graph=str(source.files[0]),
        prefix=None if source.checkpoint is None else str(source.checkpoint.prefix),
        names=[spec.name for spec in graph.inputs],
    )
    return found


def _emitted(child: Child, graph: InferenceGraph, opset: int) -> Assembled:
    import onnx

    serialized = child.call(
        "converters.tensorflow.through_tf2onnx:emit",
        graph_def=graph.graph_def.SerializeToString(),
        inputs=[*(spec.name for spec in graph.inputs), *(f"{name}:0" for name in graph.weights)],
        outputs=[spec.name for spec in graph.outputs],
        opset=opset,
    )
    model = onnx.ModelProto.FromString(serialized)
    name_layers(model, list(graph.layers))
    return put_back(model, graph.weights)


def _layer_tensors(source: SourceGraph, graph: InferenceGraph) -> Mapping[str, str]:
    """Layer → the tensor of the source that holds its value, for the layers that inference has."""
    noted = noted_tensors(source)
    return {layer: noted.get(layer, tensors)[-1] for layer, tensors in graph.layers.items()}


def _reference(child: Child, source: SourceGraph, graph: InferenceGraph, *, baked: bool) -> Reference:
    """The source itself, run by TensorFlow in the child process."""

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        if baked:
            feeds = {name: applied(graph.preprocessing, array) for name, array in feeds.items()}
        values: dict[str, NDArray[Any]] = child.call(
            "converters.tensorflow.reference:run",
            graph=str(source.files[0]),
            prefix=None if source.checkpoint is None else str(source.checkpoint.prefix),
            settings=graph.settings,
            bypassed=graph.bypassed,
            feeds=dict(feeds),
            fetches=list(names),
        )
        return values

    return run


def _check_installed(source: SourceGraph) -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{source.path}: converting a {source.kind} needs {' and '.join(missing)}, not installed here",
            "pip install 'onnx-inspector[tf]'",
        )


TENSORFLOW = Format("tflearn or TensorFlow 1 checkpoint, frozen TensorFlow graph", recognise, _draft)
