"""Functions that an ONNX file defines: refused when they call themselves, or grow without measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters.errors import UnsupportedError
from converters.onnx_model.graph import all_nodes

if TYPE_CHECKING:
    from onnx import ModelProto

_MOST_NODES = 1_000_000


def check_functions(model: ModelProto, where: str) -> None:
    """Refuse functions that cannot be written out as plain nodes.

    Raises:
        UnsupportedError: One calls itself, or all together have more than a million nodes.
    """
    calls = {
        (function.domain, function.name): [(n.domain, n.op_type) for n in all_nodes(function.node)]
        for function in model.functions
    }
    sizes: dict[tuple[str, str], int] = {}
    for first in calls:
        path = [first]
        while path:
            at = path[-1]
            below = [each for each in calls[at] if each in calls and each not in sizes]
            if at in sizes or not below:
                path.pop()
                sizes[at] = sum(sizes.get(each, 1) for each in calls[at])
                continue
            if below[0] in path:
                raise UnsupportedError(f"{where}: its function {below[0][1]!r} calls itself")
            path.append(below[0])
    nodes = sum(sizes.get((node.domain, node.op_type), 1) for node in all_nodes(model.graph.node))
    if nodes > _MOST_NODES:
        raise UnsupportedError(
            f"{where}: its functions stand for {nodes:,} nodes; expected {_MOST_NODES:,} at most"
        )
