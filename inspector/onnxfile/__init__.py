"""Reading ONNX files without parsing or copying their weights.

The file is mapped into memory, and its protobuf structure is scanned in place. A tensor's bytes are touched
when somebody asks for that tensor. Neither onnx nor protobuf is imported.
"""

from __future__ import annotations

from inspector.onnxfile.checks import in_order
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.graph import Attribute, Dimension, Function, Graph, Node, Value
from inspector.onnxfile.metadata import with_metadata
from inspector.onnxfile.model_file import OnnxFile, open_onnx
from inspector.onnxfile.runnable import all_tensors, check_external, check_runnable
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
    "all_tensors",
    "check_external",
    "check_runnable",
    "in_order",
    "open_onnx",
    "with_metadata",
]
