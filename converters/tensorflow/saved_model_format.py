"""SavedModels of TensorFlow 1 and 2 as sources of `convert`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.assemble import let_go
from converters.certificate import FileRecord
from converters.formats import Feeds, Format, Reference, Request, Source, Written
from converters.input_shapes import matched
from converters.tensorflow.engine import NATIVE, with_shapes, write
from converters.tensorflow.framework import Framework, is_installed
from converters.tensorflow.freeze import freeze
from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.renaming import renamed
from converters.tensorflow.saved_model import SavedModel, read_saved_model, recognise
from converters.tensorflow.text import check_text
from converters.tensorflow.topology import full_name, owner, read_topology
from converters.tensorflow.training import find_switches
from converters.tensorflow.weights import saved_model_weights

_RUN = "converters.tensorflow.saved_model_reference"


@dataclass(frozen=True)
class _Opened:
    """A SavedModel, frozen.

    Attributes:
        saved: What was read.
        graph: The graph that computes the outputs from the inputs.
        names: Inputs and outputs of `graph` with the names that they have for users.
    """

    saved: SavedModel
    graph: InferenceGraph
    names: Mapping[str, str]

    def tensors(self) -> dict[str, str]:
        """The inputs' and outputs' names for users, with the tensors of `graph`."""
        return {name: tensor for tensor, name in self.names.items()}

    def where(self) -> dict[str, Any]:
        """What a process with TensorFlow needs to find the SavedModel and its variables."""
        checkpoint = self.saved.source.checkpoint
        return {
            "file": str(self.saved.source.files[0]),
            "prefix": None if checkpoint is None else str(checkpoint.prefix),
            "tags": self.saved.tags,
            "ends": tuple(end.tensor for end in self.saved.signature.outputs),
        }


@contextmanager
def _open(path: Path, request: Request) -> Iterator[Source]:
    with Framework(path) as framework:
        judged = request.verify and is_installed("tensorflow")
        if judged or (request.engine == "tf2onnx" and all(map(is_installed, ("tensorflow", "tf2onnx")))):
            # TensorFlow takes seconds to import; what needs none of it is done meanwhile.
            framework.start()
        saved = read_saved_model(path, request.signature)
        opened = _frozen(saved, request, framework)
        graph = opened.graph
        ends = _ends(graph)
        layers = {layer: ends.get(tensors[-1], tensors[-1]) for layer, tensors in graph.layers.items()}
        if judged:
            layers = _known(opened, framework, layers)

        def write_model() -> Written:
            written = write(graph, request, framework, path=path, kind=saved.source.kind)
            hidden = dict.fromkeys(_looped(graph, layers), "") if written.engine != NATIVE else {}
            values = {**hidden, **opened.names}
            return replace(written, model=renamed(written.model, opened.names), values=values)

        yield Source(
            kind=saved.source.kind,
            files=tuple(FileRecord.of(file) for file in saved.source.files),
            inputs=tuple(replace(spec, name=opened.names[spec.name]) for spec in graph.inputs),
            outputs=tuple(replace(spec, name=opened.names[spec.name]) for spec in graph.outputs),
            layers=layers,
            decisions=graph.decisions,
            warnings=graph.warnings,
            reference=_tensorflow(framework, opened) if judged else _numpy(opened),
            write=write_model,
        )


def _frozen(saved: SavedModel, request: Request, framework: Framework) -> _Opened:
    """The graph for inference, and what its inputs and outputs are called."""
    source, signature = saved.source, saved.signature
    own = {**saved.outputs, **saved.inputs}
    outputs = [own.get(name, name) for name in request.outputs] or list(saved.outputs.values())
    inputs = [own.get(name, name) for name in request.inputs] or _inputs(saved, outputs)
    check_text(saved, inputs, outputs)
    graph = freeze(source, inputs=inputs, outputs=outputs)
    declared = {saved.inputs[end.key]: end.shape for end in signature.inputs}
    graph = graph.with_input_shapes([declared.get(spec.name) for spec in graph.inputs])
    graph = with_shapes(source, graph, request, lambda names: _shapes(saved, framework, names))
    graph, asked_shapes = _ranked(saved, graph, request)
    chosen = f"The signature {signature.name!r} is converted: {signature.reason}."
    unused = [key for key, tensor in saved.inputs.items() if not request.inputs and tensor not in inputs]
    left_out = [f"The input {key} is left out: the outputs do not depend on it." for key in unused]
    kept = [decision for decision in graph.decisions if not decision.endswith(": as asked.")]
    asked = [d for d in graph.decisions if d not in kept and (request.inputs or request.outputs)]
    graph = replace(graph, decisions=(chosen, *left_out, *asked, *asked_shapes, *kept))
    return _Opened(saved, graph, _user_names(saved, graph))


def _ranked(
    saved: SavedModel, graph: InferenceGraph, request: Request
) -> tuple[InferenceGraph, tuple[str, ...]]:
    """The graph with a shape for inputs of which the source does not even say how many axes they have."""
    names = _user_names(saved, graph)
    open_inputs = [names[spec.name] for spec in graph.inputs if spec.shape is None]
    if not open_inputs:
        return graph, ()
    if not request.input_shapes:
        listed = ", ".join(open_inputs)
        told = f"The source does not say the shape of {listed}: a single number; --input-shape gives another."
        return graph.with_input_shapes([() for _ in graph.inputs]), (told,)
    given = matched(request.input_shapes, open_inputs, str(saved.source.path))
    shapes = [given[names[s.name]].spec("").shape if s.shape is None else None for s in graph.inputs]
    return graph.with_input_shapes(shapes), ()


def _looped(graph: InferenceGraph, layers: Mapping[str, str]) -> list[str]:
    """The tensors of layers with a loop in them.

    tf2onnx makes one operator of a recurrent layer, and its results get the old names with other axes.
    """
    loops = [node.name for node in graph.graph_def.node if node.op.endswith("While")]
    return [tensor for layer, tensor in layers.items() if any(name.startswith(f"{layer}/") for name in loops)]


def _ends(graph: InferenceGraph) -> dict[str, str]:
    """Tensors that are outputs too, under the outputs' names, which every engine keeps."""
    outputs = {spec.name for spec in graph.outputs}
    return {
        full_name(node.input[0]): f"{node.name}:0"
        for node in graph.graph_def.node
        if node.op == "Identity" and f"{node.name}:0" in outputs
    }


def _inputs(saved: SavedModel, outputs: Sequence[str]) -> list[str]:
    """The signature's inputs that the outputs depend on and that are no switches of training."""
    topology = read_topology(saved.source.graph_def, str(saved.source.path))
    tensors = list(saved.inputs.values())
    needed = topology.upstream(
        (owner(full_name(tensor)) for tensor in outputs),
        controls=False,
        stop={owner(tensor) for tensor in tensors},
    )
    switches = find_switches(saved.source, topology, ()).values
    return [tensor for tensor in tensors if owner(tensor) in needed and tensor not in switches]


def _user_names(saved: SavedModel, graph: InferenceGraph) -> dict[str, str]:
    """Each input and output of the graph with its key in the signature, if it has one."""
    keys = {
        **{tensor: f"{key}_output" if key in saved.inputs else key for key, tensor in saved.outputs.items()},
        **{tensor: key for key, tensor in saved.inputs.items()},
    }
    return {spec.name: keys.get(spec.name, spec.name) for spec in (*graph.inputs, *graph.outputs)}


def _known(opened: _Opened, framework: Framework, layers: Mapping[str, str]) -> dict[str, str]:
    """The layers whose values TensorFlow can give too."""
    places = {layer: opened.saved.place(tensor) for layer, tensor in layers.items()}
    known = set(framework.call(f"{_RUN}:known", names=sorted(set(places.values())), **opened.where()))
    return {layer: tensor for layer, tensor in layers.items() if places[layer] in known}


def _shapes(
    saved: SavedModel, framework: Framework, names: Sequence[str]
) -> list[tuple[int | None, ...] | None]:
    """The shapes of tensors as TensorFlow works them out."""
    opened = _Opened(saved, InferenceGraph(None, {}, (), (), {}, (), ()), {})
    found: list[tuple[int | None, ...] | None] = framework.call(
        f"{_RUN}:shapes", names=[saved.place(name) for name in names], **opened.where()
    )
    return found


def _tensorflow(framework: Framework, opened: _Opened) -> Reference:
    """The SavedModel itself, run by TensorFlow in the child process."""
    saved, graph, tensors = opened.saved, opened.graph, opened.tensors()

    def place(name: str) -> str:
        return saved.place(tensors.get(name, name))

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        places = {name: place(name) for name in names}
        values: dict[str, NDArray[Any]] = framework.call(
            f"{_RUN}:run",
            settings={place(name): value for name, value in graph.settings.items()},
            bypassed={place(name): place(other) for name, other in graph.bypassed.items()},
            feeds={place(name): array for name, array in feeds.items()},
            fetches=list(dict.fromkeys(places.values())),
            **opened.where(),
        )
        return {name: values[tensor] for name, tensor in places.items()}

    return Reference(
        run, lambda: f"the SavedModel in TensorFlow {framework.versions()['tensorflow']}", framework.versions
    )


def _numpy(opened: _Opened) -> Reference:
    """The frozen graph, computed without TensorFlow."""
    tensors = opened.tensors()

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        from converters.tensorflow.evaluate import Evaluator

        fed = {tensors.get(name, name): array for name, array in feeds.items()}
        asked = {name: tensors.get(name, name) for name in names}
        values = Evaluator(opened.graph).run(fed, list(dict.fromkeys(asked.values())))
        let_go(opened.graph.weights.values())
        return {name: values[tensor] for name, tensor in asked.items()}

    return Reference(run, lambda: "the frozen graph in float64 numpy")


SAVED_MODEL = Format("TensorFlow SavedModel", recognise, _open, saved_model_weights)
