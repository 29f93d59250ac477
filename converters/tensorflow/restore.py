"""Which value of a checkpoint each variable of a graph takes, as the graph's own saver would have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from converters.errors import SourceError
from converters.tensorflow.dtypes import Array
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.parts import Extent, places
from converters.tensorflow.tensors import tensor_array
from converters.tensorflow.topology import Node, Topology, number, owner

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable"})
_ASSIGNS = frozenset({"Assign", "AssignVariableOp"})
_RESTORES = frozenset({"Restore", "RestoreV2", "RestoreSlice"})


@dataclass(frozen=True)
class Stored:
    """A value of the checkpoint, or a part of one.

    Attributes:
        key: Its name there.
        part: Which part of it, the shape of the whole before the extents: "4 3 0,2:-"; empty for all of it.
    """

    key: str
    part: str = ""


def stored_variables(source: SourceGraph, topology: Topology) -> Mapping[str, Stored]:
    """Return what each variable that the source says it of takes from the checkpoint, by its node.

    A saver may have been given names of its own: those of the moving averages that replace the weights, or
    the parts of a partitioned variable.
    """
    found = {name: Stored(key) for name, key in source.keys.items()}
    if source.saver is None:
        return found
    for name in topology.upstream([source.saver.restore_op], controls=True):
        node = topology.nodes[name]
        if node.op in _ASSIGNS and len(node.inputs) == 2:
            stored = _restored(topology, node.inputs[1])
            if stored is not None:
                found[_variable(topology, node.inputs[0])] = stored
    return found


def read_variable(source: SourceGraph, node: Node, stored: Mapping[str, Stored]) -> Array:
    """Return the value of a variable, read-only.

    Args:
        source: The graph with its checkpoint.
        node: The variable.
        stored: What `stored_variables` gives.

    Raises:
        SourceError: The source has no values, or this one is missing, damaged or of another shape.
    """
    if source.checkpoint is None:
        raise SourceError(
            f"{source.path}: is not frozen: the variable {node.name!r} has no value in it",
            "Convert the checkpoint that belongs to it, or freeze the graph first.",
        )
    where = stored.get(node.name) or Stored(_default_key(node))
    value = source.checkpoint.read(where.key)
    if where.part:
        try:
            value = value[places(value.shape, _extents(where.part))]
        except ValueError as error:
            raise SourceError(f"{source.path}: the variable {node.name!r}: {error}") from error
    declared = node.attr("shape")
    if declared is not None and not declared.shape.unknown_rank:
        sizes = tuple(dim.size for dim in declared.shape.dim)
        fits = len(sizes) == value.ndim and all(a in (b, -1) for a, b in zip(sizes, value.shape, strict=True))
        if not fits:
            raise SourceError(
                f"{source.path}: the variable {node.name!r} has shape {list(value.shape)} in the checkpoint, "
                f"and {list(sizes)} in the graph",
                "Graph and checkpoint must come from the same save: take both from one folder.",
            )
    return value


def _default_key(node: Node) -> str:
    """The name under which a plain saver keeps a variable."""
    shared = node.attr("shared_name")
    if node.op == "VarHandleOp" and shared is not None and shared.s:
        return str(shared.s.decode("utf-8", "replace"))
    return node.name


def _variable(topology: Topology, tensor: str) -> str:
    """The variable that a tensor refers to."""
    node = topology.nodes.get(owner(tensor))
    for _ in range(4):
        if node is None or node.op in VARIABLES or not node.inputs:
            break
        node = topology.nodes.get(owner(node.inputs[0]))
    return node.name if node is not None else ""


def _restored(topology: Topology, tensor: str) -> Stored | None:
    """What a tensor takes from the checkpoint, if it comes from there at once."""
    node = topology.nodes.get(owner(tensor))
    if node is not None and node.op == "Identity" and node.inputs:
        tensor = node.inputs[0]
        node = topology.nodes.get(owner(tensor))
    if node is None or node.op not in _RESTORES or len(node.inputs) < 2:
        return None
    keys = _texts(topology, node.inputs[1])
    parts = _texts(topology, node.inputs[2]) if len(node.inputs) > 2 else []
    place = number(tensor)
    if place >= len(keys):
        return None
    return Stored(keys[place], parts[place] if place < len(parts) else "")


def _texts(topology: Topology, tensor: str) -> list[str]:
    """The strings of a constant."""
    node = topology.nodes.get(owner(tensor))
    value = node.attr("value") if node is not None and node.op == "Const" else None
    if value is None:
        return []
    try:
        texts = tensor_array(value.tensor)
    except ValueError:
        return []
    return [text.decode("utf-8", "replace") for text in texts.ravel() if isinstance(text, bytes)]


def _extents(part: str) -> tuple[Extent, ...]:
    """The extents in a saver's text: "4 3 0,2:-" is (0, 2) of the first axis, all of the second.

    Raises:
        ValueError: The text is no such thing.
    """
    found: list[Extent] = []
    for text in part.split(" ")[-1].split(":"):
        start, _, length = text.partition(",")
        if text == "-":
            found.append((0, None))
        elif start.isdecimal() and length.isdecimal() and len(text) < 40:
            found.append((int(start), int(length)))
        else:
            raise ValueError(f"the saver names the slice {part!r}, which is none")
    return tuple(found)
