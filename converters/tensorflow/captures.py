"""Loops and conditionals that take variables: they get the values instead.

A function of TensorFlow 2 takes a variable itself and reads it within. ONNX, and tf2onnx, have no variables:
here each is read once before the loop, and what the functions take is its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converters.errors import UnsupportedError
from converters.tensorflow.dtypes import DT_RESOURCE
from converters.tensorflow.functions import functions_of
from converters.tensorflow.schema import new
from converters.tensorflow.topology import full_name, owner

# The attribute that lists the types of what a loop or conditional takes, and how many inputs stay outside.
_LISTS = {
    "While": ("T", 0),
    "StatelessWhile": ("T", 0),
    "If": ("Tin", 1),
    "StatelessIf": ("Tin", 1),
    "Case": ("Tin", 1),
    "StatelessCase": ("Tin", 1),
    "PartitionedCall": ("Tin", 0),
    "StatefulPartitionedCall": ("Tin", 0),
}
_LOOPS = frozenset({"While", "StatelessWhile"})
_HANDLES = frozenset({"VarHandleOp"})


def by_value(graph_def: Any, where: str) -> Any:
    """Return the graph with variables read before the loops and conditionals that take them.

    Args:
        graph_def: A GraphDef message without calls; it is not changed.
        where: The source, for messages.

    Raises:
        UnsupportedError: A loop does more with a variable than to read it.
    """
    handles = {node.name: node for node in graph_def.node if node.op in _HANDLES}
    graph = new("GraphDef")
    graph.CopyFrom(graph_def)
    rewriter = _Rewriter(graph, where)
    for node in graph_def.node:
        taken = {
            place: handles[owner(full_name(ref))]
            for place, ref in enumerate(node.input)
            if node.op in _LISTS and owner(full_name(ref)) in handles
        }
        if taken:
            rewriter.node(node.name, taken)
    return graph


class _Rewriter:
    """Changes nodes and functions of one graph."""

    def __init__(self, graph: Any, where: str) -> None:
        self._graph = graph
        self._where = where
        self._nodes = {node.name: node for node in graph.node}
        self._functions = {function.signature.name: function for function in graph.library.function}
        self._made: dict[tuple[str, tuple[tuple[int, int], ...]], str] = {}

    def node(self, name: str, taken: Mapping[int, Any]) -> None:
        """Let a node of the graph take the values of these variables, by the place of the input."""
        node = self._nodes[name]
        for place, handle in taken.items():
            read = self._graph.node.add(
                name=f"{name}/{place}/ReadVariableOp", op="ReadVariableOp", input=[handle.name]
            )
            read.attr["dtype"].type = handle.attr["dtype"].type
            node.input[place] = read.name
        self._retype(node, {place: int(handle.attr["dtype"].type) for place, handle in taken.items()})

    def _retype(self, node: Any, types: Mapping[int, int]) -> None:
        """Make the functions of a loop take values of these types, by the place of the node's input."""
        attribute, outside = _LISTS[node.op]
        listed = node.attr[attribute].list.type
        inner = {place - outside: kind for place, kind in types.items()}
        for place, kind in inner.items():
            listed[place] = kind
            if node.op in _LOOPS and place < len(node.attr["output_shapes"].list.shape):
                node.attr["output_shapes"].list.shape[place].unknown_rank = True
        node.attr.pop("_output_shapes", None)
        replaced = {name: self._function(name, inner) for name in functions_of(node)}
        for value in node.attr.values():
            if value.WhichOneof("value") == "func":
                value.func.name = replaced[value.func.name]
            elif value.WhichOneof("value") == "list":
                for function in value.list.func:
                    function.name = replaced[function.name]

    def _function(self, name: str, types: Mapping[int, int]) -> str:
        """The function that takes values where `name` takes variables; made once."""
        key = (name, tuple(sorted(types.items())))
        if key not in self._made:
            self._made[key] = f"{name}_by_value_{len(self._made)}"
            function = self._graph.library.function.add()
            function.CopyFrom(self._functions[name])
            function.signature.name = self._made[key]
            function.attr.clear()
            self._functions[self._made[key]] = function
            self._take_values(function, types)
        return self._made[key]

    def _take_values(self, function: Any, types: Mapping[int, int]) -> None:
        arguments = function.signature.input_arg
        known = {arguments[place].name: kind for place, kind in types.items()}
        for place, kind in types.items():
            arguments[place].type = kind
            # TensorFlow notes the shape of the variable itself there: a scalar.
            function.arg_attr.pop(place, None)
        waiting = list(function.node_def)
        found = True
        while found:
            # The nodes of a function can be in any order.
            found = False
            for node in list(waiting):
                read = {place: known[ref] for place, ref in enumerate(node.input) if ref in known}
                if read:
                    found = True
                    waiting.remove(node)
                    self._take_value(function.signature.name, node, read, known)
        for output in function.signature.output_arg:
            if output.type == DT_RESOURCE and function.ret[output.name] in known:
                output.type = known[function.ret[output.name]]

    def _take_value(self, name: str, node: Any, read: Mapping[int, int], known: dict[str, int]) -> None:
        """Change one node of a function that takes variables."""
        if node.op in ("Identity", "ReadVariableOp"):
            kind = read[0]
            if node.op == "Identity":
                # ReadVariableOp gives a value already; an Identity of a variable becomes one.
                known[f"{node.name}:output:0"] = kind
            else:
                _rename_output(self._functions[name], node.name)
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = kind
        elif node.op in _LISTS:
            self._retype(node, read)
        else:
            raise UnsupportedError(
                f"{self._where}: the node {node.name!r} of op {node.op} uses a variable in place within a "
                "loop or conditional, which cannot be converted; expected a plain read",
                "Name outputs that do not depend on it: --outputs NAME:0",
            )


def _rename_output(function: Any, name: str) -> None:
    """A read's output is called `value`, that of the Identity in its place `output`."""
    old, new_name = f"{name}:value:0", f"{name}:output:0"
    for node in function.node_def:
        for place, ref in enumerate(node.input):
            if ref == old:
                node.input[place] = new_name
    for output, ref in function.ret.items():
        if ref == old:
            function.ret[output] = new_name
