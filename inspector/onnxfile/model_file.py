"""One ONNX file, opened: its structure read, its weights left where they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from converters.files import check_file
from inspector.errors import ModelError
from inspector.onnxfile.checks import NEWEST_OPSETS, all_nodes, check_structure, check_versions
from inspector.onnxfile.graph import Function, Graph
from inspector.onnxfile.parse import Parser
from inspector.onnxfile.skeleton import skeleton
from inspector.onnxfile.source import AGAIN, FETCH, LIMITS, Source, counted
from inspector.onnxfile.wire import BYTES, MAX_FIELDS, VARINT, Field, Span, WireError

# ModelProto: number of each field → its wire type and its name in messages.
_FIELDS = {
    1: (VARINT, "IR version"),
    2: (BYTES, "producer"),
    3: (BYTES, "producer version"),
    4: (BYTES, "domain"),
    5: (VARINT, "version"),
    6: (BYTES, "description"),
    7: (BYTES, "graph"),
    8: (BYTES, "operator set"),
    14: (BYTES, "metadata"),
    20: (BYTES, "training graph"),
    25: (BYTES, "function"),
    26: (BYTES, "device configuration"),
}
# A later ONNX may add fields, and numbers them on from those above.
_LARGEST_NUMBER = 255
_IR, _PRODUCER, _GRAPH, _OPSET, _METADATA, _TRAINING, _FUNCTION = 1, 2, 7, 8, 14, 20, 25
# Domains whose operators ONNX Runtime brings itself.
_RUNTIME_DOMAINS = ("com.microsoft", "com.ms.internal.nhwc")


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """An opened model.

    Attributes:
        path: The file, as it was given.
        size: Its bytes.
        ir_version: Version of the file format.
        opsets: Version of each operator set, by domain; "" is ONNX's own.
        producer: The program that wrote it; may be empty.
        metadata: Its `metadata_props`.
        graph: Its graph.
        functions: The operators that it defines itself.
        training: Graphs for training, which nothing here runs.
    """

    path: Path
    size: int
    ir_version: int
    opsets: Mapping[str, int]
    producer: str
    metadata: Mapping[str, str]
    graph: Graph
    functions: tuple[Function, ...]
    training: tuple[Graph, ...]
    source: Source = field(repr=False)

    @property
    def custom_domains(self) -> tuple[str, ...]:
        """Domains of operators that neither ONNX, ONNX Runtime nor the file itself defines, sorted."""
        own = {(function.domain, function.name) for function in self.functions}
        known = {*NEWEST_OPSETS, *_RUNTIME_DOMAINS}
        nodes = (*self.graph.nodes, *(node for function in self.functions for node in function.nodes))
        used = {node.domain for node in all_nodes(nodes) if (node.domain, node.op_type) not in own}
        return tuple(sorted(used - known))

    def skeleton(self) -> bytes:
        """Return the model as a serialized `ModelProto` without the bytes of its large tensors.

        A tensor of more than 1 KiB keeps its name, shape and type, and says that its data is external without
        saying where: enough for shape inference, and nothing that could be run.
        """
        return skeleton(self.source)

    def close(self) -> None:
        """Let go of the file, so that it can be replaced on systems that forbid it while it is mapped.

        Raises:
            FileError: An array that `Tensor.numpy` gave still shows a part of it.
        """
        self.source.close()


def open_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Open an ONNX model: map it, read its structure, leave its weights.

    Args:
        path: The file.

    Raises:
        FileError: It is missing, empty or unreadable.
        ModelError: It is another format, its structure is broken, or it is newer than what is known.
        TensorError: A tensor's description cannot be right.

    Example:
        >>> open_onnx("absent.onnx")
        Traceback (most recent call last):
        converters.errors.FileError: absent.onnx: no such file; expected an ONNX model

    Reference:
        https://github.com/onnx/onnx/blob/main/docs/IR.md
    """
    source = Source.open(check_file(path, "an ONNX model"))
    found = _top_level(source)
    parser = Parser(source)
    try:
        return _read(source, parser, found)
    except WireError as error:
        raise ModelError(f"{source.path}: is damaged: {error}", FETCH) from error


def _read(source: Source, parser: Parser, found: Mapping[int, list[Span]]) -> OnnxFile:
    ir_version = found[_IR][-1][0]
    opsets = dict(map(parser.opset, found.get(_OPSET, ())))
    # The first two IR versions had one operator set, and no field to say so.
    if not opsets and ir_version in (1, 2):
        opsets = {"": 1}
    check_versions(source.path, ir_version, opsets)
    graph = parser.graph(found[_GRAPH])
    functions = tuple(map(parser.function, found.get(_FUNCTION, ())))
    training = [
        (first, last)
        for span in found.get(_TRAINING, ())
        for tag, first, last in source.fields(span)
        if tag in (0x0A, 0x12)
    ]
    check_structure(source.path, graph, functions)
    return OnnxFile(
        path=source.path,
        size=source.size,
        ir_version=ir_version,
        opsets=opsets,
        producer="".join(source.text(span) for span in found.get(_PRODUCER, ())[-1:]),
        metadata=dict(map(source.entry, found.get(_METADATA, ()))),
        graph=graph,
        functions=functions,
        training=tuple(parser.graph([span]) for span in training),
        source=source,
    )


def _top_level(source: Source) -> dict[int, list[Span]]:
    """The fields of the model by number, or an error that says what the file is instead."""
    fault: WireError | None = None
    try:
        listed = source.fields((0, source.size))
    except WireError as error:
        fault, listed = error, error.found
    if len(listed) > MAX_FIELDS:
        raise ModelError(f"{source.path}: has more than {MAX_FIELDS:,} fields around its graph", LIMITS)
    strange = next((i for i, item in enumerate(listed) if not _plausible(item)), None)
    found: dict[int, list[Span]] = {}
    for tag, start, end in listed[:strange]:
        found.setdefault(tag >> 3, []).append((start, end))
    _refuse_other(source, found, fault if strange is None else None)
    if fault is not None or strange is not None:
        raise _broken_end(source, listed[:strange], fault if strange is None else None)
    if _GRAPH not in found:
        raise ModelError(f"{source.path}: has no graph", AGAIN)
    return found


def _plausible(item: Field) -> bool:
    """Whether a field of this number and wire type can stand in a model."""
    number, wire = item[0] >> 3, item[0] & 7
    return number <= _LARGEST_NUMBER and (number not in _FIELDS or _FIELDS[number][0] == wire)


def _refuse_other(source: Source, found: Mapping[int, list[Span]], fault: WireError | None) -> None:
    """Raise if the file is another format, or nothing that is known."""
    cut_off = fault is not None and fault.tag == _GRAPH << 3 | BYTES
    if _IR in found and (_GRAPH in found or cut_off):
        return
    from converters.content import CONVERT, content_of

    other = content_of(source.data)
    if other is not None:
        hint = f"{CONVERT} {source.path} -o CONVERTED.onnx" if other.hint == CONVERT else other.hint
        raise ModelError(f"{source.path}: is {other.name}, not an ONNX model", hint)
    if _IR not in found:
        raise ModelError(
            f"{source.path}: is not an ONNX model, nor any other format that is known here", FETCH
        )


def _broken_end(source: Source, listed: list[Field], fault: WireError | None) -> ModelError:
    """Tell a file that ends too early from one that goes on after its end."""
    numbers = [tag >> 3 for tag, _, _ in listed]
    if fault is not None and fault.missing:
        number, wire = fault.tag >> 3, fault.tag & 7
        if number in _FIELDS and _FIELDS[number][0] == wire:
            name = _FIELDS[number][1]
            return ModelError(
                f"{source.path}: is truncated: {counted(fault.missing, 'byte')} of its {name} "
                f"{'is' if fault.missing == 1 else 'are'} missing",
                FETCH,
            )
        if _GRAPH not in numbers:
            return ModelError(f"{source.path}: is truncated: it ends before its graph", FETCH)
    known = [end for tag, _, end in listed if tag >> 3 in _FIELDS]
    end = max(known, default=0)
    if _GRAPH in numbers:
        return ModelError(
            f"{source.path}: has {counted(source.size - end, 'byte')} after its end that "
            f"{'is' if source.size - end == 1 else 'are'} no part of the model",
            FETCH,
        )
    return ModelError(f"{source.path}: is damaged: nothing after byte {end:,} can be read as a model", FETCH)
