"""Reading a SavedModel, of TensorFlow 1 or 2, as data: no TensorFlow is needed.

Reference: tensorflow/core/protobuf/saved_model.proto, and the folder's layout in
tensorflow/python/saved_model/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from converters.errors import SourceError, UnsupportedError
from converters.files import check_file
from converters.tensorflow.captures import by_value
from converters.tensorflow.checkpoint import open_checkpoint
from converters.tensorflow.functions import Inlined, inlined
from converters.tensorflow.graph import CAP, Kind, SourceGraph, read_saver
from converters.tensorflow.names import author_names
from converters.tensorflow.object_graph import Objects, bound_variables, read_objects
from converters.tensorflow.restore import stored_variables
from converters.tensorflow.schema import new, parse
from converters.tensorflow.signatures import Signature, choose_graph, choose_signature
from converters.tensorflow.snappy import varint
from converters.tensorflow.tensors import set_shape
from converters.tensorflow.topology import Topology, full_name, number, owner, read_topology
from converters.tensorflow.variables import Checkpoint

FILE = "saved_model.pb"
_TEXT = "saved_model.pbtxt"
_VARIABLES = ("variables", "variables")
_EXPECTED = "a SavedModel"
_HANDLES = frozenset({"VarHandleOp", "Variable", "VariableV2"})


@dataclass(frozen=True)
class SavedModel:
    """A SavedModel's graph for one signature.

    Attributes:
        source: The graph without calls of functions, under its author's names, with the variables' values.
        tags: Which of the file's graphs it is.
        signature: What it is asked, in terms of the file's own tensors.
        inputs: Per input, by its key, the tensor of `source`.
        outputs: Per output, by its key, the tensor of `source`.
        places: Nodes of `source` that TensorFlow calls otherwise, with its own names for them.
        assets: The names of the files that belong to it.
    """

    source: SourceGraph
    tags: tuple[str, ...]
    signature: Signature
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    places: Mapping[str, str] = field(repr=False)
    assets: tuple[str, ...] = ()

    def place(self, tensor: str) -> str:
        """Return what TensorFlow calls a tensor of `source`."""
        by_output = {own: key for key, own in self.outputs.items()}
        if tensor in by_output:
            key = by_output[tensor]
            return next(endpoint.tensor for endpoint in self.signature.outputs if endpoint.key == key)
        name = owner(tensor)
        return f"{self.places.get(name, name)}:{number(tensor)}"


def recognise(path: Path) -> bool:
    """Say whether a path is a SavedModel: its folder, or the file in it by any name."""
    try:
        if path.is_dir():
            return (path / FILE).is_file() or (path / _TEXT).is_file()
        return path.is_file() and _begins_as_saved_model(path)
    except OSError:
        return False


def read_saved_model(path: Path, signature: str = "", *, any_will_do: bool = False) -> SavedModel:
    """Read a SavedModel for one of its signatures.

    Args:
        path: Its folder, or its `saved_model.pb`.
        signature: The name of a signature; empty for the one for serving.
        any_will_do: Whether to take the first signature when there are several and none is for serving.

    Raises:
        FileError: A file is missing, empty, or cannot be read.
        SourceError: It is damaged, lacks a part, or has no such signature.
        UnsupportedError: It is in protobuf's text form, or a part of it cannot be expressed as one graph.
    """
    file = _file(path)
    meta = choose_graph(parse("SavedModel", file.read_bytes(), str(file)), path)
    asked = choose_signature(meta, signature, path, any_will_do=any_will_do)
    modern = meta.HasField("object_graph_def")
    _check_endpoints(path, meta, asked)
    flat = inlined(meta.graph_def, _wanted(meta, asked, modern=modern), str(path))
    checkpoint = _checkpoint(file.parent, flat)
    kind: Kind = "TensorFlow 2 SavedModel" if modern else "TensorFlow 1 SavedModel"
    files = (file, *(checkpoint.files if checkpoint is not None else ()))
    objects = Objects() if checkpoint is None else read_objects(checkpoint)
    source = SourceGraph(
        kind,
        path,
        files,
        flat.graph_def,
        checkpoint=checkpoint,
        saver=read_saver(meta.saver_def),
        keys=bound_variables(meta, objects),
    )
    assets = tuple(dict.fromkeys(asset.filename for asset in meta.asset_file_def))
    saved = SavedModel(source, tuple(meta.meta_info_def.tags), asked, {}, {}, flat.places, assets)
    return _named(saved, objects)


def _file(path: Path) -> Path:
    """The file that holds the graph."""
    if not path.is_dir():
        return check_file(path, _EXPECTED, cap=CAP)
    if not (path / FILE).exists() and (path / _TEXT).is_file():
        raise UnsupportedError(
            f"{path / _TEXT}: is a SavedModel in protobuf's text form, which is not read; expected {FILE}",
            "Load it with TensorFlow, and save it again: tf.saved_model.save(model, folder).",
        )
    return check_file(path / FILE, _EXPECTED, cap=CAP)


def _begins_as_saved_model(path: Path) -> bool:
    """Whether a file begins with the version of the schema, and a graph that fits into it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(32)
    if head[:1] != b"\x08" or head[2:3] != b"\x12":
        return False
    try:
        length, at = varint(head, 3)
    except ValueError:
        return False
    # A MetaGraphDef begins with what is known of it, or with its graph; a model of ONNX with a producer.
    return at + length <= size and head[at : at + 1] in (b"\x0a", b"\x12") and length > 64


def _check_endpoints(path: Path, meta: Any, signature: Signature) -> None:
    nodes = {node.name for node in meta.graph_def.node}
    for endpoint in (*signature.inputs, *signature.outputs):
        if owner(endpoint.tensor) not in nodes:
            raise SourceError(
                f"{path}: the signature {signature.name!r} names the tensor {endpoint.tensor}, which the "
                "graph does not have",
                "Save the model again, or name another with --signature.",
            )


def _wanted(meta: Any, signature: Signature, *, modern: bool) -> list[str]:
    """The nodes to read: in TensorFlow 2 the rest are functions that save and restore."""
    if not modern:
        return [node.name for node in meta.graph_def.node]
    ends = [owner(endpoint.tensor) for endpoint in (*signature.inputs, *signature.outputs)]
    return [*ends, owner(full_name(meta.saver_def.restore_op_name))]


def _checkpoint(folder: Path, flat: Inlined) -> Checkpoint | None:
    """The values of the variables; None for a graph without variables."""
    prefix = folder.joinpath(*_VARIABLES)
    index = prefix.with_name(f"{prefix.name}.index")
    if index.exists():
        return open_checkpoint(prefix)
    if any(node.op in _HANDLES for node in flat.graph_def.node):
        raise SourceError(
            f"{index}: no such file; it holds the values of the SavedModel's variables",
            "Copy the whole folder, with the folder variables in it.",
        )
    return None


def _named(saved: SavedModel, objects: Objects) -> SavedModel:
    """The SavedModel under its author's names, with a node for each output."""
    source, signature = saved.source, saved.signature
    rewritten = by_value(source.graph_def, str(source.path))
    topology = read_topology(rewritten, str(source.path))
    names = _names(saved, objects, topology)
    graph = new("GraphDef")
    graph.versions.CopyFrom(rewritten.versions)
    graph.library.CopyFrom(rewritten.library)
    for node in rewritten.node:
        _add_renamed(graph, node, names)
    outputs = _add_outputs(graph, signature, names)
    keys = {names.get(name, name): key for name, key in source.keys.items()}
    return replace(
        saved,
        source=replace(source, graph_def=graph, keys=keys),
        inputs={end.key: _renamed(end.tensor, names) for end in signature.inputs},
        outputs=outputs,
        places={names.get(name, name): saved.places.get(name, name) for name in topology.nodes},
    )


def _names(saved: SavedModel, objects: Objects, topology: Topology) -> dict[str, str]:
    """New names for the nodes of a program of TensorFlow 2; nodes of TensorFlow 1 keep theirs."""
    source, signature = saved.source, saved.signature
    if source.kind != "TensorFlow 2 SavedModel":
        return {}
    reached = topology.upstream((owner(end.tensor) for end in signature.outputs), controls=False)
    stored = stored_variables(source, topology)
    program = {name: objects.names.get(stored[name].key, "") for name in sorted(reached & set(stored))}
    placeholders = {
        owner(end.tensor): end.key
        for end in signature.inputs
        if topology.nodes[owner(end.tensor)].op == "Placeholder"
    }
    inner = [name for name in topology.nodes if name in reached and name in saved.places]
    return author_names(topology, inner, {n: full for n, full in program.items() if full}, placeholders)


def _add_renamed(graph: Any, node: Any, names: Mapping[str, str]) -> None:
    added = graph.node.add()
    added.CopyFrom(node)
    added.name = names.get(node.name, node.name)
    if node.op == "VarHandleOp" and not added.attr["shared_name"].s:
        # A variable without a name of its own has that of its node, in the checkpoint too.
        added.attr["shared_name"].s = node.name.encode()
    for place, ref in enumerate(node.input):
        added.input[place] = _renamed_reference(ref, names)


def _renamed_reference(ref: str, names: Mapping[str, str]) -> str:
    if ref.startswith("^"):
        return f"^{names.get(ref[1:], ref[1:])}"
    tensor = full_name(ref)
    return _renamed(tensor, names) if owner(tensor) in names else ref


def _renamed(tensor: str, names: Mapping[str, str]) -> str:
    name = owner(tensor)
    return f"{names.get(name, name)}:{number(tensor)}"


def _add_outputs(graph: Any, signature: Signature, names: Mapping[str, str]) -> dict[str, str]:
    """Add a node for each output that is called as the output is; return the tensors by key."""
    taken = {node.name for node in graph.node}
    found = {}
    for end in signature.outputs:
        name = end.key
        while name in taken:
            name = f"{name}_output"
        taken.add(name)
        added = graph.node.add(name=name, op="Identity", input=[_renamed(end.tensor, names)])
        if end.shape is not None:
            set_shape(added.attr["_output_shapes"].list.shape.add(), end.shape)
        found[end.key] = f"{name}:0"
    return found
