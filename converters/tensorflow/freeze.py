"""From a training graph to an inference graph: variables become constants, training is cut off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from converters.errors import SourceError, UnsupportedError
from converters.tensorflow import emission, endpoints, layers, preprocessing
from converters.tensorflow.dtypes import Array
from converters.tensorflow.fold import Folded, fold, needed
from converters.tensorflow.functions import functions_of
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.restore import stored_variables
from converters.tensorflow.signature import tensor_spec
from converters.tensorflow.topology import Node, Topology, owner, read_topology
from converters.tensorflow.training import Switches, find_switches, known_values

__all__ = ["InferenceGraph", "freeze"]

_OUTSIDE = frozenset(
    {"ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"}
    | {"WholeFileReader", "WholeFileReaderV2", "TextLineReader", "TextLineReaderV2", "TFRecordReader"}
    | {"TFRecordReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "IdentityReader"}
    | {"IdentityReaderV2", "ReaderRead", "ReaderReadV2", "InitializeTableFromTextFile"}
    | {"InitializeTableFromTextFileV2", "Save", "SaveV2", "SaveSlices", "Restore", "RestoreV2"}
    | {"MergeV2Checkpoints", "LoadLibrary", "DebugIdentity", "DebugIdentityV2", "RemoteCall", "RestoreSlice"}
    | {"IteratorGetNext", "QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2"}
)
# Operations that repeat numbers, and which of their inputs says how often.
_FILLERS = {"Fill": 0, "BroadcastTo": 1}
_MOST_ELEMENTS = 1 << 28
_UPDATES = ("Assign", "Apply", "ResourceApply", "SparseApply", "ScatterUpdate", "ScatterAdd", "ScatterSub")
_RANDOM = tuple(
    prefix + kind
    for prefix in ("", "Stateless")
    for kind in ("Random", "TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial")
)


def freeze(
    source: SourceGraph,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    bake_preprocessing: bool = False,
) -> InferenceGraph:
    """Turn a source into the graph that computes its outputs at inference.

    Args:
        source: What `read_source` gives.
        inputs: The tensors to be inputs, `input/X:0`; chosen when not given.
        outputs: The tensors to be outputs; chosen when not given.
        bake_preprocessing: Whether to put tflearn's stored statistics (mean, std, whitening) into the graph,
            so that it takes the data as they were before preprocessing.

    Raises:
        SourceError: The graph is broken, a tensor is not there, or a variable has no value.
        UnsupportedError: What the outputs need cannot run outside TensorFlow: it reads files, calls Python,
            draws random numbers, or updates variables.

    Example:
        >>> from pathlib import Path
        >>> from converters.tensorflow.schema import new
        >>> graph = new("GraphDef")
        >>> x = graph.node.add(name="x", op="Placeholder")
        >>> x.attr["dtype"].type = 1
        >>> relu = graph.node.add(name="relu", op="Relu", input=["x"])
        >>> relu.attr["T"].type = 1
        >>> frozen = freeze(SourceGraph("frozen graph", Path("relu.pb"), (), graph))
        >>> [spec.name for spec in frozen.inputs + frozen.outputs]
        ['x:0', 'relu:0']
    """
    where = str(source.path)
    topology = read_topology(source.graph_def, where)
    given = endpoints.check_tensors(source, topology, inputs or ())
    wanted, chosen = _outputs(source, topology, outputs)
    switches = find_switches(source, topology, given)
    order, folded = _evaluated(source, topology, given, wanted, switches)
    _check_outputs(where, folded, wanted)
    kept = needed(topology, folded, wanted, given)
    nodes = [node for node in order if node.name in kept]
    _check_supported(where, nodes, folded, given)
    _check_functions(where, source, nodes)
    _check_sizes(where, nodes, folded)
    names, why = _inputs(source, topology, nodes, folded, given)
    specs = tuple(tensor_spec(topology.nodes[owner(name)], name) for name in names)
    emitted = emission.emit(source, topology, folded, nodes, inputs=names, outputs=wanted)
    frozen = InferenceGraph(
        graph_def=emitted.graph_def,
        weights=emitted.weights,
        inputs=specs,
        outputs=tuple(emission.output_spec(topology, folded, tensor) for tensor in wanted),
        layers=layers.layer_tensors(source, folded, nodes),
        decisions=(why, chosen, *_decisions(folded, order, switches)),
        warnings=(*_used_warnings(switches, order), *_batch_statistics(nodes)),
        settings=_used_settings(switches, order),
        bypassed={f"{name}:0": tensor for name, tensor in folded.dropouts.items()},
        preprocessing=preprocessing.statistics(source),
    )
    return preprocessing.baked(source, frozen) if bake_preprocessing else preprocessing.warned(frozen)


def _outputs(
    source: SourceGraph, topology: Topology, outputs: Sequence[str] | None
) -> tuple[tuple[str, ...], str]:
    """The outputs, and the sentence that says why these."""
    if outputs:
        found = endpoints.check_tensors(source, topology, outputs)
        return found, f"Outputs: {', '.join(found)}: as asked."
    return endpoints.choose_outputs(source, topology)


def _evaluated(
    source: SourceGraph, topology: Topology, given: Sequence[str], wanted: Sequence[str], switches: Switches
) -> tuple[list[Node], Folded]:
    """The nodes that the outputs may need, in order, and what is known of them without an input."""
    stop = {owner(tensor) for tensor in given}
    reached = topology.upstream((owner(tensor) for tensor in wanted), controls=True, stop=stop)
    order = topology.ordered(reached, str(source.path), stop=stop)
    known = known_values(source, order, stored_variables(source, topology), switches)
    return order, fold(topology, order, inputs=given, known=known)


def _inputs(
    source: SourceGraph, topology: Topology, nodes: Sequence[Node], folded: Folded, given: tuple[str, ...]
) -> tuple[tuple[str, ...], str]:
    """The inputs, and the sentence that says why these."""
    free = [node.name for node in nodes if f"{node.name}:0" not in folded.constants]
    chosen, why = endpoints.choose_inputs(source, topology, free)
    if not given:
        if not chosen:
            raise SourceError(
                f"{source.path}: the outputs depend on no input", "Name other tensors: --outputs NAME:0"
            )
        return chosen, why
    missing = [tensor for tensor in chosen if tensor not in given]
    if missing:
        raise SourceError(
            f"{source.path}: the outputs also depend on {', '.join(missing)}, not among the inputs asked for",
            f"--inputs {','.join((*given, *missing))}",
        )
    unused = [tensor for tensor in given if owner(tensor) not in free]
    if unused:
        raise SourceError(
            f"{source.path}: the outputs do not depend on {', '.join(unused)}, asked for as an input"
        )
    return given, f"Inputs: {', '.join(given)}: as asked."


def _check_outputs(where: str, folded: Folded, outputs: Iterable[str]) -> None:
    for tensor in outputs:
        if folded.is_dead(tensor):
            raise SourceError(
                f"{where}: the output {tensor} is computed in training only",
                "Name another tensor: --outputs NAME:0",
            )
        if folded.root(tensor) in folded.constants:
            raise SourceError(
                f"{where}: the output {tensor} does not depend on any input",
                "Name another tensor: --outputs NAME:0",
            )


def _check_supported(where: str, nodes: Iterable[Node], folded: Folded, given: Sequence[str]) -> None:
    """Refuse what needs TensorFlow, Python or files, or would answer otherwise each time."""
    for node in nodes:
        if f"{node.name}:0" in folded.constants or f"{node.name}:0" in given:
            continue
        reason = _reason(node.op)
        if reason:
            raise UnsupportedError(
                f"{where}: the outputs need the node {node.name!r}, whose op {node.op} {reason}; expected a "
                "graph that computes its outputs from its inputs alone",
                "Name outputs that do not depend on it (--outputs), or inputs that come after it (--inputs).",
            )


def _reason(op: str) -> str:
    """Why an operation cannot be part of a network at inference; "" when it can."""
    if op in _OUTSIDE or op.endswith("Dataset"):
        return "touches files, Python or another process"
    if op.startswith(_RANDOM):
        return "draws random numbers"
    return "updates a variable" if op.startswith(_UPDATES) else ""


def _check_functions(where: str, source: SourceGraph, nodes: Iterable[Node]) -> None:
    """Refuse loops and conditionals whose functions do what no network does."""
    functions = {function.signature.name: function for function in source.graph_def.library.function}
    pending = [(node.name, name) for node in nodes for name in functions_of(node.definition)]
    seen: set[str] = set()
    while pending:
        holder, name = pending.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for inner in functions[name].node_def:
            if reason := _reason(inner.op):
                raise UnsupportedError(
                    f"{where}: the outputs need the node {inner.name!r} within {holder!r}, whose op "
                    f"{inner.op} {reason}; expected a graph that computes its outputs from its inputs alone",
                    "Name outputs that do not depend on it (--outputs), or inputs that come after it.",
                )
            pending.extend((holder, called) for called in functions_of(inner))


def _check_sizes(where: str, nodes: Iterable[Node], folded: Folded) -> None:
    """Refuse tensors that the graph fills with one number and that no machine holds: emitters fold them."""
    for node in nodes:
        place = _FILLERS.get(node.op)
        sizes = None if place is None else folded.constants.get(folded.root(node.inputs[place]))
        elements = 1 if sizes is None else math.prod(int(size) for size in sizes().reshape(-1))
        if elements > _MOST_ELEMENTS:
            raise UnsupportedError(
                f"{where}: the node {node.name!r} of op {node.op} makes a tensor of {elements:,} elements; "
                f"expected at most {_MOST_ELEMENTS:,}",
                "Name outputs that do not depend on it: --outputs NAME:0",
            )


def _decisions(folded: Folded, order: Sequence[Node], switches: Switches) -> list[str]:
    """What was decided on the way, one sentence each."""
    there = {f"{node.name}:0" for node in order}
    found = [sentence for tensor, sentence in switches.decisions.items() if tensor in there]
    if folded.folded_switches:
        scopes = sorted({name.rpartition("/cond")[0] for name in folded.folded_switches if "/cond" in name})
        found.append(
            f"The branches of training are cut off{_where(scopes)} ({len(folded.folded_switches)} switches)."
        )
    if folded.dropouts:
        found.append(f"Dropout without a switch is taken out{_where(list(folded.dropouts))}.")
    return found


def _where(names: Sequence[str], most: int = 12) -> str:
    """The places as the end of a clause, not too many of them."""
    listed = ", ".join(names[:most]) + (", …" if len(names) > most else "")
    return f" in {listed}" if listed else ""


def _used_settings(switches: Switches, order: Sequence[Node]) -> Mapping[str, Array]:
    there = {node.name for node in order}
    return {tensor: value for tensor, value in switches.values.items() if owner(tensor) in there}


def _used_warnings(switches: Switches, order: Sequence[Node]) -> tuple[str, ...]:
    there = {f"{node.name}:0" for node in order}
    return switches.warnings if there & switches.values.keys() else ()


def _batch_statistics(nodes: Iterable[Node]) -> list[str]:
    """A warning per batch normalization that normalizes with the statistics of the batch at hand."""
    return [
        f"{node.name} normalizes with the statistics of each batch: the graph was built for training."
        for node in nodes
        if node.op.startswith("FusedBatchNorm") and ((a := node.attr("is_training")) is None or a.b)
    ]
