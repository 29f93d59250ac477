"""Finishing the ONNX nodes of a network: recurrent layers in their places, and everything by its own name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from converters.assemble import LAYER_KEY, Assembled
from converters.formats import Written
from converters.keras.graph import LARGEST_CONSTANT, Plan
from converters.keras.naming import free
from converters.keras.recurrent_nodes import recurrent_nodes

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def finished(written: Written, plan: Plan) -> Written:
    """The model with its recurrent layers, and inputs, outputs, layers and weights named as Keras does.

    Args:
        written: What an engine made of the plan's graph; its nodes are changed.
        plan: What was written.
    """
    from onnx import numpy_helper

    model = written.model.nodes
    weights = dict(written.model.weights)
    for item in plan.recurrences:
        nodes, arrays = recurrent_nodes(item, plan.weights)
        model.graph.node.extend(nodes)
        weights |= {name: array for name, array in arrays.items() if array.nbytes > LARGEST_CONSTANT}
        known = {tensor.name for tensor in model.graph.initializer}
        small = {name: array for name, array in arrays.items() if name not in {*weights, *known}}
        model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in small.items())
    if plan.recurrences:
        _close(model.graph, plan)
    names = _names(model.graph, plan, weights)
    _rename(model.graph, names)
    for node in _all(model.graph):
        for entry in node.metadata_props:
            if entry.key == LAYER_KEY:
                entry.value = plan.names.get(entry.value, entry.value)
    named = {names.get(name, name): array for name, array in weights.items()}
    values = {output_of(layer): names.get(tensor, tensor) for layer, tensor in plan.layers.items()}
    values |= {name: names[tensor] for name, tensor in plan.ports.items()}
    return replace(written, model=Assembled(model, named), values=values)


def output_of(layer: str) -> str:
    """What the value of a layer is called, beside inputs and outputs: `conv2d.output`."""
    return f"{layer}.output"


def _close(graph: GraphProto, plan: Plan) -> None:
    """Drop what was an input or output for the sake of recurrent layers only, and put the nodes in order."""
    own = set(plan.ports.values())
    for ends in (graph.input, graph.output):
        kept = [value for value in ends if value.name in own]
        del ends[:]
        ends.extend(kept)
    makers = {name: node for node in graph.node for name in node.output}
    ordered: dict[int, NodeProto] = {}
    # Depth first from the outputs: what no output needs is not met.
    pending = [(makers[value.name], False) for value in reversed(graph.output) if value.name in makers]
    while pending:
        node, ready = pending.pop()
        if ready:
            ordered.setdefault(id(node), node)
        elif id(node) not in ordered:
            pending.append((node, True))
            pending += [(makers[name], False) for name in _reads(node) if name in makers]
    rest = type(graph)(node=ordered.values())
    del graph.node[:]
    graph.node.extend(rest.node)


def _names(graph: GraphProto, plan: Plan, weights: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Value → the name that it gets, for those that get another."""
    taken = {name for node in graph.node for name in (*_reads(node), *node.output)}
    taken |= {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    names: dict[str, str] = {}
    for name, tensor in plan.ports.items():
        names[tensor] = free(name, taken)
    for value in (*(tensor.name for tensor in graph.initializer), *weights):
        if value in plan.names:
            names[value] = free(plan.names[value], taken)
    return names


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    for node in _all(graph):
        for ends in (node.input, node.output):
            for place, name in enumerate(ends):
                ends[place] = names.get(name, name)
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = names.get(value.name, value.name)


def _reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, in its subgraphs too."""
    yield from node.input
    for graph in _subgraphs(node):
        for inner in graph.node:
            yield from _reads(inner)


def _all(graph: GraphProto) -> Iterator[NodeProto]:
    """Every node, those of subgraphs too."""
    for node in graph.node:
        yield node
        for inner in _subgraphs(node):
            yield from _all(inner)


def _subgraphs(node: NodeProto) -> list[GraphProto]:
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) if graph.node]
