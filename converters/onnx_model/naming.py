"""Names for the nodes of an ONNX model that has none, and the layers that they belong to."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from converters.assemble import LAYER_KEY
from converters.onnx_model.graph import all_nodes, reads

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# The role that a weight has in its layer, as frameworks call it.
_ROLE = re.compile(
    r"[/._](?:weights?|kernel|filters?|W|w|bias(?:es)?|b|B|gamma|beta|scale|embeddings?|alpha|slope)(?:[:_]\d+)?$"
)
# Names that an exporter made up.
_INVENTED = re.compile(r"(?:onnx::|const|new_const|_?v_?\d|val_\d|\d|/)", re.IGNORECASE)
_LONGEST = 200
# What belongs to the layer whose value it goes on with.
_FOLLOWING = re.compile(
    "Add|BatchNormalization|Cast|Clip|DequantizeLinear|Dropout|Elu|Gelu|HardSigmoid|HardSwish|Identity|"
    "LeakyRelu|LogSoftmax|Mish|PRelu|QuantizeLinear|Relu|Selu|Sigmoid|Softmax|Softplus|Softsign|Swish|Tanh|"
    "ThresholdedRelu"
)
# What is known once the shapes are.
_SHAPE = frozenset(["Shape", "Size"])


def name_nodes(model: ModelProto) -> str:
    """Give each node a name of its own; a sentence of what was done."""
    nodes = list(all_nodes(model.graph.node))
    nodes.reverse()
    taken = {node.name for node in nodes if node.name}
    seen, counts, renamed = set[str](), dict[str, int](), 0
    for node in nodes:
        if node.name and node.name not in seen:
            seen.add(node.name)
            continue
        base = node.name or _snake(node.op_type)
        while True:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}_{counts[base]}"
            if name not in taken:
                break
        node.name = name
        taken.add(name)
        seen.add(name)
        renamed += 1
    return (
        f"{renamed} node{'' if renamed == 1 else 's'} without a name of their own got one." if renamed else ""
    )


def name_layers(model: ModelProto, constants: Collection[str]) -> Mapping[str, str]:
    """Write its layer into each node, where the file does not say it already.

    A layer is called as its weights are: `features.0.weight` belongs to `features.0`. What only goes on with
    a layer's value, an activation for example, belongs to it.

    Args:
        model: The nodes, which get metadata.
        constants: Names of all weights.

    Returns:
        Layer → the value of its last node.
    """
    makers: dict[str, str] = {}
    readers: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    layers: dict[str, str] = {}
    # Weights, and what is worked out of weights and shapes alone: no layer of a network.
    fixed = set(constants)
    taken = {layer for node in model.graph.node if (layer := layer_of(node))}
    for node in model.graph.node:
        if node.op_type in _SHAPE or all(name in fixed for name in reads(node)):
            fixed.update(node.output)
            continue
        layer = layer_of(node)
        if not layer:
            layer = _followed(node, makers, readers, constants) or _own(node, constants, layers, taken)
            entry = node.metadata_props.add()
            entry.key, entry.value = LAYER_KEY, layer
        for name in node.output:
            makers[name] = layer
        layers.pop(layer, None)
        layers[layer] = node.output[0]
    return layers


def complete_layers(model: ModelProto) -> None:
    """Give nodes without a layer, such as a later opset brings, that of the node which reads them."""
    readers: dict[str, str] = {}
    for node in reversed(model.graph.node):
        layer = layer_of(node)
        if not layer:
            layer = next((readers[name] for name in node.output if name in readers), "")
            if layer:
                entry = node.metadata_props.add()
                entry.key, entry.value = LAYER_KEY, layer
        for name in node.input:
            readers.setdefault(name, layer)


def layer_of(node: NodeProto) -> str:
    """The layer that a node's metadata name; empty where they name none."""
    return next((entry.value for entry in node.metadata_props if entry.key == LAYER_KEY), "")


def _followed(
    node: NodeProto, makers: Mapping[str, str], readers: Mapping[str, int], constants: Collection[str]
) -> str:
    """The layer that a node only goes on with; empty where it begins one."""
    if not _FOLLOWING.fullmatch(node.op_type):
        return ""
    computed = [name for name in node.input if name and name in makers]
    if len(computed) != 1 or readers[computed[0]] != 1:
        return ""
    if node.op_type == "BatchNormalization" and _by_weight(node, constants):
        return ""
    return makers[computed[0]]


def _own(node: NodeProto, constants: Collection[str], layers: Collection[str], taken: set[str]) -> str:
    base = _by_weight(node, constants) or _by_node(node)
    name, number = base, 1
    while name in layers or name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name


def _by_weight(node: NodeProto, constants: Collection[str]) -> str:
    for name in node.input[1:]:
        if name in constants and len(name) <= _LONGEST and not _INVENTED.match(name):
            base = _ROLE.sub("", name)
            if base != name:
                return base.strip("/")
    return ""


def _by_node(node: NodeProto) -> str:
    name = node.name[:_LONGEST].strip("/")
    head, _, tail = name.rpartition("/")
    return head if head and re.fullmatch(rf"{re.escape(node.op_type)}(?:_\d+)?", tail) else name


def _snake(text: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()
