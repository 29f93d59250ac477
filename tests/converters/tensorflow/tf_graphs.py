"""A small frozen graph, and what freezing made or refused to make of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tf_files import GraphBuilder

from converters.errors import InspectorError
from converters.tensorflow.freeze import InferenceGraph, freeze
from converters.tensorflow.graph import SourceGraph

PATH = Path("net.pb")


def source(builder: GraphBuilder, **fields: object) -> SourceGraph:
    """A frozen graph, as if it had been read."""
    return SourceGraph("frozen graph", PATH, (), builder.graph, **fields)


def refusal(builder: GraphBuilder, **options: object) -> InspectorError:
    """The error of freezing a graph."""
    with pytest.raises(InspectorError) as caught:
        freeze(source(builder), **options)
    return caught.value


def ops(frozen: InferenceGraph) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Op and inputs of every node that is left."""
    return {node.name: (node.op, tuple(node.input)) for node in frozen.graph_def.node}


def mlp() -> GraphBuilder:
    """The layer `net`, a product and a Relu, on `x`."""
    graph = GraphBuilder()
    graph.placeholder("x", None, 3)
    graph.const("w", np.ones((3, 2)))
    graph.add("net/MatMul", "MatMul", "x", "w", T="float32")
    graph.add("net/Relu", "Relu", "net/MatMul", T="float32")
    return graph
