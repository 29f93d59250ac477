"""Writers of small TensorFlow files, by the formats' descriptions: tests can make any file they need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converters.tensorflow.crc32c import crc32c, mask
from converters.tensorflow.dtypes import from_numpy
from converters.tensorflow.schema import new
from converters.tensorflow.tensors import set_shape, set_tensor

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def block(entries: Mapping[bytes, bytes]) -> bytes:
    """A table's block, its keys sharing what they can."""
    body, before = b"", b""
    for key, value in entries.items():
        shared = next((n for n in range(len(key)) if key[: n + 1] != before[: n + 1]), len(key))
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return body + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def table(entries: Mapping[bytes, bytes], *, kind: int = 0, compress: Any = bytes) -> bytes:
    """A table with one data block."""
    out = b""

    def add(content: bytes, kind: int) -> bytes:
        nonlocal out
        handle = varint(len(out)) + varint(len(content))
        stored = content + bytes([kind])
        out += stored + mask(crc32c(stored)).to_bytes(4, "little")
        return handle

    data = add(compress(block(entries)), kind)
    meta = add(block({}), 0)
    index = add(block({b"\xff": data}), 0)
    footer = meta + index
    return out + footer + bytes(40 - len(footer)) + MAGIC


def bundle_entry(array: np.ndarray, offset: int, /, **fields: Any) -> Any:
    entry = new("BundleEntryProto")
    entry.dtype = from_numpy(array.dtype)
    set_shape(entry.shape, array.shape)
    entry.offset, entry.size = offset, array.nbytes
    entry.crc32c = mask(crc32c(array.tobytes()))
    for name, value in fields.items():
        setattr(entry, name, value)
    return entry


def header(shards: int = 1, **fields: Any) -> bytes:
    message = new("BundleHeaderProto")
    message.num_shards = shards
    message.version.producer = 1
    for name, value in fields.items():
        setattr(message, name, value)
    return message.SerializeToString()


def write_bundle(prefix: Path, arrays: Mapping[str, np.ndarray], **changes: Mapping[str, Any]) -> None:
    """A V2 checkpoint; `changes` overwrite fields of a variable's entry in the index."""
    data, entries = b"", {b"": header()}
    for name, array in sorted(arrays.items()):
        entries[name.encode()] = bundle_entry(array, len(data), **changes.get(name, {})).SerializeToString()
        data += array.tobytes()
    prefix.with_name(prefix.name + ".index").write_bytes(table(entries))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)


class GraphBuilder:
    """A GraphDef, node by node."""

    def __init__(self) -> None:
        self.graph = new("GraphDef")

    def add(self, name: str, op: str, *inputs: str, **attrs: Any) -> str:
        node = self.graph.node.add(name=name, op=op, input=inputs)
        for key, value in attrs.items():
            self._set(node.attr[key], key, value)
        return name

    def const(self, name: str, value: object, *inputs: str, dtype: str = "float32") -> str:
        node = self.graph.node.add(name=name, op="Const", input=inputs)
        set_tensor(node.attr["value"].tensor, np.asarray(value, dtype))
        node.attr["dtype"].type = node.attr["value"].tensor.dtype
        return name

    def placeholder(self, name: str, *sizes: int | None, dtype: str = "float32") -> str:
        node = self.graph.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = from_numpy(np.dtype(dtype))
        set_shape(node.attr["shape"].shape, sizes)
        return name

    def write(self, path: Path) -> Path:
        path.write_bytes(self.graph.SerializeToString())
        return path

    def write_checkpoint(self, prefix: Path, arrays: Mapping[str, np.ndarray]) -> Path:
        """The graph as the `.meta` of a checkpoint that holds `arrays`."""
        meta = new("MetaGraphDef")
        meta.graph_def.CopyFrom(self.graph)
        prefix.with_name(prefix.name + ".meta").write_bytes(meta.SerializeToString())
        write_bundle(prefix, arrays)
        return prefix

    @staticmethod
    def _set(attr: Any, key: str, value: Any) -> None:
        if isinstance(value, bool):
            attr.b = value
        elif isinstance(value, str):
            attr.type = from_numpy(np.dtype(value))
        elif isinstance(value, tuple):
            set_shape(attr.shape, value)
        else:
            attr.i = value
