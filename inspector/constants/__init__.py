"""Values that do not depend on a graph's inputs: stored tensors, and what simple operators make of them.

Exporters and quantisers put operators between a weight and the layer that uses it. Each of those that occur
has a rule here, on numpy arrays; a value that needs any other operator counts as computed at run time.
"""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np

from inspector.constants.arguments import Array, NotConstantError
from inspector.constants.rules import RULES
from inspector.onnxfile import Graph

__all__ = ["NotConstantError", "constant"]

_DOMAINS = {"", "com.microsoft"}
_MAX_DEPTH = 64

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def constant(graph: Graph, name: str) -> Array:
    """Return a value that does not depend on the graph's inputs.

    Args:
        graph: The graph.
        name: The value's name.

    Returns:
        The array, in the type in which `Tensor.numpy` hands it out. Where nothing but views lie between it
        and the file, only the pages that are read later are ever touched.

    Raises:
        NotConstantError: It is an input, or something that has no rule makes it.
        TensorError: A stored tensor is broken.
    """
    return _value(graph, name, {}, 0)


def _value(graph: Graph, name: str, known: dict[str, Array], depth: int) -> Array:
    """Return a value and remember it: the same one can be read on many ways through a graph."""
    if name in known:
        return known[name]
    stored = graph.initializers.get(name) or graph.sparse_initializers.get(name)
    if stored is not None:
        known[name] = stored.numpy()
        return known[name]
    node = graph.producers.get(name)
    if node is None:
        raise NotConstantError("are an input of the model, not stored in it")
    rule = RULES.get(node.op_type) if node.domain in _DOMAINS and node.outputs[0] == name else None
    if rule is None:
        raise NotConstantError(f"are computed at run time by {node.op_type}, not stored in the file")
    if depth == _MAX_DEPTH:
        raise NotConstantError(f"stand behind more than {_MAX_DEPTH} operators")
    inputs = [_value(graph, each, known, depth + 1) if each else None for each in node.inputs]
    with np.errstate(all="ignore"):
        known[name] = rule(node, inputs)
    return known[name]
