"""A SavedModel as TensorFlow runs it: what its conversion is compared with. Runs in a child process.

TensorFlow parses the file, restores the variables with the model's own operation, and calls the signature's
function. For the values of layers, which lie within functions, it inlines these itself.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.errors import SourceError
from converters.tensorflow.reference import reason, refuse_side_effects, values

_SCOPE = "inlined"
_OWN = "_inlined"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True)
class _Loaded:
    """A session with a SavedModel: its graph as it is, and once more with its functions inlined."""

    session: Any
    file: str

    def name(self, tensor: str, *, within: bool) -> str:
        """The tensor's name in the graph as it is, or in the inlined one."""
        return f"{_SCOPE}/{tensor}" if within else tensor

    def has(self, tensor: str, *, within: bool) -> bool:
        """Whether that graph has the tensor."""
        try:
            self.session.graph.get_tensor_by_name(self.name(tensor, within=within))
        except (KeyError, ValueError):
            return False
        return True


def run(
    file: str,
    prefix: str | None,
    tags: Sequence[str],
    ends: Sequence[str],
    settings: Mapping[str, NDArray[Any]],
    bypassed: Mapping[str, str],
    feeds: Mapping[str, NDArray[Any]],
    fetches: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """Run the SavedModel.

    Args:
        file: Path of its `saved_model.pb`.
        prefix: Of the checkpoint with its variables; None when it has none.
        tags: Of the graph in it.
        ends: The outputs of the signature.
        settings: Variables and placeholders with the value that means inference.
        bypassed: Tensors that get the value of another: dropout.
        feeds: Tensor name → array.
        fetches: Tensor names wanted.

    Returns:
        Tensor name → array, as TensorFlow computed it.
    """
    import tensorflow as tf

    loaded = _load(file, prefix, tuple(tags), tuple(ends))
    given = [*feeds, *settings, *bypassed, *bypassed.values()]
    plain = all(loaded.has(name, within=False) for name in given)
    found: dict[str, NDArray[Any]] = {}
    try:
        for within in (False, True):
            wanted = [n for n in fetches if (plain and loaded.has(n, within=False)) is not within]
            if wanted:
                found |= _run(loaded, within, wanted, settings, bypassed, feeds)
    except tf.errors.OpError as error:
        raise SourceError(f"{file}: TensorFlow cannot run it: {reason(error.message)}") from error
    return found


def known(
    file: str, prefix: str | None, tags: Sequence[str], ends: Sequence[str], names: Sequence[str]
) -> list[str]:
    """Return those of some tensors that TensorFlow can give."""
    loaded = _load(file, prefix, tuple(tags), tuple(ends))
    return [name for name in names if any(loaded.has(name, within=within) for within in (False, True))]


def shapes(
    file: str, prefix: str | None, tags: Sequence[str], ends: Sequence[str], names: Sequence[str]
) -> list[tuple[int | None, ...] | None]:
    """Return the shapes that TensorFlow works out for tensors; None for an unknown rank."""
    loaded = _load(file, prefix, tuple(tags), tuple(ends))
    found: list[tuple[int | None, ...] | None] = []
    for name in names:
        within = not loaded.has(name, within=False)
        shape = loaded.session.graph.get_tensor_by_name(loaded.name(name, within=within)).shape
        found.append(None if shape.rank is None else tuple(shape.as_list()))
    return found


def _run(
    loaded: _Loaded,
    within: bool,
    wanted: Sequence[str],
    settings: Mapping[str, NDArray[Any]],
    bypassed: Mapping[str, str],
    feeds: Mapping[str, NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    """The values of tensors of one of the two graphs."""

    def name(tensor: str) -> str:
        return loaded.name(tensor, within=within)

    given = values(
        loaded.file,
        loaded.session,
        {name(tensor): value for tensor, value in settings.items()},
        {name(tensor): name(other) for tensor, other in bypassed.items()},
        {name(tensor): array for tensor, array in feeds.items()},
        [name(tensor) for tensor in wanted],
    )
    return {tensor: given[name(tensor)] for tensor in wanted}


@functools.cache
def _load(file: str, prefix: str | None, tags: tuple[str, ...], ends: tuple[str, ...]) -> _Loaded:
    """A session with the graph and its variables; opened once, however often the source is run."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    v1 = tf.compat.v1
    saved = saved_model_pb2.SavedModel.FromString(Path(file).read_bytes())
    meta = next(meta for meta in saved.meta_graphs if tuple(meta.meta_info_def.tags) == tags)
    _prepare(meta.graph_def)
    session = v1.Session(graph=tf.Graph(), config=v1.ConfigProto(allow_soft_placement=True))
    with session.graph.as_default():
        tf.import_graph_def(meta.graph_def, name="")
        refuse_side_effects(file, session.graph, [end.partition(":")[0] for end in ends])
        if prefix is not None and meta.saver_def.restore_op_name:
            refuse_side_effects(file, session.graph, [meta.saver_def.restore_op_name])
            session.run(meta.saver_def.restore_op_name, {meta.saver_def.filename_tensor_name: prefix})
            _restore_bound(session, meta, prefix)
        if meta.graph_def.library.function:
            tf.import_graph_def(_inlined(meta, ends), name=_SCOPE)
    return _Loaded(session, file)


def _restore_bound(session: Any, meta: Any, prefix: str) -> None:
    """Give the variables that functions are called with their values, where the restoring left them without.

    TensorFlow 2 binds them by the number of the object; its older sessions know nothing of it.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    reader = tf.train.load_checkpoint(prefix)
    functions = meta.object_graph_def.concrete_functions
    if not functions or not reader.has_tensor(_OBJECTS):
        return
    objects = trackable_object_graph_pb2.TrackableObjectGraph.FromString(reader.get_tensor(_OBJECTS))
    keys: dict[Any, str] = {}
    for node in meta.graph_def.node:
        called = node.attr["f"].func.name
        bound = functions[called].bound_inputs if called in functions else []
        for ref, place in zip(list(node.input)[len(node.input) - len(bound) :], bound, strict=True):
            values = [a for a in objects.nodes[place].attributes if a.name == "VARIABLE_VALUE"]
            handle = session.graph.get_operation_by_name(ref.partition(":")[0])
            if values and handle.type == "VarHandleOp":
                keys[handle.outputs[0]] = values[0].checkpoint_key
    # All at once: a session looks through the whole graph again after each operation that is added.
    there = session.run([tf.raw_ops.VarIsInitializedOp(resource=handle) for handle in keys])
    absent = [handle for handle, is_there in zip(keys, there, strict=True) if not is_there]
    given = [tf.constant(reader.get_tensor(keys[handle])) for handle in absent]
    pairs = zip(absent, given, strict=True)
    session.run([tf.raw_ops.AssignVariableOp(resource=handle, value=value) for handle, value in pairs])


def _prepare(graph_def: Any) -> None:
    """Free a graph of the machine that saved it, and give each variable the name that both graphs share."""
    functions = [node for function in graph_def.library.function for node in function.node_def]
    for node in (*graph_def.node, *functions):
        node.device = ""
        # Loops stay single nodes, of which the names are known.
        node.attr.pop("_lower_using_switch_merge", None)
    for node in graph_def.node:
        if node.op in ("VarHandleOp", "VariableV2", "Variable") and not node.attr["shared_name"].s:
            node.attr["shared_name"].s = node.name.encode()
    for function in graph_def.library.function:
        # Functions with several implementations are not inlined while TensorFlow may still choose one.
        function.attr.pop("api_implements", None)


def _inlined(meta: Any, ends: Sequence[str]) -> Any:
    """What the signature's outputs need as a GraphDef whose calls TensorFlow itself has inlined."""
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
    from tensorflow.python.grappler import tf_optimizer

    names = [end.partition(":")[0] for end in ends]
    part = meta_graph_pb2.MetaGraphDef()
    part.graph_def.CopyFrom(tf.compat.v1.graph_util.extract_sub_graph(meta.graph_def, names))
    part.collection_def["train_op"].node_list.value.extend(ends)
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.min_graph_nodes = -1
    options.optimizers.append("function")
    return _with_own_functions(tf_optimizer.OptimizeGraph(config, part))


def _with_own_functions(graph_def: Any) -> Any:
    """The graph with other names for the functions that are left: both graphs lie in one session."""
    names = {function.signature.name for function in graph_def.library.function}
    for function in graph_def.library.function:
        function.signature.name += _OWN
    del graph_def.library.gradient[:]
    functions = [node for function in graph_def.library.function for node in function.node_def]
    for node in (*graph_def.node, *functions):
        if node.op in names:
            node.op += _OWN
        for value in node.attr.values():
            for called in (value.func, *value.list.func):
                if called.name in names:
                    called.name += _OWN
    return graph_def
