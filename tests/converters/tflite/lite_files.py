"""TensorFlow Lite files put together by hand, with the schema that LiteRT is shipped with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


@dataclass(frozen=True)
class Part:
    """A tensor: its shape and type, and what is stored for it."""

    shape: Sequence[int]
    dtype: str = "float32"
    data: np.ndarray | None = None
    scale: Sequence[float] = ()
    zero: Sequence[int] = ()
    axis: int = 0
    signature: Sequence[int] | None = None
    is_variable: bool = False
    raw: bytes | None = None


@dataclass(frozen=True)
class Step:
    """An operator: its name, the numbers of its tensors, and its options."""

    op: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    custom: str = ""


def stored(array: np.ndarray, **options: Any) -> Part:
    """A tensor that the file stores."""
    return Part(array.shape, array.dtype.name, array, **options)


def lite(
    parts: Sequence[Part],
    steps: Sequence[Step],
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] = (-1,),
    names: Sequence[str] = (),
    signatures: Mapping[str, int] | None = None,
    graphs: int = 1,
) -> bytes:
    """A file of one graph; tensors are named t0, t1, … unless it is said otherwise."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    model.operatorCodes = [_code(step) for step in steps]
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor(model, part, (names[i] if i < len(names) else "") or f"t{i}") for i, part in enumerate(parts)
    ]
    graph.inputs, graph.outputs = list(inputs), [place % len(parts) for place in outputs]
    graph.operators = [_operator(step, place) for place, step in enumerate(steps)]
    model.subgraphs = [graph] * graphs
    for key, place in (signatures or {}).items():
        made = schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = key, place
        model.signatureDefs = [*(model.signatureDefs or []), made]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(path: Path, *feeds: np.ndarray) -> list[np.ndarray]:
    """What LiteRT computes of a file."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def _code(step: Step) -> Any:
    made = schema.OperatorCodeT()
    number = getattr(schema.BuiltinOperator, step.op) if isinstance(step.op, str) else step.op
    made.builtinCode, made.deprecatedBuiltinCode, made.version = number, min(number, 127), 1
    if step.custom:
        made.customCode = step.custom
    return made


def _operator(step: Step, place: int) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = place, list(step.inputs), list(step.outputs)
    if step.kind:
        options = getattr(schema, f"{step.kind}T")()
        for name, value in step.options.items():
            setattr(options, name, value)
        made.builtinOptionsType = getattr(schema.BuiltinOptions, step.kind)
        made.builtinOptions = options
    return made


def _tensor(model: Any, part: Part, name: str) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.isVariable = name, list(part.shape), part.is_variable
    made.shapeSignature = None if part.signature is None else list(part.signature)
    made.type = getattr(schema.TensorType, part.dtype.upper())
    made.hasRank = True
    raw = part.raw if part.data is None else np.ascontiguousarray(part.data).tobytes()
    if raw is not None:
        held = schema.BufferT()
        held.data = np.frombuffer(raw, np.uint8)
        model.buffers.append(held)
        made.buffer = len(model.buffers) - 1
    if part.scale:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = list(part.scale)
        made.quantization.zeroPoint = list(part.zero or [0] * len(part.scale))
        made.quantization.quantizedDimension = part.axis
    return made
