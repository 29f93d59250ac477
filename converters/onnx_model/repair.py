"""What can be put right in an ONNX model without a change of what it computes; a sentence for each.

A repair is a function with the decorator `@repair`: it changes the model that it is given, and returns what
it did, or an empty text when there was nothing to do. They run in the order in which they stand here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from converters.assemble import MIN_IR_VERSION
from converters.certificate import METADATA_KEY
from converters.errors import SourceError, UnsupportedError
from converters.onnx_model.functions import check_functions
from converters.onnx_model.graph import all_nodes, in_order, needed, reads, replace
from converters.onnx_model.training import leave_training_mode
from converters.onnx_model.words import counted, some

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto


@dataclass
class Patient:
    """A model under repair.

    Attributes:
        where: The file, for messages.
        model: Its nodes, which the repairs change.
        weights: Its large weights.
        repeated: Names of weights that the file holds twice.
    """

    where: str
    model: ModelProto
    weights: MutableMapping[str, NDArray[Any]]
    repeated: tuple[str, ...] = ()

    def constants(self) -> set[str]:
        """The names of all weights."""
        graph = self.model.graph
        small = {tensor.name for tensor in graph.initializer}
        return small | set(self.weights) | {tensor.values.name for tensor in graph.sparse_initializer}


Repair = Callable[[Patient], str]
_repairs: list[Repair] = []


def repair(function: Repair) -> Repair:
    """Enter a repair."""
    _repairs.append(function)
    return function


def repaired(patient: Patient) -> tuple[str, ...]:
    """Put right what can be, and say what was done.

    Raises:
        SourceError: The model is broken beyond that.
        UnsupportedError: It holds functions that cannot be written out.
    """
    return tuple(filter(None, [mend(patient) for mend in _repairs]))


@repair
def spell_domains(patient: Patient) -> str:
    """ONNX's own operators belong to the domain of no name, which is imported once."""
    model = patient.model
    spelled = [node for node in all_nodes(model.graph.node) if node.domain == "ai.onnx"]
    for node in spelled:
        node.domain = ""
    versions: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        versions[domain] = max(entry.version, versions.get(domain, 0))
    changed = len(versions) != len(model.opset_import) or any(
        e.domain == "ai.onnx" for e in model.opset_import
    )
    if "" not in versions:
        if model.ir_version >= 3:
            raise SourceError(f"{patient.where}: does not say of which opset it is")
        versions[""] = 1
        changed = True
    if not changed and not spelled:
        return ""
    del model.opset_import[:]
    for domain, version in versions.items():
        model.opset_import.add(domain=domain, version=version)
    return f"Its operators are those of ONNX's own domain, opset {versions['']}, imported once."


@repair
def write_out_functions(patient: Patient) -> str:
    """Functions that the file itself defines become plain nodes."""
    from onnx import inliner

    if not patient.model.functions:
        return ""
    names = [function.name for function in patient.model.functions]
    check_functions(patient.model, patient.where)
    try:
        patient.model = inliner.inline_local_functions(patient.model)
    except (RuntimeError, ValueError) as error:
        raise UnsupportedError(
            f"{patient.where}: its own functions cannot be written out: {error}"
        ) from error
    return f"{counted(names, 'function')} that the file defines became plain nodes: {some(names)}."


@repair
def leave_training(patient: Patient) -> str:
    """What behaves otherwise in training is set to inference."""
    return leave_training_mode(patient.model)


@repair
def close_constants(patient: Patient) -> str:
    """A weight is no input, although IR versions before 4 list it as one."""
    graph, constants = patient.model.graph, patient.constants()
    listed = [value.name for value in graph.input if value.name in constants]
    if not listed:
        return ""
    replace(graph.input, [value for value in graph.input if value.name not in constants])
    return f"{counted(listed, 'weight')} listed as inputs are weights only: {some(listed)}."


@repair
def drop_repeated(patient: Patient) -> str:
    """What is there twice stays once."""
    graph = patient.model.graph
    kept: dict[str, TensorProto] = {}
    repeated = list(patient.repeated)
    for tensor in graph.initializer:
        known = kept.setdefault(tensor.name, tensor)
        if known is tensor and tensor.name not in patient.weights:
            continue
        if tensor.name in patient.weights or known.SerializeToString() != tensor.SerializeToString():
            raise SourceError(
                f"{patient.where}: two weights are called {tensor.name!r}, with different numbers"
            )
        repeated.append(tensor.name)
    inputs = {value.name: value for value in graph.input}
    twice = [name for name, count in Counter(value.name for value in graph.input).items() if count > 1]
    if not repeated and not twice:
        return ""
    if len(kept) < len(graph.initializer):
        replace(graph.initializer, list(kept.values()))
    if twice:
        replace(graph.input, list(inputs.values()))
    return f"Declared twice and now once: {some([*repeated, *twice])}."


@repair
def put_in_order(patient: Patient) -> str:
    """A node stands behind those that make what it reads."""
    graph = patient.model.graph
    _refuse_unknown(patient)
    ordered = in_order(graph.node, patient.where)
    if [id(node) for node in ordered] == [id(node) for node in graph.node]:
        return ""
    if all(one is other for one, other in zip(ordered, graph.node, strict=True)):
        return ""
    replace(graph.node, ordered)
    return "Nodes stood before those that make what they read; they are in order."


@repair
def drop_unread(patient: Patient) -> str:
    """What leads to no output is left out."""
    graph = patient.model.graph
    kept = needed(graph, [value.name for value in graph.output])
    dead = len(graph.node) - len(kept)
    if dead:
        replace(graph.node, kept)
    read = {name for node in graph.node for name in reads(node)} | {value.name for value in graph.output}
    unread = [name for name in patient.weights if name not in read]
    for name in unread:
        del patient.weights[name]
    small = [tensor for tensor in graph.initializer if tensor.name in read]
    unread += [tensor.name for tensor in graph.initializer if tensor.name not in read]
    if len(small) < len(graph.initializer):
        replace(graph.initializer, small)
    made = {name for node in graph.node for name in node.output}
    replace(graph.value_info, _unique(value for value in graph.value_info if value.name in made))
    parts = [f"{dead} node{'' if dead == 1 else 's'}"] if dead else []
    parts += [f"{counted(unread, 'weight')} ({some(unread)})"] if unread else []
    return f"Left out, because no output needs them: {' and '.join(parts)}." if parts else ""


@repair
def name_graph(patient: Patient) -> str:
    """A graph has a name."""
    if patient.model.graph.name:
        return ""
    patient.model.graph.name = "graph"
    return "The graph had no name."


@repair
def renew_version(patient: Patient) -> str:
    """Node metadata need a late version of the format itself."""
    model, before = patient.model, patient.model.ir_version
    model.ir_version = max(before, MIN_IR_VERSION)
    # It speaks of another file.
    replace(model.metadata_props, [entry for entry in model.metadata_props if entry.key != METADATA_KEY])
    return "" if model.ir_version == before else f"IR version {before} became {model.ir_version}."


def _refuse_unknown(patient: Patient) -> None:
    """Refuse a value that nothing makes."""
    graph = patient.model.graph
    known = patient.constants() | {value.name for value in graph.input}
    known |= {name for node in all_nodes(graph.node) for name in node.output}
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                known |= {value.name for value in inner.input} | {t.name for t in inner.initializer}
    for node in graph.node:
        name = next((each for each in node.input if each and each not in known), None)
        if name is not None:
            raise SourceError(
                f"{patient.where}: the node {node.name or node.op_type!r} reads {name!r}, which nothing makes"
            )
    lost = next((value.name for value in graph.output if value.name not in known), None)
    if lost is not None:
        raise SourceError(f"{patient.where}: nothing makes its output {lost!r}")


def _unique(values: Iterable[Any]) -> list[Any]:
    """Of several declarations of one value, the last."""
    return list({value.name: value for value in values}.values())
