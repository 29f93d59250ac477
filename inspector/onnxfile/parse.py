"""From the bytes of a graph to its nodes, values and lazy tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

from inspector.errors import ModelError
from inspector.onnxfile.attributes import Attributes, holds_graph
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.graph import Dimension, Function, Graph, Node, Value
from inspector.onnxfile.source import AGAIN, FETCH, LIMITS, Source, quoted
from inspector.onnxfile.sparse import SparseTensor, parse_sparse
from inspector.onnxfile.tensor import Tensor, parse_tensor
from inspector.onnxfile.wire import BYTES, Buffer, Field, Span, WireError, signed, text

# Nodes, initializers and values of one file. The largest graphs in use have some tens of thousands; one that
# stands inside n others counts n + 1 times, because each of those looks into it.
MAX_ITEMS = 250_000
# Graphs inside the attributes of If, Loop and Scan. Exporters write three or four levels.
MAX_NESTING = 64

_Constant = TypeVar("_Constant", Tensor, SparseTensor)

_COPIED = 1 << 16
_ATTRIBUTE, _METADATA = 5 << 3 | BYTES, 9 << 3 | BYTES
_ITEM_TAGS = (0x0A, 0x2A, 0x5A, 0x62, 0x6A, 0x7A)


class Parser:
    """Reads the graphs of one file, and keeps count so that no file takes for ever."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._items = 0

    def graph(self, spans: Iterable[Span], depth: int = 0) -> Graph:
        """Read a `GraphProto`.

        Args:
            spans: Where it is; several when the file gives it in pieces, which protobuf joins.
            depth: How many graphs stand around it.

        Raises:
            ModelError: It is broken, or nested too deeply.
            TensorError: An initializer is broken.
            WireError: It is no protobuf message.
        """
        source = self.source
        if depth > MAX_NESTING:
            raise ModelError(f"{source.path}: nests graphs more than {MAX_NESTING} deep", LIMITS)
        name = ""
        found: dict[int, list[Span]] = {}
        for span in spans:
            for tag, start, end in source.fields(span):
                if tag == 0x12:
                    name = source.text((start, end))
                else:
                    found.setdefault(tag, []).append((start, end))
        self._count(sum(len(found.get(tag, ())) for tag in _ITEM_TAGS), depth)
        inputs = tuple(self._value(span) for span in found.get(0x5A, ()))
        outputs = tuple(self._value(span) for span in found.get(0x62, ()))
        dense = (parse_tensor(source, span, "an initializer") for span in found.get(0x2A, ()))
        sparse = (parse_sparse(source, span, "an initializer") for span in found.get(0x7A, ()))
        declared = _Values(source, tuple(found.get(0x6A, ())), (*inputs, *outputs))
        return Graph(
            name=name,
            nodes=self._nodes_at(found.get(0x0A, ()), depth),
            initializers={tensor.name: tensor for tensor in self._named(dense)},
            inputs=inputs,
            outputs=outputs,
            values=declared,
            sparse_initializers={tensor.name: tensor for tensor in self._named(sparse)},
        )

    def function(self, span: Span) -> Function:
        """Read a `FunctionProto`.

        Raises:
            ModelError: It is broken.
            WireError: It is no protobuf message.
        """
        source = self.source
        texts: dict[int, list[str]] = {tag: [] for tag in (0x0A, 0x22, 0x2A, 0x32, 0x52, 0x6A)}
        nodes, opsets, metadata = [], [], []
        for tag, start, end in source.fields(span):
            if tag in texts:
                texts[tag].append(source.text((start, end)))
            elif tag == 0x3A:
                nodes.append((start, end))
            elif tag == 0x4A:
                opsets.append((start, end))
            elif tag == 0x5A:
                # An attribute with a default value counts by its name alone.
                texts[0x32] += [
                    source.text(item[1:]) for item in self.source.fields((start, end)) if item[0] == 0x0A
                ]
            elif tag == 0x72:
                metadata.append((start, end))
        self._count(len(nodes) + 1, 0)
        return Function(
            name="".join(texts[0x0A][-1:]),
            domain=plain_domain("".join(texts[0x52][-1:])),
            overload="".join(texts[0x6A][-1:]),
            inputs=tuple(texts[0x22]),
            outputs=tuple(texts[0x2A]),
            attributes=tuple(texts[0x32]),
            nodes=self._nodes_at(nodes, 0),
            opsets=dict(map(self.opset, opsets)),
            metadata=dict(map(source.entry, metadata)),
        )

    def opset(self, span: Span) -> tuple[str, int]:
        """Read an `OperatorSetIdProto`: its domain and version."""
        domain, version = "", 0
        for tag, start, end in self.source.fields(span):
            if tag == 0x0A:
                domain = self.source.text((start, end))
            elif tag == 0x10:
                version = signed(start)
        return plain_domain(domain), version

    def _nodes_at(self, spans: Iterable[Span], depth: int) -> tuple[Node, ...]:
        return tuple(self._node(index, span, depth) for index, span in enumerate(spans))

    def _node(self, index: int, span: Span, depth: int) -> Node:
        """Read a `NodeProto`, its attributes only as far as to see whether they hold graphs."""
        start, end = span
        data: Buffer = self.source.data
        base = 0
        if end - start <= _COPIED:
            data, base = data[start:end], start
            self.source.spend_text(end - start)
        name = op_type = domain = overload = ""
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: list[Span] = []
        metadata: list[Span] = []
        has_graphs = False
        found = self.source.fields(span, data, base)
        if not base:
            self.source.spend_text(sum(last - first for tag, first, last in found if tag != _ATTRIBUTE))
        for tag, first, last in found:
            if tag == 0x0A:
                inputs.append(text(data, first, last))
            elif tag == 0x12:
                outputs.append(text(data, first, last))
            elif tag == _ATTRIBUTE:
                place = (base + first, base + last)
                attributes.append(place)
                has_graphs = has_graphs or holds_graph(self.source, place, data[first:last] if base else b"")
            elif tag == 0x1A:
                name = text(data, first, last)
            elif tag == 0x22:
                op_type = text(data, first, last)
            elif tag == 0x3A:
                domain = plain_domain(text(data, first, last))
            elif tag == 0x42:
                overload = text(data, first, last)
            elif tag == _METADATA:
                metadata.append((base + first, base + last))
        if not op_type:
            raise ModelError(f"{self.source.path}: node {index} has no operator", AGAIN)
        owner = (
            f"the {quoted(op_type)[1:-1]} node {quoted(name)}" if name else f"node {index} ({op_type[:80]})"
        )
        nested = partial(self._nested, depth=depth + 1)
        return Node(
            name=name,
            op_type=op_type,
            domain=domain,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            attributes=Attributes(self.source, tuple(attributes), owner, nested) if attributes else {},
            metadata=dict(map(self.source.entry, metadata)) if metadata else {},
            overload=overload,
            has_graphs=has_graphs,
        )

    def _nested(self, span: Span, depth: int) -> Graph:
        return self.graph([span], depth)

    def _value(self, span: Span) -> Value:
        return parse_value(self.source, self.source.fields(span))

    def _named(self, tensors: Iterable[_Constant]) -> Iterator[_Constant]:
        """Pass the initializers on, if each has a name of its own."""
        seen: set[str] = set()
        for tensor in tensors:
            if not tensor.name:
                raise ModelError(f"{self.source.path}: an initializer has no name", AGAIN)
            if tensor.name in seen:
                raise ModelError(
                    f"{self.source.path}: has two initializers named {quoted(tensor.name)}", AGAIN
                )
            seen.add(tensor.name)
            yield tensor

    def _count(self, items: int, depth: int) -> None:
        self._items += items * (depth + 1)
        if self._items > MAX_ITEMS:
            raise ModelError(
                f"{self.source.path}: has more than {MAX_ITEMS:,} nodes, tensors and values", LIMITS
            )


@dataclass(frozen=True, eq=False)
class _Values(Mapping[str, Value]):
    """The declared values by name; the many between inputs and outputs are read when first asked for."""

    _source: Source
    _spans: tuple[Span, ...]
    _known: tuple[Value, ...]

    def __getitem__(self, name: str) -> Value:
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded)

    def __len__(self) -> int:
        return len(self._decoded)

    @cached_property
    def _decoded(self) -> dict[str, Value]:
        try:
            between = [parse_value(self._source, self._source.fields(span)) for span in self._spans]
        except WireError as error:
            raise ModelError(f"{self._source.path}: a value's type is damaged: {error}", FETCH) from error
        return {value.name: value for value in (*between, *self._known)}


def plain_domain(domain: str) -> str:
    """The domain as this package writes it: ONNX's own is ""."""
    return "" if domain == "ai.onnx" else domain


def parse_value(source: Source, found: Iterable[Field]) -> Value:
    """Read a `ValueInfoProto` from its fields.

    Raises:
        WireError: It is no protobuf message.
    """
    name = ""
    dtype: DataType | None = None
    shape: tuple[Dimension, ...] | None = None
    for tag, start, end in found:
        if tag == 0x0A:
            name = source.text((start, end))
        elif tag == 0x12:
            for kind, first, last in source.fields((start, end)):
                # Tensors and sparse tensors are described alike; sequences, maps and optionals are neither.
                if kind in (0x0A, 0x42):
                    dtype, shape = _tensor_type(source, (first, last))
    return Value(name, dtype, shape)


def _tensor_type(source: Source, span: Span) -> tuple[DataType | None, tuple[Dimension, ...] | None]:
    dtype: DataType | None = None
    shape: tuple[Dimension, ...] | None = None
    for tag, start, end in source.fields(span):
        if tag == 0x08:
            dtype = DataType(start) if start in _CODES else None
        elif tag == 0x12:
            dims = (item for item in source.fields((start, end)) if item[0] == 0x0A)
            shape = tuple(_dimension(source, (first, last)) for _, first, last in dims)
    return dtype, shape


_CODES = frozenset(DataType)


def _dimension(source: Source, span: Span) -> Dimension:
    """A size, the name of a dynamic axis, or None; exporters also write -1 for a dynamic one."""
    for tag, start, end in source.fields(span):
        if tag == 0x08 and signed(start) >= 0:
            return start
        if tag == 0x12 and end > start:
            return source.text((start, end))
    return None
