"""LiteRT in the process that `converters.child` starts; TensorFlow's interpreter where there is none.

Weights of few bits that meet data of floats are a way to save space. LiteRT rounds that data to 8 bits while
it runs, each of its delegates in a way of its own; the file says nothing of that. So such weights are turned
into floats before it runs, by an operator of its own that is put before them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HOMES = (
    ("ai_edge_litert", "ai-edge-litert", "ai_edge_litert.interpreter", "ai_edge_litert.schema_py_generated"),
    (
        "tensorflow",
        "tensorflow",
        "tensorflow.lite.python.interpreter",
        "tensorflow.lite.python.schema_py_generated",
    ),
)


def versions() -> dict[str, str]:
    """The version of what runs the models, once it is imported."""
    package, distribution, interpreter, _ = _home()
    importlib.import_module(interpreter)
    for name in (distribution, f"{distribution}-cpu"):
        try:
            return {distribution: importlib.metadata.version(name)}
        except importlib.metadata.PackageNotFoundError:
            continue
    return {distribution: str(importlib.import_module(package).__version__)}


def run(
    *,
    path: str,
    widened: Sequence[int],
    subgraph: int,
    feeds: Mapping[int, NDArray[Any]],
    fetches: Sequence[int],
) -> dict[int, NDArray[Any]]:
    """Run a model.

    Args:
        path: Its file.
        widened: The tensors that are turned into floats first, by number.
        subgraph: Which of its graphs.
        feeds: An array for each input, by number.
        fetches: The tensors to return, by number.

    Returns:
        An array for each of `fetches`.
    """
    interpreter = _interpreter(path, tuple(widened), subgraph)
    for detail in interpreter.get_input_details():
        shape = feeds[detail["index"]].shape
        if tuple(detail["shape"]) != shape:
            interpreter.resize_tensor_input(detail["index"], shape)
    interpreter.allocate_tensors()
    # What recurrent layers keep from one run to the next.
    interpreter.reset_all_variables()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], feeds[detail["index"]])
    interpreter.invoke()
    return {index: np.array(interpreter.get_tensor(index)) for index in fetches}


@cache
def _interpreter(path: str, widened: tuple[int, ...], subgraph: int) -> Any:
    module = importlib.import_module(_home()[2])
    plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    content = Path(path).read_bytes()
    if widened or subgraph:
        content = _rewritten(content, widened, subgraph)
    return module.Interpreter(
        model_content=content, experimental_op_resolver_type=plain, experimental_preserve_all_tensors=True
    )


def _rewritten(content: bytes, widened: tuple[int, ...], subgraph: int) -> bytes:
    """A model whose weights are turned into floats before they are used, with one graph as its first."""
    flatbuffers = importlib.import_module("flatbuffers")
    schema = importlib.import_module(_home()[3])
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    graphs = model.subgraphs
    graphs[0], graphs[subgraph] = graphs[subgraph], graphs[0]
    model.signatureDefs = None
    model.metadata = None
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    # From this version on weights may have a scale for each channel.
    code.version = 5
    model.operatorCodes.append(code)
    for index in widened:
        _widen(schema, graphs[0], index, len(model.operatorCodes) - 1)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _widen(schema: Any, graph: Any, index: int, code: int) -> None:
    """Put an operator before all readers of a tensor."""
    narrow = graph.tensors[index]
    wide = schema.TensorT()
    wide.name = narrow.name + b" as floats"
    wide.shape, wide.type, wide.buffer = narrow.shape, schema.TensorType.FLOAT32, 0
    graph.tensors.append(wide)
    for operator in graph.operators:
        operator.inputs = [len(graph.tensors) - 1 if read == index else read for read in operator.inputs]
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, [index], [len(graph.tensors) - 1]
    graph.operators.insert(0, made)


@cache
def _home() -> tuple[str, str, str, str]:
    """What is installed: package, distribution, module of the interpreter, module of the schema."""
    for home in _HOMES:
        if importlib.util.find_spec(home[0]) is not None:
            return home
    raise ModuleNotFoundError("ai_edge_litert")
