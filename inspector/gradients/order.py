"""Nodes in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspector.errors import ModelError
from inspector.gradients.names import label, reads
from inspector.onnxfile.source import AGAIN

if TYPE_CHECKING:
    from onnx import NodeProto


def in_order(nodes: Sequence[NodeProto], where: str) -> list[NodeProto]:
    """Nodes in an order in which each comes after those whose values it reads.

    Raises:
        ModelError: There is none: a node waits for its own result.
    """
    makers = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    waits = [[makers[name] for name in reads(node) if name in makers] for node in nodes]
    done: set[int] = set()
    begun: set[int] = set()
    ordered: list[NodeProto] = []
    for start in range(len(nodes)):
        stack = [start]
        while stack:
            at = stack[-1]
            needed = [] if at in done else [other for other in waits[at] if other not in done]
            if needed:
                begun.add(at)
                if not begun.isdisjoint(needed):
                    raise ModelError(
                        f"{where}: has a cycle: {label(nodes[start])} waits for its own result", AGAIN
                    )
                stack.extend(needed)
                continue
            stack.pop()
            if at not in done:
                begun.discard(at)
                done.add(at)
                ordered.append(nodes[at])
    return ordered
