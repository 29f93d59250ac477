"""What TensorFlow 2 notes in a checkpoint: the objects of a program, and which values belong to which.

Reference: tensorflow/core/protobuf/trackable_object_graph.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converters.tensorflow.schema import parse
from converters.tensorflow.topology import full_name, owner
from converters.tensorflow.variables import Checkpoint

KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@dataclass(frozen=True)
class Objects:
    """The variables of a program by their keys in the checkpoint.

    Attributes:
        names: Key → what the program calls the variable, "conv2d/kernel"; empty where it does not say.
        slots: The keys of what an optimizer keeps for a variable.
        keys: The number of an object that is a variable → its key.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    slots: frozenset[str] = frozenset()
    keys: Mapping[int, str] = field(default_factory=dict)


def read_objects(checkpoint: Checkpoint) -> Objects:
    """Return what a checkpoint notes of its variables; nothing when it is one of TensorFlow 1.

    Raises:
        SourceError: The note is damaged.
    """
    if KEY not in checkpoint.variables:
        return Objects()
    stored = checkpoint.read(KEY)
    data = bytes(stored.reshape(-1)[0]) if stored.dtype == object and stored.size else b""
    graph = parse("TrackableObjectGraph", data, f"{checkpoint.prefix}: {KEY}")
    names: dict[str, str] = {}
    keys: dict[int, str] = {}
    slots: set[str] = set()
    kept = {slot.slot_variable_node_id for node in graph.nodes for slot in node.slot_variables}
    for place, node in enumerate(graph.nodes):
        for attribute in node.attributes:
            names[attribute.checkpoint_key] = attribute.full_name
            if attribute.checkpoint_key.endswith(VALUE):
                keys[place] = attribute.checkpoint_key
            if place in kept:
                slots.add(attribute.checkpoint_key)
    return Objects(names, frozenset(slots), keys)


def bound_variables(meta: Any, objects: Objects) -> dict[str, str]:
    """Return the variables that a graph's calls give to functions, by their nodes, with their keys.

    A program that has a variable twice, as Keras 3 has, restores the one and calls functions with the other.

    Args:
        meta: A MetaGraphDef message.
        objects: What the checkpoint notes.
    """
    functions = meta.object_graph_def.concrete_functions
    found: dict[str, str] = {}
    for node in meta.graph_def.node:
        name = node.attr["f"].func.name if "f" in node.attr else ""
        bound = functions[name].bound_inputs if name in functions else []
        given = [ref for ref in node.input if not ref.startswith("^")]
        if not bound or len(bound) > len(given):
            continue
        for ref, place in zip(given[-len(bound) :], bound, strict=True):
            if place in objects.keys:
                found[owner(full_name(ref))] = objects.keys[place]
    return found
