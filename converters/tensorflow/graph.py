"""Reading a TensorFlow 1 source, checkpoint or frozen graph, as data: no TensorFlow is needed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from converters.errors import SourceError, UnsupportedError
from converters.files import check_file
from converters.tensorflow import locate
from converters.tensorflow.checkpoint import open_checkpoint
from converters.tensorflow.schema import new, parse
from converters.tensorflow.variables import Checkpoint

__all__ = ["Collections", "Kind", "Saver", "SourceGraph", "read_source", "recognise"]

Kind: TypeAlias = Literal[
    "tflearn checkpoint",
    "TensorFlow 1 checkpoint",
    "frozen graph",
    "TensorFlow 1 SavedModel",
    "TensorFlow 2 SavedModel",
]

_TENSOR_LISTS = ("inputs", "targets", "is_training", "activations")
# Protobuf itself reads no message that is larger.
CAP = (1 << 31) - 1


@dataclass(frozen=True)
class Collections:
    """What tflearn notes beside the graph: names of tensors, `name:0`.

    Attributes:
        inputs: The inputs, in the order in which `DNN` takes them.
        targets: The placeholders of the labels.
        is_training: The variable that switches dropout and batch normalization; one or none.
        activations: The tensors after each layer's activation.
        layer_tensors: Per layer, its outputs.
        layer_variables: Per layer, its weights; without moving averages.
    """

    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    is_training: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    layer_tensors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    layer_variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Saver:
    """How the graph itself would load its checkpoint.

    Attributes:
        filename: The tensor that takes the checkpoint's prefix, "save/Const:0".
        restore_op: The operation to run, "save/restore_all".
        save: The tensor that saves, "save/control_dependency:0"; TensorFlow takes no saver without one.
    """

    filename: str
    restore_op: str
    save: str = ""


@dataclass(frozen=True)
class SourceGraph:
    """A TensorFlow graph with what is known about it.

    Attributes:
        kind: Where it comes from.
        path: What the user named.
        files: Every file that belongs to it.
        graph_def: A GraphDef message of the schema; not to be changed.
        checkpoint: The values of its variables; None for a frozen graph.
        collections: What tflearn notes; empty for other graphs.
        saver: How the graph loads its checkpoint, if it can.
        keys: What variables take from the checkpoint that no saver restores: node → name there.
    """

    kind: Kind
    path: Path
    files: tuple[Path, ...]
    graph_def: Any = field(repr=False)
    checkpoint: Checkpoint | None = None
    collections: Collections = field(default_factory=Collections)
    saver: Saver | None = None
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    def meta_bytes(self) -> bytes:
        """Return a serialized MetaGraphDef with the graph and its saver, but no collections.

        TensorFlow imports it whatever the collections held: tflearn puts Python objects there.
        """
        meta = new("MetaGraphDef")
        meta.graph_def.CopyFrom(self.graph_def)
        if self.saver is not None:
            meta.saver_def.filename_tensor_name = self.saver.filename
            meta.saver_def.restore_op_name = self.saver.restore_op
            meta.saver_def.save_tensor_name = self.saver.save
        data: bytes = meta.SerializeToString()
        return data


def recognise(path: str | os.PathLike[str]) -> bool:
    """Say whether `path` looks like a source that `read_source` reads; only a few bytes are read.

    Example:
        >>> recognise("no-such-file")
        False
    """
    return locate.recognise(Path(path))


def read_source(path: str | os.PathLike[str]) -> SourceGraph:
    """Read a checkpoint of tflearn or TensorFlow 1, or a frozen graph.

    Args:
        path: The prefix of a checkpoint (`lars.tflearn`), one of its files, its folder, or a frozen GraphDef.

    Raises:
        FileError: A file is missing, empty, or cannot be read.
        SourceError: It is none of these, is damaged, or lacks a part.
        UnsupportedError: It is a graph in protobuf's text form.

    Example:
        >>> read_source("no-such-file")
        Traceback (most recent call last):
        converters.errors.FileError: no-such-file: no such file; expected a TensorFlow checkpoint or graph
    """
    path = Path(path)
    place = locate.locate(path)
    if place.prefix is not None:
        return _read_checkpoint(path, place.prefix)
    assert place.graph is not None
    return _read_graph(path, place.graph)


def needs_graph(prefix: Path) -> str:
    """What helps where a checkpoint is without its graph."""
    return f"Save with the graph (tflearn's DNN.save does), or copy {prefix.name}.meta beside them."


def _read_checkpoint(path: Path, prefix: Path) -> SourceGraph:
    """A checkpoint with the graph in the `.meta` beside it."""
    meta_path = prefix.with_name(prefix.name + ".meta")
    if not meta_path.exists():
        raise SourceError(
            f"{meta_path}: no such file; it holds the graph, and the files beside it only the variables",
            needs_graph(prefix),
        )
    check_file(meta_path, "the graph of a checkpoint (a MetaGraphDef)", cap=CAP)
    meta = parse("MetaGraphDef", meta_path.read_bytes(), str(meta_path))
    if not meta.graph_def.node:
        raise SourceError(f"{meta_path}: holds no graph: no nodes; expected a MetaGraphDef")
    checkpoint = open_checkpoint(prefix)
    collections = _collections(meta)
    return SourceGraph(
        kind="tflearn checkpoint" if _is_tflearn(meta) else "TensorFlow 1 checkpoint",
        path=path,
        files=(meta_path, *checkpoint.files),
        graph_def=meta.graph_def,
        checkpoint=checkpoint,
        collections=collections,
        saver=read_saver(meta.saver_def),
    )


def _read_graph(path: Path, file: Path) -> SourceGraph:
    """A file that holds a graph, whatever message it is in."""
    check_file(file, "a frozen graph", cap=CAP)
    data = file.read_bytes()
    if locate.begins_with_text(data[: 1 << 16]):
        raise UnsupportedError(
            f"{file}: is a graph in protobuf's text form, which is not read; expected the binary form",
            "Write it with tf.io.write_graph(graph, folder, name, as_text=False).",
        )
    if locate.begins_with_node(data[: 1 << 16], len(data)):
        graph = parse("GraphDef", data, str(file))
        return SourceGraph("frozen graph", path, (file,), graph)
    with contextlib.suppress(SourceError):
        meta = parse("MetaGraphDef", data, str(file))
        if _has_ops(meta.graph_def):
            return SourceGraph("frozen graph", path, (file,), meta.graph_def)
    raise SourceError(
        f"{file}: is no TensorFlow graph: not a GraphDef, and not a checkpoint either",
        "Name a frozen .pb, or a checkpoint by its prefix, its .meta, or its folder.",
    )


def read_saver(saver: Any) -> Saver | None:
    """Return what a SaverDef message says, or None when it names no operation."""
    if not saver.restore_op_name:
        return None
    return Saver(saver.filename_tensor_name, saver.restore_op_name, saver.save_tensor_name)


def _has_ops(graph: Any) -> bool:
    return len(graph.node) > 0 and all(node.name and node.op for node in graph.node[:16])


def _is_tflearn(meta: Any) -> bool:
    names = meta.collection_def.keys()
    return any(name.startswith("layer_tensor/") for name in names) or {"inputs", "is_training"} <= set(names)


def _collections(meta: Any) -> Collections:
    """The collections of tensors; others, among them Python objects of tflearn's trainer, are left alone."""
    lists = {
        name: tuple(collection.node_list.value)
        for name, collection in meta.collection_def.items()
        if collection.WhichOneof("kind") == "node_list"
    }
    by_prefix: dict[str, dict[str, tuple[str, ...]]] = {"layer_tensor": {}, "layer_variables": {}}
    for name in sorted(lists):
        prefix, _, layer = name.partition("/")
        if layer and prefix in by_prefix:
            by_prefix[prefix][layer] = tuple(dict.fromkeys(lists[name]))
    return Collections(
        **{name: tuple(dict.fromkeys(lists.get(name, ()))) for name in _TENSOR_LISTS},
        layer_tensors=by_prefix["layer_tensor"],
        layer_variables=by_prefix["layer_variables"],
    )
