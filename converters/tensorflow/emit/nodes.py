"""Nodes and initializers of an ONNX graph, and the names by which they refer to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.assemble import MIN_IR_VERSION, Assembled
from converters.tensorflow.dtypes import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

# Initializers of more bytes than this stay arrays beside the nodes.
_LARGEST_SMALL = 1024


class Nodes:
    """The graph so far."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._makers: dict[str, NodeProto] = {}
        self._twins: dict[tuple[object, ...], NodeProto] = {}
        self._initializers: dict[str, Array] = {}
        self._held: dict[tuple[object, ...], str] = {}
        self._values: set[str] = set()
        self._names: set[str] = set()
        self._unnamed: set[str] = set()

    def __len__(self) -> int:
        return len(self._nodes)

    def add(
        self, op_type: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any]
    ) -> list[str]:
        """Add a node; its outputs get these names, or such with a number where they are taken."""
        from onnx import helper

        made = [_free(name, self._values) for name in outputs]
        node = helper.make_node(op_type, inputs, made, **attributes)
        self._nodes.append(node)
        self._makers.update(dict.fromkeys(made, node))
        self._unnamed.update(made)
        return made

    def twin(self, key: tuple[object, ...]) -> list[str] | None:
        """The outputs of a node that was remembered under a key."""
        return list(self._twins[key].output) if key in self._twins else None

    def remember(self, key: tuple[object, ...], output: str) -> None:
        """Let the node that makes an output be found again as a `twin`."""
        self._twins[key] = self._makers[output]

    def hold(self, name: str, array: Array) -> str:
        """Make an array an initializer, once however often it is read; returns the name that it got."""
        key: tuple[object, ...] = (array.dtype.str, array.shape)
        if array.nbytes > _LARGEST_SMALL:
            # A weight is known by where it lies: comparing numbers would read all of it.
            key = (*key, name, array.__array_interface__["data"][0], array.strides)
        else:
            # Sizes and axes are the same few numbers again and again; parameters keep their names.
            key = (*key, "" if array.dtype.kind in "iu" else name, array.tobytes())
        if key not in self._held:
            self._held[key] = _free(name, self._values)
            self._initializers[self._held[key]] = array
        return self._held[key]

    def initializer(self, name: str) -> Array | None:
        """The numbers that a name stands for, where it is an initializer's."""
        return self._initializers.get(name)

    def maker(self, value: str) -> NodeProto | None:
        """The node that computes a value."""
        return self._makers.get(value)

    def is_taken(self, name: str) -> bool:
        """Whether a value has this name."""
        return name in self._values

    def is_unnamed(self, value: str) -> bool:
        """Whether a value still has the name that `add` gave it."""
        return value in self._unnamed

    def rename(self, old: str, new: str, *, since: int = 0) -> None:
        """Give a value another name, which only nodes from the number `since` on read."""
        self._values.add(new)
        maker = self._makers.pop(old)
        maker.output[list(maker.output).index(old)] = new
        self._makers[new] = maker
        self._unnamed.discard(old)
        for node in self._nodes[since:]:
            for place, name in enumerate(node.input):
                if name == old:
                    node.input[place] = new

    def move_aside(self, value: str, name: str) -> None:
        """Give a value a name that is free, so that another one can have its own."""
        self.rename(value, _free(name, self._values))

    def name_nodes(self, scope: str, main: Iterable[str], *, since: int) -> None:
        """Name nodes after a scope: the one that makes a main value as the scope, others below it."""
        values = set(main)
        for node in self._nodes[since:]:
            is_main = not values.isdisjoint(node.output)
            node.name = _free(scope if is_main else f"{scope}/{node.op_type}", self._names)

    def assembled(
        self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto], opset: int
    ) -> Assembled:
        """The graph that ends in these outputs, without what they do not need."""
        from onnx import helper, numpy_helper

        nodes = self._needed(output.name for output in outputs)
        read = {name for node in nodes for name in node.input}
        held = {name: array for name, array in self._initializers.items() if name in read}
        small = {name: array for name, array in held.items() if array.nbytes <= _LARGEST_SMALL}
        initializers = [
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            for name, array in small.items()
        ]
        graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
        opsets = [helper.make_opsetid("", opset)]
        model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=MIN_IR_VERSION)
        return Assembled(model, {name: array for name, array in held.items() if name not in small})

    def _needed(self, outputs: Iterable[str]) -> list[NodeProto]:
        wanted, kept = set(outputs), []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        return kept[::-1]


def _free(name: str, taken: set[str]) -> str:
    """A name that is not taken, and now is: this one, or with a number."""
    free, number = name, 1
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    taken.add(free)
    return free
