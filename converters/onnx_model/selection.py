"""The part of an ONNX model that is asked for: other inputs, other outputs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from converters.errors import SourceError
from converters.onnx_model.graph import needed, reads, replace
from converters.onnx_model.values import inferred

if TYPE_CHECKING:
    from onnx import ValueInfoProto

    from converters.formats import Request
    from converters.onnx_model.repair import Patient


def select(patient: Patient, request: Request) -> tuple[str, ...]:
    """Cut a model to the inputs and outputs of a request; a sentence for each choice.

    Raises:
        SourceError: The model has no such value, or needs an input that is not among those.
    """
    graph = patient.model.graph
    if not (request.inputs or request.outputs):
        return ()
    known = inferred(patient)
    outputs = [_named(patient, known, name) for name in request.outputs] or list(graph.output)
    inputs = [_named(patient, known, name) for name in request.inputs] or list(graph.input)
    # Inside a message a part cannot be taken out and put back.
    outputs, inputs = ([_own(value) for value in values] for values in (outputs, inputs))
    names = [value.name for value in outputs]
    nodes = needed(graph, names, [value.name for value in inputs])
    read = {name for node in nodes for name in reads(node)} | set(names)
    missing = {value.name for value in graph.input} - patient.constants() - {value.name for value in inputs}
    lost = next((name for name in sorted(missing) if name in read), None)
    if lost is not None:
        raise SourceError(
            f"{patient.where}: its outputs {', '.join(names)} need the input {lost!r}, "
            "which is not among --inputs"
        )
    replace(graph.node, nodes)
    replace(graph.input, [value for value in inputs if value.name in read or request.inputs])
    replace(graph.output, outputs)
    sentences = []
    if request.inputs:
        sentences.append(f"Inputs: {', '.join(request.inputs)}: as asked.")
    if request.outputs:
        sentences.append(f"Outputs: {', '.join(request.outputs)}: as asked.")
    return tuple(sentences)


def _own(value: ValueInfoProto) -> ValueInfoProto:
    import onnx

    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    return copy


def _named(patient: Patient, known: dict[str, ValueInfoProto], name: str) -> ValueInfoProto:
    import onnx

    graph = patient.model.graph
    made: Sequence[str] = [each for node in graph.node for each in node.output if each]
    if name not in known and name not in made:
        near = difflib.get_close_matches(name, made, 3)
        raise SourceError(
            f"{patient.where}: has no value {name!r}",
            f"Nearest: {', '.join(near)}." if near else f"inspector layers {patient.where}",
        )
    return known.get(name) or onnx.ValueInfoProto(name=name)
