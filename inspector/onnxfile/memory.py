"""A model that is in memory, opened as a file is."""

from __future__ import annotations

from pathlib import Path

from inspector.errors import ModelError
from inspector.onnxfile.model_file import OnnxFile, _read, _top_level
from inspector.onnxfile.parse import Parser
from inspector.onnxfile.source import FETCH, MAX_FIELDS, MAX_TEXT, Budget, Source
from inspector.onnxfile.wire import WireError


def open_bytes(model: bytes, name: str) -> OnnxFile:
    """Open a serialized ONNX model: read its structure, leave its weights where they are.

    Args:
        model: The model, with all its weights.
        name: What messages call it.

    Raises:
        ModelError: Its structure is broken, or it is newer than what is known.
        TensorError: A tensor's description cannot be right.

    Example:
        >>> from onnx import TensorProto, helper
        >>> value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy"]
        >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", value[:1], value[1:])
        >>> list(open_bytes(helper.make_model(graph).SerializeToString(), "a model").graph.producers)
        ['y']
    """
    source = Source(Path(name), Path.cwd(), model, len(model), Budget(MAX_FIELDS, MAX_TEXT))
    try:
        return _read(source, Parser(source), _top_level(source))
    except WireError as error:
        raise ModelError(f"{source.path}: is damaged: {error}", FETCH) from error
