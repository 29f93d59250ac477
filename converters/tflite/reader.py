"""Reading a TensorFlow Lite file.

Reference: tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError, UnsupportedError
from converters.tflite import schema
from converters.tflite.flatbuffer import AGAIN, Table, root
from converters.tflite.model import LiteModel, Operation, Quantization, Tensor

MAGIC = b"TFL3"
_LARGEST = 1 << 40
# What runs a subgraph of its own, some number of times.
_CONTROL = frozenset(
    {"IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE"}
)
_SERVING = "serving_default"


def recognise(path: Path) -> bool:
    """Whether a file is a TensorFlow Lite model."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == MAGIC
    except (OSError, ValueError):
        return False


def read_model(path: Path, signature: str = "") -> LiteModel:
    """Read the graph of a TensorFlow Lite file; the numbers of its weights stay where they are.

    Args:
        path: The file.
        signature: Which of its signatures; empty for its only or its serving one.

    Raises:
        SourceError: The file is not sound, or has no such signature.
        UnsupportedError: It holds a custom operator, control flow, or an operator nobody knows.
    """
    table = root(path)
    graphs = table.tables(schema.Model.SUBGRAPHS)
    if not graphs:
        raise SourceError(f"{path}: is a TensorFlow Lite model without a graph", AGAIN)
    number, name = _chosen(table, path, signature, len(graphs))
    codes = [_code(entry) for entry in table.tables(schema.Model.OPERATOR_CODES)]
    buffers = table.tables(schema.Model.BUFFERS)
    graph = graphs[number]
    tensors = _tensors(path, graph.tables(schema.Subgraph.TENSORS), buffers)
    by_name = {tensor.name: tensor for tensor in tensors}
    operations = tuple(
        _operation(entry, place, codes, tensors)
        for place, entry in enumerate(graph.tables(schema.Subgraph.OPERATORS))
    )
    made = LiteModel(
        path,
        by_name,
        operations,
        _named(graph, schema.Subgraph.INPUTS, tensors, optional=False),
        _named(graph, schema.Subgraph.OUTPUTS, tensors, optional=False),
        name,
        number,
    )
    _check(made)
    return made


def _chosen(table: Table, path: Path, asked: str, graphs: int) -> tuple[int, str]:
    """Which subgraph is meant, and the name of its signature."""
    found = {
        entry.text(schema.Signature.KEY): entry.scalar(schema.Signature.SUBGRAPH, "I")
        for entry in table.tables(schema.Model.SIGNATURES)
    }
    if asked and asked not in found:
        told = f"it has {', '.join(found)}" if found else "it has none"
        raise SourceError(f"{path}: has no signature {asked!r}; {told}", "Leave out --signature.")
    if not asked and _SERVING not in found and len(set(found.values())) > 1:
        raise SourceError(
            f"{path}: has several signatures: {', '.join(found)}; expected one that is meant",
            f"--signature {next(iter(found))}",
        )
    name = asked or (_SERVING if _SERVING in found else next(iter(found), ""))
    number = found.get(name, 0)
    if number >= graphs:
        raise SourceError(f"{path}: its signature {name!r} is for graph {number} of {graphs}", AGAIN)
    return number, name


def _code(entry: Table) -> tuple[str, str]:
    """The name of an operator, and what it is called where it is a custom one."""
    old = entry.scalar(schema.OperatorCode.OLD_CODE, "b")
    number = max(old, entry.scalar(schema.OperatorCode.CODE, "i"))
    known = 0 <= number < len(schema.OPERATORS) and number != schema.PLACEHOLDER
    return schema.OPERATORS[number] if known else f"operator {number}", entry.text(schema.OperatorCode.CUSTOM)


def _tensors(path: Path, entries: Sequence[Table], buffers: Sequence[Table]) -> list[Tensor]:
    counts: Counter[str] = Counter()
    taken: set[str] = set()
    made = []
    for index, entry in enumerate(entries):
        name = entry.text(schema.Tensor.NAME) or "tensor"
        unique = name
        while unique in taken:
            counts[name] += 1
            unique = f"{name}_{counts[name]}"
        taken.add(unique)
        made.append(_tensor(path, entry, index, unique, buffers))
    return made


def _tensor(path: Path, entry: Table, index: int, name: str, buffers: Sequence[Table]) -> Tensor:
    shape = tuple(int(size) for size in entry.array(schema.Tensor.SHAPE, "<i4"))
    open_shape = tuple(int(size) for size in entry.array(schema.Tensor.SIGNATURE, "<i4")) or shape
    number = entry.scalar(schema.Tensor.TYPE, "b")
    if not 0 <= number < len(schema.TYPES):
        raise SourceError(f"{path}: its tensor {name!r} has the element type {number}, which nobody knows")
    if min(shape, default=0) < 0 or min(open_shape, default=0) < -1 or math.prod(shape) > _LARGEST:
        raise SourceError(f"{path}: its tensor {name!r} has the shape {list(shape)}", AGAIN)
    if len(open_shape) != len(shape):
        open_shape = shape
    made = Tensor(
        index,
        name,
        schema.TYPES[number],
        shape,
        tuple(None if size == -1 else size for size in open_shape),
        _quantization(path, name, shape, entry.table(schema.Tensor.QUANTIZATION)),
        is_variable=bool(entry.scalar(schema.Tensor.IS_VARIABLE, "?")),
    )
    buffer = entry.scalar(schema.Tensor.BUFFER, "I")
    if buffer >= len(buffers):
        raise SourceError(f"{path}: its tensor {name!r} is in buffer {buffer} of {len(buffers)}", AGAIN)
    extent = _extent(buffers[buffer])
    if extent is None:
        return made
    if entry.has(schema.Tensor.SPARSITY):
        raise UnsupportedError(
            f"{path}: its tensor {name!r} is stored without its zeros; expected all numbers"
        )
    return Tensor(**{**vars(made), "data": _numbers(path, made, entry.data, *extent)})


def _extent(buffer: Table) -> tuple[int, int] | None:
    """Where the bytes of a buffer are, and how many; None when it has none."""
    found = buffer.extent(schema.Buffer.DATA)
    if found is not None and found[1]:
        return found
    # Files beyond 2 GB hold their numbers behind the FlatBuffer.
    offset, size = (buffer.scalar(number, "Q") for number in (schema.Buffer.OFFSET, schema.Buffer.SIZE))
    return (offset, size) if offset > 1 and size else None


def _numbers(path: Path, tensor: Tensor, data: Any, start: int, size: int) -> NDArray[Any] | None:
    """A stored tensor's numbers, in its shape; None for types that have no numbers in numpy."""
    dtype, count = tensor.dtype, math.prod(tensor.shape)
    if dtype is None:
        return None
    needed = -(-count // 2) if tensor.kind == "INT4" else count * dtype.itemsize
    if size != needed or start + size > len(data):
        raise SourceError(
            f"{path}: its tensor {tensor.name!r} of shape {list(tensor.shape)} has {size:,} bytes;"
            f" expected {needed:,}",
            AGAIN,
        )
    if tensor.kind != "INT4":
        return np.frombuffer(data, dtype, count, start).reshape(tensor.shape)
    packed = np.frombuffer(data, np.uint8, size, start)
    # Two to a byte, the lower half first; the shift to the right brings the sign along.
    both = np.stack([(packed << 4).view(np.int8) >> 4, packed.view(np.int8) >> 4], -1)
    return both.reshape(-1)[:count].reshape(tensor.shape)


def _quantization(path: Path, name: str, shape: tuple[int, ...], entry: Table | None) -> Quantization | None:
    if entry is None:
        return None
    scale = entry.array(schema.Quantization.SCALE, "<f4")
    if not scale.size:
        return None
    zero = entry.array(schema.Quantization.ZERO_POINT, "<i8")
    zero = zero if zero.size else np.zeros(scale.size, np.int64)
    axis = entry.scalar(schema.Quantization.AXIS, "i")
    zero = np.broadcast_to(zero, scale.shape) if zero.size == 1 else zero
    fits = scale.size == 1 or (0 <= axis < len(shape) and shape[axis] == scale.size)
    if zero.size != scale.size or not fits or not np.all(np.isfinite(scale)) or np.any(scale <= 0):
        raise SourceError(
            f"{path}: its tensor {name!r} of shape {list(shape)} has {scale.size:,} scales for axis {axis};"
            " expected one for the tensor or for each place of the axis, all positive"
        )
    return Quantization(scale, zero, axis)


def _operation(
    entry: Table, place: int, codes: Sequence[tuple[str, str]], tensors: Sequence[Tensor]
) -> Operation:
    code = entry.scalar(schema.Operator.CODE, "I")
    if code >= len(codes):
        raise SourceError(
            f"{entry.path}: its operator number {place} is of kind {code} of {len(codes)}", AGAIN
        )
    op, custom = codes[code]
    return Operation(
        str(place),
        f"CUSTOM {custom}" if op == "CUSTOM" else op,
        _named(entry, schema.Operator.INPUTS, tensors, optional=True),
        (),
        None,
        _named(entry, schema.Operator.OUTPUTS, tensors, optional=False),
        _options(op, entry.table(schema.Operator.OPTIONS)),
    )


def _options(op: str, table: Table | None) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, (number, kind, default) in schema.option_fields(op).items():
        if kind == "i*":
            found[name] = () if table is None else tuple(table.array(number, "<i4").tolist())
        else:
            found[name] = default if table is None else table.scalar(number, kind, default)
    return found


def _named(entry: Table, number: int, tensors: Sequence[Tensor], *, optional: bool) -> tuple[str, ...]:
    """The names of tensors that are listed by number; an empty one where −1 leaves an input out."""
    names = []
    for index in entry.array(number, "<i4").tolist():
        if not (0 <= index < len(tensors) or (index == -1 and optional)):
            raise SourceError(f"{entry.path}: refers to tensor {index} of {len(tensors)}", AGAIN)
        names.append("" if index == -1 else tensors[index].name)
    return tuple(names)


def _check(model: LiteModel) -> None:
    """Refuse what this reader cannot make one plain graph of.

    Raises:
        SourceError: A tensor is read before it is made.
        UnsupportedError: It names custom operators, control flow, and operators nobody knows.
    """
    listed: dict[str, None] = {}
    for operation in model.operations:
        if operation.op in _CONTROL:
            listed[f"control flow: {operation.op}"] = None
        elif operation.op.startswith("CUSTOM"):
            listed[f"a custom operator: {operation.op.removeprefix('CUSTOM ') or 'without a name'}"] = None
        elif operation.op.startswith("operator "):
            listed[f"an operator that this version does not know: {operation.op}"] = None
    if listed:
        raise UnsupportedError(
            f"{model.path}: cannot be converted, for it has {'; '.join(listed)}",
            "Convert the model that this file was exported from.",
        )
    made = {name for name, tensor in model.tensors.items() if tensor.data is not None or tensor.is_variable}
    made.update(model.inputs)
    for operation in model.operations:
        missing = next((name for name in operation.inputs if name and name not in made), None)
        if missing is not None:
            raise SourceError(
                f"{model.path}: its {operation.op} reads the tensor {missing!r}, which nothing makes before",
                AGAIN,
            )
        made.update(operation.outputs)
    lost = next((name for name in model.outputs if name not in made), None)
    if lost is not None or not model.outputs or len(set(model.outputs)) < len(model.outputs):
        told = f"nothing makes its output {lost!r}" if lost else "it has no outputs, or one twice"
        raise SourceError(f"{model.path}: is not a whole graph: {told}", AGAIN)
