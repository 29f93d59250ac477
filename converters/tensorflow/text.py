"""Refusing what works on text, tables and encoded pictures: none of it is part of a network of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from converters.errors import UnsupportedError
from converters.tensorflow.dtypes import DT_STRING
from converters.tensorflow.saved_model import SavedModel
from converters.tensorflow.signature import output_type
from converters.tensorflow.topology import Node, Topology, full_name, owner, read_topology

_TABLE = re.compile(r"(Anonymous|Mutable|Dense)*HashTable|LookupTable|InitializeTable|KeyValueTable")
_ENCODED = re.compile(
    r"Decode(Jpeg|Png|Image|Bmp|Gif|Raw|PaddedRaw|CSV|Wav|AndCropJpeg|JSONExample)|Parse\w*Example"
)
_TEXT = re.compile(
    r"String|(Static)?Regex|Unicode|Substr|AsString|ReduceJoin|SentencepieceOp|Sentencepiece\w*Op"
)


def check_text(saved: SavedModel, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Refuse a SavedModel whose outputs need text, a table, or the decoding of files.

    Args:
        saved: What was read.
        inputs: The tensors that will be inputs.
        outputs: The tensors that will be outputs.

    Raises:
        UnsupportedError: It names the layer, the operation and the assets; the hint names the tensors that
            come after it.
    """
    where = str(saved.source.path)
    topology = read_topology(saved.source.graph_def, where)
    stop = {owner(full_name(tensor)) for tensor in inputs}
    ends = [owner(full_name(tensor)) for tensor in outputs]
    reached = topology.upstream(ends, controls=False, stop=stop)
    order = [node for node in topology.nodes.values() if node.name in reached]
    # What a lookup gives can be an input: only text cannot.
    found = [n for n in order if _reason(n) and (n.name not in stop or output_type(n) == DT_STRING)]
    if not found:
        return
    first = min(found, key=_rank)
    files = f" ({', '.join(saved.assets[:3])})" if saved.assets and _TABLE.match(first.op) else ""
    raise UnsupportedError(
        f"{where}: the layer {_layer(saved, first)!r} {_reason(first)}{files}: its node {first.name!r} of op "
        f"{first.op} has no counterpart among numbers; expected a network of numbers alone",
        _hint(topology, found, reached, stop, ends),
    )


def _reason(node: Node) -> str:
    """What a node does that is not for a network of numbers; "" when it does none of it."""
    if _TABLE.match(node.op):
        return "looks something up in a table"
    if _ENCODED.match(node.op):
        return "decodes files"
    if node.op.startswith("Placeholder") and output_type(node) == DT_STRING:
        return "takes text"
    if _TEXT.match(node.op) or (output_type(node) == DT_STRING and node.op != "Const"):
        return "works on text"
    return ""


def _rank(node: Node) -> int:
    """What is named first: a lookup rather than other work on text, and that rather than what it works on."""
    if node.op.startswith("LookupTable"):
        return 0
    return 2 if _TABLE.match(node.op) or node.op.startswith("Placeholder") else 1


def _layer(saved: SavedModel, node: Node) -> str:
    scope, _, _ = node.name.rpartition("/")
    if saved.source.kind == "TensorFlow 2 SavedModel":
        return node.name.partition("/")[0]
    return scope or node.name


def _hint(
    topology: Topology, found: list[Node], reached: set[str], stop: set[str], ends: Sequence[str]
) -> str:
    """The inputs that leave out what is refused: numbers that come out of it, and inputs beside it."""
    refused = {node.name for node in found}
    after: dict[str, None] = {}
    for name in reached - refused - stop:
        for tensor in topology.nodes[name].inputs:
            if owner(tensor) in refused and output_type(topology.nodes[owner(tensor)]) != DT_STRING:
                after[tensor] = None
    if not after or refused & set(ends):
        return "Name other tensors: --outputs NAME:0, or --inputs NAME:0."
    before = topology.upstream(refused, controls=False)
    kept = [f"{name}:0" for name in topology.nodes if name in stop - before]
    return f"Leave it out: --inputs {','.join(sorted([*after, *kept]))}"
