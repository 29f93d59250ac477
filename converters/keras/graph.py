"""From a traced network to an inference graph whose nodes are named after the layers that made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.keras.naming import renamed
from converters.keras.traced import Port, Recurrence, Traced
from converters.tensorflow.functions import CALLS, inlined
from converters.tensorflow.inference import InferenceGraph, set_constant
from converters.tensorflow.schema import new, parse
from converters.tensorflow.topology import Topology, owner, read_topology
from converters.trials import TensorSpec

LARGEST_CONSTANT = 1024
_ALIASES = ("Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics")
_FLOAT = np.dtype("float32")


@dataclass(frozen=True)
class Plan:
    """An inference graph, and what is called how in it.

    Attributes:
        graph: The graph; what recurrent layers compute is among its inputs, what they read among its outputs.
        inputs: The network's own inputs, by Keras's names.
        outputs: Its outputs, by Keras's names.
        ports: Name of an input or output → its tensor in the graph.
        layers: Layer → its tensor in the graph.
        names: Name in the graph → the author's, of layers and weights, where that is another.
        recurrences: The recurrent layers that are not in the graph, in its names.
        weights: Every weight, by the author's name.
    """

    graph: InferenceGraph
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ports: Mapping[str, str]
    layers: Mapping[str, str]
    names: Mapping[str, str]
    recurrences: tuple[Recurrence, ...]
    weights: Mapping[str, NDArray[Any]] = field(repr=False)


def plan(traced: Traced, weights: Path, where: str) -> Plan:
    """Build the inference graph of a traced network.

    Args:
        traced: What the child process gave.
        weights: The file that it wrote the weights to.
        where: The source, for messages.

    Raises:
        UnsupportedError: The graph calls what cannot be put in its place.
    """
    own, names = renamed(traced)
    definition = _flat(parse("GraphDef", own.graph_def, where), own, where)
    held = _arrays(own.weights, weights)
    _shorten(definition, held)
    topology = read_topology(definition, where)
    roots = {tensor: _root(topology, tensor) for tensor in _tensors(own)}
    wanted, recurrences = _needed(topology, own, roots)
    outputs, extra = _outputs(own, roots)
    made = [port for item in recurrences for port in item.outputs]
    asked = [state for item in recurrences for state in (item.sequence, *item.states) if state]
    written, large = _written(definition, wanted, {*_names(own.inputs), *_names(made)}, held, extra)
    layers = {
        name: roots[port.tensor] for name, port in own.layers.items() if owner(roots[port.tensor]) in wanted
    }
    safe = {original: name for name, original in names.items()}
    given = {port.tensor for port in (*own.inputs, *made)}
    declared = {tensor: _spec(tensor, port) for tensor, port in zip(outputs, own.outputs, strict=True)}
    specs = dict.fromkeys([*outputs, *(tensor for tensor in asked if tensor not in given)])
    graph = InferenceGraph(
        graph_def=written,
        weights=large,
        inputs=tuple(_spec(port.tensor, port) for port in (*own.inputs, *made)),
        outputs=tuple(declared.get(tensor, TensorSpec(tensor, _FLOAT, None)) for tensor in specs),
        layers={safe.get(name, name): (tensor,) for name, tensor in layers.items()},
        decisions=(),
        warnings=(),
    )
    ports = {port.name: port.tensor for port in own.inputs}
    return Plan(
        graph=graph,
        inputs=tuple(_spec(port.name, port) for port in own.inputs),
        outputs=tuple(_spec(port.name, port) for port in own.outputs),
        ports=ports | {port.name: t for port, t in zip(own.outputs, outputs, strict=True)},
        layers=layers,
        names={name: original for name, original in names.items() if name != original},
        recurrences=recurrences,
        weights={port.name: held[owner(port.tensor)] for port in own.weights},
    )


def _flat(definition: Any, traced: Traced, where: str) -> Any:
    """The graph without calls of functions."""
    calls = {node.name for node in definition.node if node.op in CALLS}
    if not calls:
        return definition
    return inlined(definition, [owner(tensor) for tensor in _tensors(traced)], where).graph_def


def _shorten(definition: Any, held: Mapping[str, NDArray[Any]]) -> None:
    """Let what adds a bias read it directly: Keras 3 reshapes it there and back, which costs it its name."""
    nodes = {node.name: node for node in definition.node}
    for node in definition.node:
        if node.op == "BiasAdd":
            maker = nodes[node.input[1].partition(":")[0]]
            while maker.op in ("Reshape", "Squeeze", *_ALIASES):
                maker = nodes[maker.input[0].partition(":")[0]]
            if maker.name in held and held[maker.name].ndim == 1:
                node.input[1] = maker.name


def _tensors(traced: Traced) -> list[str]:
    """Every tensor that is named beside the graph."""
    ports = (*traced.inputs, *traced.outputs, *(port for item in traced.recurrences for port in item.outputs))
    read = [state for item in traced.recurrences for state in (item.sequence, *item.states) if state]
    return [*(port.tensor for port in ports), *read, *(port.tensor for port in traced.layers.values())]


def _root(topology: Topology, tensor: str) -> str:
    """The tensor that another is only another name of."""
    node = topology.nodes[owner(tensor)]
    while node.op in _ALIASES:
        tensor = node.inputs[int(tensor.rpartition(":")[2])]
        node = topology.nodes[owner(tensor)]
    return tensor


def _needed(
    topology: Topology, traced: Traced, roots: Mapping[str, str]
) -> tuple[set[str], tuple[Recurrence, ...]]:
    """The nodes and the recurrent layers that the outputs depend on; these read roots."""
    pending = [owner(roots[port.tensor]) for port in traced.outputs]
    reached: set[str] = set()
    used: list[Recurrence] = []
    while pending:
        found = topology.upstream(pending, controls=False, stop=reached) - reached
        reached |= found
        new_ones = [item for item in traced.recurrences if item not in used and _is_made(item, found)]
        used += new_ones
        pending = [owner(state) for item in new_ones for state in (item.sequence, *item.states) if state]
    return reached, tuple(
        replace(
            item,
            sequence=roots[item.sequence],
            states=tuple(state and roots[state] for state in item.states),
        )
        for item in traced.recurrences
        if item in used
    )


def _is_made(item: Recurrence, nodes: set[str]) -> bool:
    return any(owner(port.tensor) in nodes for port in item.outputs)


def _outputs(traced: Traced, roots: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """A tensor of its own for each output; and the nodes that give a tensor a second name."""
    given = {port.tensor for port in traced.inputs}
    given |= {port.tensor for item in traced.recurrences for port in item.outputs}
    outputs: list[str] = []
    extra: dict[str, str] = {}
    for place, port in enumerate(traced.outputs):
        tensor = roots[port.tensor]
        if tensor in given or tensor in outputs:
            name = f"output/{place}"
            extra[name], tensor = tensor, f"{name}:0"
        outputs.append(tensor)
    return outputs, extra


def _written(
    definition: Any,
    wanted: set[str],
    placeholders: set[str],
    held: Mapping[str, NDArray[Any]],
    extra: Mapping[str, str],
) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The graph of the nodes that are wanted, small weights in it, and the large weights."""
    graph = new("GraphDef")
    graph.versions.CopyFrom(definition.versions)
    graph.library.CopyFrom(definition.library)
    large = {}
    types = {
        node.name: node.attr["dtype"].type for node in definition.node if node.name in wanted | placeholders
    }
    for node in definition.node:
        array = held.get(node.name)
        if node.name not in wanted and node.name not in placeholders:
            continue
        if array is not None and array.nbytes <= LARGEST_CONSTANT:
            set_constant(graph.node.add(), node.name, array)
            continue
        if array is not None:
            large[node.name] = array
        graph.node.add().CopyFrom(node)
    for name, tensor in extra.items():
        node = graph.node.add(name=name, op="Identity", input=[tensor.removesuffix(":0")])
        node.attr["T"].type = types[owner(tensor)]
    return graph, large


def _arrays(ports: Iterable[Port], path: Path) -> dict[str, NDArray[Any]]:
    """The weights by their nodes: views of the file, which is mapped."""
    whole = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    arrays = {}
    for port in ports:
        dtype = np.dtype(port.dtype)
        shape = tuple(size or 0 for size in port.shape or ())
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        part = np.asarray(whole[port.offset : port.offset + size])
        arrays[owner(port.tensor)] = part.view(dtype).reshape(shape)
    return arrays


def _names(ports: Iterable[Port]) -> set[str]:
    return {owner(port.tensor) for port in ports}


def _spec(name: str, port: Port) -> TensorSpec:
    return TensorSpec(name, np.dtype(port.dtype), port.shape)
