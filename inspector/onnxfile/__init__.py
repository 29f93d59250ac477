"""Reading ONNX files without parsing or copying their weights.

The file is mapped into memory, and its protobuf structure is scanned in place. A tensor's bytes are touched
when somebody asks for that tensor. Neither onnx nor protobuf is imported. What only running or writing needs
(`runnable`, `metadata`) is imported from its own module, so that looking at a model starts quickly.
"""

from __future__ import annotations

from inspector.onnxfile.checks import in_order
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.graph import Attribute, Dimension, Function, Graph, Node, Value
from inspector.onnxfile.model_file import OnnxFile, open_onnx
from inspector.onnxfile.sparse import SparseTensor
from inspector.onnxfile.tensor import Tensor

__all__ = [
    "Attribute",
    "DataType",
    "Dimension",
    "Function",
    "Graph",
    "Node",
    "OnnxFile",
    "SparseTensor",
    "Tensor",
    "Value",
    "in_order",
    "open_onnx",
]
