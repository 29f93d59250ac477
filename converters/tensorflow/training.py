"""What switches a graph between training and inference, and the values that mean inference."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from converters.errors import SourceError
from converters.tensorflow.dtypes import DT_BOOL, Array, to_numpy
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.restore import VARIABLES, Stored, read_variable
from converters.tensorflow.signature import output_shape, output_type
from converters.tensorflow.tensors import tensor_array
from converters.tensorflow.topology import Node, Topology, full_name

Loader = Callable[[], Array]

_TRAINING = re.compile(r"train|learning_phase|phase|dropout|is_learn", re.IGNORECASE)
_INFERENCE = re.compile(r"infer|test|eval|predict|deterministic|freeze", re.IGNORECASE)
_KEEP = re.compile(r"keep_?prob|keep_?rate|^keep$|/keep$", re.IGNORECASE)
_DROP = re.compile(r"drop_?(out)?_?(rate|prob)?$|^rate$|/rate$", re.IGNORECASE)


@dataclass(frozen=True)
class Switches:
    """Values that are decided before the graph is looked at.

    Attributes:
        values: Per tensor, its value.
        decisions: Per tensor, the sentence that says so.
        warnings: What the user should know of them.
    """

    values: Mapping[str, Array]
    decisions: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def find_switches(source: SourceGraph, topology: Topology, inputs: Collection[str]) -> Switches:
    """Return the switches of training with the values that mean inference.

    Args:
        source: The graph with its checkpoint.
        topology: Its nodes.
        inputs: Tensors that the user wants as inputs, and which are left alone.
    """
    values: dict[str, Array] = {}
    decisions: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    for name in source.collections.is_training:
        tensor = full_name(name)
        if tensor not in inputs:
            values[tensor] = np.asarray(False)
            stored = _stored_mode(source, tensor)
            decisions[tensor] = f"{tensor} is set to False" + (
                f", the source holds {stored}." if stored else "."
            )
            if stored == "True":
                warnings = ("The source was saved in training mode; it is converted in inference mode.",)
    for node in topology.nodes.values():
        tensor = f"{node.name}:0"
        if tensor in inputs or tensor in values or not node.op.startswith("Placeholder"):
            continue
        value, why = _placeholder_value(topology, node)
        if value is not None:
            values[tensor] = value
            decisions[tensor] = f"{tensor} is set to {_shown(value)}: {why}."
    return Switches(values, decisions, warnings)


def is_rate(node: Node) -> bool:
    """Say whether a placeholder's name is that of a probability to keep or drop."""
    return bool(_KEEP.search(node.name) or _DROP.search(node.name))


def known_values(
    source: SourceGraph, nodes: Collection[Node], stored: Mapping[str, Stored], switches: Switches
) -> dict[str, Loader]:
    """Return what is known of these nodes beforehand: switches, constants, variables; read when asked for."""
    known: dict[str, Loader] = {}
    for node in nodes:
        tensor = f"{node.name}:0"
        if tensor in switches.values:
            known[tensor] = partial(_same, switches.values[tensor])
        elif node.op == "Const":
            known[tensor] = cache(partial(_constant, source, node))
        elif node.op in VARIABLES:
            known[tensor] = cache(partial(read_variable, source, node, stored))
    return known


def _shown(value: Array) -> str:
    """A single value in few digits."""
    return f"{value.item():.6g}" if value.dtype.kind == "f" else str(value.item())


def _same(value: Array) -> Array:
    return value


def _constant(source: SourceGraph, node: Node) -> Array:
    """The value of a Const node."""
    value = node.attr("value")
    try:
        if value is None:
            raise ValueError("it has no value")
        return tensor_array(value.tensor)
    except ValueError as error:
        raise SourceError(f"{source.path}: the constant {node.name!r} is damaged: {error}") from error


def _stored_mode(source: SourceGraph, tensor: str) -> str:
    """What the checkpoint holds of the variable that switches training: "True", "False" or ""."""
    checkpoint = source.checkpoint
    name = tensor.removesuffix(":0")
    if checkpoint is None or name not in checkpoint.variables:
        return ""
    return str(bool(np.all(checkpoint.read(name))))


def _placeholder_value(topology: Topology, node: Node) -> tuple[Array | None, str]:
    """The value of a placeholder that is a switch or a rate rather than data, and why; None for data."""
    kind = output_type(node)
    if node.op == "PlaceholderWithDefault":
        shape = output_shape(node)
        if shape is not None and len(shape) > 0:
            return None, ""
        default = _default(topology, node)
        if default is None or default.size != 1:
            return None, ""
        if kind == DT_BOOL and _TRAINING.search(node.name):
            return np.asarray(False), "it says whether the graph trains"
        return default, "its default"
    if kind == DT_BOOL and _INFERENCE.search(node.name):
        return np.asarray(True), "it says whether the graph runs for inference"
    if kind == DT_BOOL and _TRAINING.search(node.name):
        return np.asarray(False), "it says whether the graph trains"
    dtype = to_numpy(kind)
    if dtype is not None and dtype.kind == "f" and not output_shape(node):
        if _KEEP.search(node.name):
            return np.asarray(1, dtype), "nothing is dropped at inference"
        if _DROP.search(node.name):
            return np.asarray(0, dtype), "nothing is dropped at inference"
    return None, ""


def _default(topology: Topology, node: Node) -> Array | None:
    """The default of a placeholder, when it is a constant."""
    source = topology.nodes.get(node.inputs[0].rpartition(":")[0]) if node.inputs else None
    value = source.attr("value") if source is not None and source.op == "Const" else None
    if value is None:
        return None
    try:
        return tensor_array(value.tensor)
    except ValueError:
        return None
