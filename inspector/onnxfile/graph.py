"""An ONNX graph as it stands in the file: names, attributes and lazy tensors; no weights in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from inspector.onnxfile.source import quoted
from inspector.onnxfile.sparse import SparseTensor
from inspector.onnxfile.tensor import DataType, Tensor

Dimension: TypeAlias = int | str | None


@dataclass(frozen=True)
class Value:
    """A named tensor of the graph, as declared.

    Attributes:
        name: Its name in the graph.
        dtype: Its element type; None when the file does not say, or it is no tensor.
        shape: One entry per axis: a size, the name of a dynamic axis, or None when the axis is unnamed;
            None as a whole when the rank is unknown.
    """

    name: str
    dtype: DataType | None = None
    shape: tuple[Dimension, ...] | None = None


@dataclass(frozen=True, eq=False)
class Node:
    """One operator call; two of them are equal only when they are the same one.

    Attributes:
        name: Its name; often empty.
        op_type: The operator, "Conv".
        domain: The operator set; "" is ONNX's own ("ai.onnx" is read as "").
        inputs: Names of the values read; "" stands for an optional input left out.
        outputs: Names of the values made.
        attributes: Numbers, strings, tensors, graphs, and tuples of these; None for one that refers to an
            attribute of the function around it. Read from the file when first asked for.
        metadata: The node's `metadata_props`.
        overload: Which of the functions of this name is called; mostly empty.
        has_graphs: Whether an attribute holds a graph, as those of If, Loop and Scan do.
    """

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    overload: str = ""
    has_graphs: bool = False

    @property
    def label(self) -> str:
        """The node as a message names it."""
        made = next((name for name in self.outputs if name), "")
        shown = f" {quoted(self.name)}" if self.name else f" that makes {quoted(made)}" if made else ""
        return f"the {quoted(self.op_type)[1:-1]} node{shown}"

    @property
    def graphs(self) -> Iterator[Graph]:
        """The graphs that the attributes hold."""
        if self.has_graphs:
            for attribute in self.attributes.values():
                for part in attribute if isinstance(attribute, tuple) else (attribute,):
                    if isinstance(part, Graph):
                        yield part


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in file order with the tensors and values that they name.

    Attributes:
        name: Its name; often the exporter's.
        nodes: The operator calls.
        initializers: The constants, by name; sparse ones stand in `sparse_initializers`.
        inputs: What a caller gives. Before IR version 4, the initializers are listed here too.
        outputs: What a caller gets.
        values: Every value of which the file declares a type, by name: inputs, outputs and those between.
        sparse_initializers: The constants of which only some entries are stored, by name.
    """

    name: str
    nodes: tuple[Node, ...]
    initializers: Mapping[str, Tensor]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    values: Mapping[str, Value] = field(default_factory=dict)
    sparse_initializers: Mapping[str, SparseTensor] = field(default_factory=dict)

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """The node that makes each value."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each value."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}


@dataclass(frozen=True, eq=False)
class Function:
    """An operator that the file itself defines by other operators.

    Attributes:
        name: Its `op_type` in a node that calls it.
        domain: Its operator set.
        overload: Tells functions of one name apart; mostly empty.
        inputs: Names of its parameters.
        outputs: Names of its results.
        attributes: Names of the attributes that it takes.
        nodes: What it does.
        opsets: Version of each operator set that its nodes use.
        metadata: Its `metadata_props`.
    """

    name: str
    domain: str
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    nodes: tuple[Node, ...]
    opsets: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


Attribute: TypeAlias = (
    "int | float | str | bytes | Tensor | SparseTensor | Graph | tuple[int, ...] | tuple[float, ...] "
    "| tuple[str | bytes, ...] | tuple[Tensor, ...] | tuple[SparseTensor, ...] | tuple[Graph, ...] | None"
)
