"""Naming the nodes of a traced network after the layers that made them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from converters.keras.traced import Port, Traced
from converters.tensorflow.schema import parse
from converters.tensorflow.topology import owner

# TensorFlow takes no other letters in the name of a node.
_FOREIGN = re.compile(r"[^A-Za-z0-9_./-]|^[^A-Za-z0-9.]")


def renamed(traced: Traced) -> tuple[Traced, dict[str, str]]:
    """The same network with nodes named after layers; and what each layer and weight is called in it."""
    taken: set[str] = set()
    names: dict[str, str] = {}
    nodes: dict[str, str] = {}
    for port in (*traced.inputs, *traced.weights):
        nodes[owner(port.tensor)] = made = free(safe(port.name), taken)
        names[made] = port.name
    layers: dict[str, str] = {}
    scopes: set[str] = set()
    for layer in dict.fromkeys((*traced.owners.values(), *traced.layers)):
        layers[layer] = free(safe(layer), scopes)
        names.setdefault(layers[layer], layer)
    definition = parse("GraphDef", traced.graph_def, "the traced network")
    for node in definition.node:
        if node.name not in nodes:
            layer = traced.owners.get(node.name, "")
            leaf = node.name.rpartition("/")[2] if layer else node.name
            nodes[node.name] = free(safe(f"{layers[layer]}/{leaf}" if layer else leaf), taken)
    for node in definition.node:
        node.name = nodes[node.name]
        read = [item for item in node.input if not item.startswith("^")]
        node.ClearField("input")
        node.input.extend(_tensor(item, nodes) for item in read)
        # Notes of TensorFlow for itself name nodes as they were.
        node.attr.pop("_class", None)

    def moved(item: Port) -> Port:
        return replace(item, tensor=_tensor(item.tensor, nodes))

    again = replace(
        traced,
        graph_def=definition.SerializeToString(),
        inputs=tuple(map(moved, traced.inputs)),
        outputs=tuple(map(moved, traced.outputs)),
        weights=tuple(map(moved, traced.weights)),
        layers={layer: moved(item) for layer, item in traced.layers.items()},
        recurrences=tuple(
            replace(
                item,
                sequence=_tensor(item.sequence, nodes),
                states=tuple(state and _tensor(state, nodes) for state in item.states),
                outputs=tuple(map(moved, item.outputs)),
            )
            for item in traced.recurrences
        ),
    )
    return again, names


def _tensor(tensor: str, nodes: Mapping[str, str]) -> str:
    name, colon, place = tensor.partition(":")
    return f"{nodes[name]}{colon}{place}"


def safe(name: str) -> str:
    """A name that TensorFlow takes for a node."""
    return _FOREIGN.sub("_", name).replace("//", "/_/") or "_"


def free(name: str, taken: set[str]) -> str:
    """A name that is not taken, and now is: this one, or with a number."""
    found, number = name, 1
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found
