"""Putting the functions of a graph in the place of the nodes that call them.

TensorFlow 2 keeps a network in functions, which the graph itself only calls. What is read, frozen and
written here is one flat graph.

Reference: tensorflow/core/framework/function.proto.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from converters.errors import SourceError, UnsupportedError
from converters.tensorflow.outputs import output_number, several_outputs
from converters.tensorflow.schema import new
from converters.tensorflow.topology import full_name, owner, read_topology

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# What a call is named when nobody names it; such a name says nothing of the network.
_UNNAMED = re.compile(r"(Stateful)?PartitionedCall(_\d+)?")
_MOST_NODES = 1 << 19
_MOST_CALLS_DEEP = 64
# Without it, loops and conditionals stay single nodes.
_LOWERED = "_lower_using_switch_merge"


@dataclass(frozen=True)
class Inlined:
    """A graph without calls.

    Attributes:
        graph_def: A GraphDef message; its library holds the functions of loops and conditionals that stay.
        places: Each node that comes from a function, and what TensorFlow calls it when it does the same.
    """

    graph_def: Any = field(repr=False)
    places: Mapping[str, str] = field(repr=False)


def inlined(graph_def: Any, wanted: Iterable[str], where: str) -> Inlined:
    """Return the part of a graph that some nodes need, without calls of functions.

    Args:
        graph_def: A GraphDef message; it is not changed.
        wanted: The names of the nodes that are needed.
        where: The source, for messages.

    Raises:
        SourceError: The graph is broken, or a function calls itself.
        UnsupportedError: The functions expand to more nodes than any network has, or one uses an output of
            an operation that is not known here.
    """
    topology = read_topology(graph_def, where)
    needed = topology.upstream(wanted, controls=True)
    inliner = _Inliner(graph_def, where)
    for node in graph_def.node:
        if node.name in needed:
            inliner.add(node, _Call(node.name, "" if _UNNAMED.fullmatch(node.name) else f"{node.name}/", ()))
    return Inlined(inliner.graph, inliner.places)


@dataclass(frozen=True)
class _Call:
    """Where a call of a function stands.

    Attributes:
        place: What TensorFlow calls the node.
        scope: What the names of the function's nodes begin with here.
        stack: The functions that are being put in place.
    """

    place: str
    scope: str
    stack: tuple[str, ...]

    def to(self, name: str) -> _Call:
        """Where the node `name` of the function stands."""
        scope = self.scope if _UNNAMED.fullmatch(name) else f"{self.scope}{name}/"
        return replace(self, place=f"{self.place}/{name}", scope=scope)


class _Inliner:
    """The flat graph under construction."""

    def __init__(self, graph_def: Any, where: str) -> None:
        self.graph = new("GraphDef")
        self.graph.versions.CopyFrom(graph_def.versions)
        self.places: dict[str, str] = {}
        self._where = where
        self._functions = {function.signature.name: function for function in graph_def.library.function}
        self._taken = {node.name for node in graph_def.node}
        self._kept: set[str] = set()

    def add(self, node: Any, call: _Call) -> None:
        """Add a node whose name and inputs are those of the flat graph, or what it calls.

        Args:
            node: A NodeDef message.
            call: Where it stands, in case that it calls a function.
        """
        called = self._called(node)
        if called is None:
            self._keep(node)
            return
        name = called.signature.name
        if name in call.stack or len(call.stack) >= _MOST_CALLS_DEEP:
            raise SourceError(f"{self._where}: the graph is damaged: the function {name!r} calls itself")
        self._body(node, called, replace(call, stack=(*call.stack, name)))

    def _called(self, node: Any) -> Any:
        """The function that a node calls; None when it is another operation."""
        name = node.attr["f"].func.name if node.op in CALLS and "f" in node.attr else node.op
        function = self._functions.get(name)
        if function is None and node.op in CALLS:
            raise SourceError(
                f"{self._where}: the graph is damaged: the node {node.name!r} calls the function {name!r}, "
                "which it does not have"
            )
        return function

    def _keep(self, node: Any) -> None:
        if len(self.graph.node) >= _MOST_NODES:
            raise UnsupportedError(
                f"{self._where}: its functions expand to more than {_MOST_NODES:,} nodes; expected a network"
            )
        kept = self.graph.node.add()
        kept.CopyFrom(node)
        kept.attr.pop(_LOWERED, None)
        self._keep_functions(node)

    def _keep_functions(self, node: Any) -> None:
        """Take over the functions of a loop or a conditional, and those that they use."""
        pending = [*functions_of(node)]
        while pending:
            name = pending.pop()
            if name in self._kept:
                continue
            if name not in self._functions:
                raise SourceError(
                    f"{self._where}: the graph is damaged: the node {node.name!r} uses the function "
                    f"{name!r}, which it does not have"
                )
            self._kept.add(name)
            function = self.graph.library.function.add()
            function.CopyFrom(self._functions[name])
            for inner in function.node_def:
                inner.attr.pop(_LOWERED, None)
                pending.extend(functions_of(inner))

    def _body(self, node: Any, function: Any, call: _Call) -> None:
        """Add the nodes of a called function, and one of the call's name that hands on its results."""
        arguments = [argument.name for argument in function.signature.input_arg]
        given = [ref for ref in node.input if not ref.startswith("^")]
        if len(arguments) != len(given):
            raise SourceError(
                f"{self._where}: the graph is damaged: the node {node.name!r} gives {len(given)} inputs to "
                f"the function {function.signature.name!r}, which takes {len(arguments)}"
            )
        names = {inner.name: self._name(call, inner.name) for inner in function.node_def}
        ops = {inner.name: inner.op for inner in function.node_def}
        reference = _References(dict(zip(arguments, given, strict=True)), names, ops, self._outputs(function))
        for inner in function.node_def:
            moved = new("NodeDef")
            moved.CopyFrom(inner)
            moved.name = names[inner.name]
            del moved.input[:]
            moved.input.extend(self._resolved(reference, ref, function) for ref in inner.input)
            _fill_in(moved, node)
            self.places[moved.name] = f"{call.place}/{inner.name}"
            self.add(moved, call.to(inner.name))
        results = [
            self._resolved(reference, function.ret[output.name], function)
            for output in function.signature.output_arg
        ]
        types = [_argument_type(output, node) for output in function.signature.output_arg]
        after = [f"^{names[name]}" for name in function.control_ret.values() if name in names]
        handed = self.graph.node.add(name=node.name, op="IdentityN" if results else "NoOp")
        handed.input.extend([*results, *after])
        if results:
            handed.attr["T"].list.type.extend(types)

    def _name(self, call: _Call, name: str) -> str:
        """A free name for a node of a function."""
        free, count = f"{call.scope}{name}", 0
        while free in self._taken:
            free = f"{call.place}/{name}" + (f"_{count}" if count else "")
            count += 1
        self._taken.add(free)
        return free

    def _outputs(self, function: Any) -> Callable[[str, str, int], int | None]:
        """Which output of an operation, or of another function called by its name, a tensor is."""

        def number(op: str, name: str, place: int) -> int | None:
            direct = self._functions.get(op)
            if direct is None:
                return output_number(op, name, place)
            names = [output.name for output in direct.signature.output_arg]
            return names.index(name) + place if name in names else None

        self._check_outputs(function)
        return number

    def _check_outputs(self, function: Any) -> None:
        """Refuse a function that uses two named outputs of an operation whose outputs are not known."""
        ops = {node.name: node.op for node in function.node_def}
        used: dict[str, set[str]] = {}
        for node in function.node_def:
            for ref in node.input:
                name, _, rest = ref.partition(":")
                if rest and name in ops:
                    used.setdefault(name, set()).add(rest.partition(":")[0])
        for name, outputs in used.items():
            op = ops[name]
            if len(outputs) > 1 and op not in several_outputs() and op not in self._functions:
                raise UnsupportedError(
                    f"{self._where}: the node {name!r} of op {op} has the outputs "
                    f"{', '.join(sorted(outputs))}, whose order is not known here",
                    "Name tensors before it with --outputs, or report the operation.",
                )

    def _resolved(self, reference: _References, ref: str, function: Any) -> str:
        found = reference.resolve(ref)
        if found is None:
            raise SourceError(
                f"{self._where}: the graph is damaged: the function {function.signature.name!r} reads "
                f"{ref!r}, which it does not have"
            )
        return found


@dataclass(frozen=True)
class _References:
    """What the names within a function are in the flat graph."""

    arguments: Mapping[str, str]
    names: Mapping[str, str]
    ops: Mapping[str, str]
    number: Callable[[str, str, int], int | None]

    def resolve(self, ref: str) -> str | None:
        """The flat graph's name of a tensor or of a control dependency; None when there is none."""
        if ref.startswith("^"):
            name = ref[1:]
            if name in self.arguments:
                return f"^{owner(full_name(self.arguments[name].removeprefix('^')))}"
            return f"^{self.names[name]}" if name in self.names else None
        if ref in self.arguments:
            return self.arguments[ref]
        name, _, rest = ref.partition(":")
        output, _, place = rest.partition(":")
        if name not in self.names or (place and not place.isdecimal()):
            return None
        number = self.number(self.ops[name], output, int(place or 0))
        if number is None:
            return None
        return f"{self.names[name]}:{number}" if number else self.names[name]


def functions_of(node: Any) -> list[str]:
    """Return the functions that a NodeDef names in its attributes."""
    found = []
    for value in node.attr.values():
        if value.WhichOneof("value") == "func":
            found.append(value.func.name)
        elif value.WhichOneof("value") == "list":
            found.extend(function.name for function in value.list.func)
    return found


def _fill_in(node: Any, call: Any) -> None:
    """Give attributes that a function leaves to its caller the caller's values."""
    given = call.attr["f"].func.attr if "f" in call.attr else call.attr
    for name, value in node.attr.items():
        if value.WhichOneof("value") == "placeholder" and value.placeholder in given:
            node.attr[name].CopyFrom(given[value.placeholder])


def _argument_type(argument: Any, call: Any) -> int:
    """The element type of a function's output."""
    if not argument.type_attr:
        return int(argument.type)
    given = call.attr["f"].func.attr if "f" in call.attr else call.attr
    return int(given[argument.type_attr].type) if argument.type_attr in given else 0
