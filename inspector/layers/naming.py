"""What a layer is called when the file does not say so: by its weight, its node, or its value."""

from __future__ import annotations

import re
from collections.abc import Iterable

from inspector.onnxfile import Node

# What a tool hangs onto the name of a weight: an output's number, its own counter, the reading of a variable.
_DECORATION = re.compile(
    r"(?::\d+|__\d+|/read|_quantized|_dequantized|_DequantizeLinear_Output|(?<=weight)_orig)$"
)
# Exporters name a weight by its layer and its role, or by the operator in the layer that reads it.
_ROLE = re.compile(
    r"(?:"
    r"[/._](?:weights?|kernel|filters?|W|w|bias(?:es)?|b|B|gamma|beta|scale|embeddings?|alpha|slope)(?:_0)?"
    r"|/(?:depthwise|pointwise)_(?:kernel|weights)"
    r"|(?:/(?:Conv[123]D|MatMul|BiasAdd|Tensordot|depthwise|separable_conv2d))?/ReadVariableOp(?:_\d+)?"
    r")$"
)
# No exporter writes longer names; taking a stranger's apart could last for ever.
_LONGEST = 1000
# Names that an exporter made up: they say nothing about the layer. ("0.weight" is the author's.)
_INVENTED = re.compile(
    r"(?:onnx::|const_|Const_|new_const|_?v_?\d|val_\d|\d+(?![\d.]*\.[a-z])|/.*/Constant|Constant_?\d)"
)


def base_of(weight: str) -> str | None:
    """Return the layer that a weight's name speaks of, or None when it names none."""
    if len(weight) > _LONGEST or _INVENTED.match(weight):
        return None
    bare = weight
    while bare != (shorter := _DECORATION.sub("", bare)):
        bare = shorter
    base = _ROLE.sub("", bare).strip("/")
    return base if base and base != bare else None


def node_base(node: Node, weight: str) -> str:
    """Return the best name for a node that no layer name is known for.

    Args:
        node: The node.
        weight: The name of its weight, or "".
    """
    name = node.name.strip("/")
    if name:
        head, _, tail = name.rpartition("/")
        last = head.rpartition("/")[2].lower()
        if (
            head
            and re.fullmatch(rf"{re.escape(node.op_type)}(?:_\d+)?", tail)
            and (weight or node.op_type.lower() in last)
        ):
            return head
        return name
    made = next((output for output in node.outputs if output), "")
    return weight or made or node.op_type


def unique(names: Iterable[str]) -> list[str]:
    """Number the second and later of equal names, without meeting a name that is there already."""
    names = list(names)
    taken, given = set(names), set[str]()
    counts: dict[str, int] = {}
    result = []
    for name in names:
        chosen = name
        while chosen in given or (chosen != name and chosen in taken):
            counts[name] = counts.get(name, 1) + 1
            chosen = f"{name}_{counts[name]}"
        given.add(chosen)
        result.append(chosen)
    return result
