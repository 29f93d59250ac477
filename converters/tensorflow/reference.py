"""The source as TensorFlow runs it: what a conversion is compared with. Runs in a child process.

Nothing here goes through our own reading or freezing: TensorFlow parses the graph, restores the variables
with the graph's own restore operation, and runs the training graph with its training switch off.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError, UnsupportedError
from converters.tensorflow.functions import functions_of

# Running a source must do nothing but compute. TensorFlow marks most operations that do more as stateful;
# of these, variables, random numbers, lists within the graph and control flow are harmless.
_HARMLESS = (
    *("Variable", "VarHandleOp", "VarIsInitializedOp", "IsVariableInitialized", "ReadVariableOp", "Assign"),
    *(
        "Random",
        "TruncatedNormal",
        "ParameterizedTruncatedNormal",
        "Multinomial",
        "Stateless",
        "StatefulPartitionedCall",
    ),
    *(
        "TensorArray",
        "Stack",
        "TensorList",
        "While",
        "If",
        "Case",
        "PartitionedCall",
        "Placeholder",
        "Resource",
    ),
    *("Restore", "HashTable", "MutableHashTable", "LookupTable", "Assert", "DestroyTemporaryVariable"),
)
# These are not marked, or begin like a harmless one.
_HARMFUL = frozenset(
    {
        "ReadFile",
        "MatchingFiles",
        "Print",
        "PrintV2",
        "DebugIdentity",
        "DebugIdentityV2",
        "StatefulStandardPipe",
    }
)
_NOT_A_REASON = ("Graph execution error", "Detected at node", "Node:")


def run(
    graph: str,
    prefix: str | None,
    settings: Mapping[str, NDArray[Any]],
    bypassed: Mapping[str, str],
    feeds: Mapping[str, NDArray[Any]],
    fetches: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """Run the source.

    Args:
        graph: Path of a `.meta` (with `prefix`) or of a frozen GraphDef.
        prefix: The checkpoint to restore; None for a frozen graph.
        settings: Variables and placeholders with the value that means inference: `is_training:0`, False.
        bypassed: Tensors that get the value of another, in the order of the graph: dropout without a switch.
        feeds: Tensor name → array.
        fetches: Tensor names wanted.

    Returns:
        Tensor name → array, as TensorFlow computed it.
    """
    import tensorflow as tf

    try:
        return values(graph, _open(graph, prefix), settings, bypassed, feeds, fetches)
    except tf.errors.OpError as error:
        raise SourceError(f"{graph}: TensorFlow cannot run it: {reason(error.message)}") from error


def values(
    where: str,
    session: Any,
    settings: Mapping[str, NDArray[Any]],
    bypassed: Mapping[str, str],
    feeds: Mapping[str, NDArray[Any]],
    fetches: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """Run an open session; the arguments are those of `run`.

    Args:
        where: The source, for messages.
        session: With the graph and its variables.
        settings: As in `run`.
        bypassed: As in `run`.
        feeds: As in `run`.
        fetches: As in `run`.
    """
    refuse_side_effects(where, session.graph, [*fetches, *bypassed.values()])
    fed = dict(feeds)
    for name, value in settings.items():
        operation = session.graph.get_tensor_by_name(name).op
        if operation.type.startswith("Placeholder"):
            fed[name] = value
        else:
            session.run(_assign(operation, value))
    for name, stand_in in bypassed.items():
        fed[name] = session.run(stand_in, feed_dict=fed)
    found = session.run(list(fetches), feed_dict=fed)
    return {name: np.asarray(value) for name, value in zip(fetches, found, strict=True)}


def shapes(graph: str, prefix: str | None, names: Sequence[str]) -> list[tuple[int | None, ...] | None]:
    """The shapes that TensorFlow works out for tensors of the source; None for an unknown rank."""
    found = _open(graph, prefix).graph
    known = [found.get_tensor_by_name(name).shape for name in names]
    return [None if shape.rank is None else tuple(shape.as_list()) for shape in known]


@functools.cache
def _open(graph: str, prefix: str | None) -> Any:
    """A session with the graph and its variables; opened once, however often the source is run."""
    import tensorflow as tf

    v1 = tf.compat.v1
    session = v1.Session(graph=tf.Graph(), config=v1.ConfigProto(allow_soft_placement=True))
    serialized = Path(graph).read_bytes()
    with session.graph.as_default():
        if prefix is None:
            tf.import_graph_def(v1.GraphDef.FromString(serialized), name="")
            return session
        meta = v1.MetaGraphDef.FromString(serialized)
        for node in meta.graph_def.node:
            node.device = ""
        tf.import_graph_def(meta.graph_def, name="")
        refuse_side_effects(graph, session.graph, [meta.saver_def.restore_op_name])
        session.run(meta.saver_def.restore_op_name, {meta.saver_def.filename_tensor_name: prefix})
    return session


def refuse_side_effects(where: str, graph: Any, names: Sequence[str]) -> None:
    """Refuse to run what would touch files, Python, or another process on the way to these tensors.

    Args:
        where: The source, for messages.
        graph: TensorFlow's own.
        names: Tensors or operations.

    Raises:
        UnsupportedError: It names the operation.
    """
    pending = [graph.get_operation_by_name(name.partition(":")[0]) for name in names]
    seen = set()
    called: list[str] = []
    while pending:
        operation = pending.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        _refuse_harmful(where, operation.name, operation.type, operation.op_def.is_stateful)
        called += [operation.type, *functions_of(operation.node_def)]
        pending += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    _refuse_harmful_functions(where, graph, called)


def _refuse_harmful_functions(where: str, graph: Any, called: list[str]) -> None:
    """Refuse functions, and those that they call, with harmful operations in them."""
    functions = {function.signature.name: function for function in _library(graph)}
    seen = set()
    while called:
        name = called.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in functions[name].node_def:
            _refuse_harmful(where, f"{name}/{node.name}", node.op, _is_stateful(node.op))
            called += [node.op, *functions_of(node)]


@functools.lru_cache(maxsize=4)
def _library(graph: Any) -> tuple[Any, ...]:
    """The functions of a graph, which has all of them from the start."""
    return tuple(graph.as_graph_def().library.function)


def _is_stateful(op: str) -> bool:
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(op)
    return known is not None and bool(known.is_stateful)


def _refuse_harmful(where: str, name: str, op: str, stateful: bool) -> None:
    if op in _HARMFUL or (stateful and not op.startswith(_HARMLESS)):
        raise UnsupportedError(
            f"{where}: was not run: its node {name!r} of op {op} may touch files or another process",
            "--no-verify converts it without running it.",
        )


def _assign(variable: Any, value: NDArray[Any]) -> Any:
    """An operation that gives a variable a value, for both kinds that TensorFlow 1 wrote."""
    import tensorflow as tf

    with variable.graph.as_default():
        handle = variable.outputs[0]
        if variable.type == "VarHandleOp":
            dtype = variable.get_attr("dtype")
            return tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(value, dtype=dtype))
        return tf.compat.v1.assign(handle, tf.constant(value, dtype=handle.dtype.base_dtype)).op


def reason(message: str) -> str:
    """Return the line of TensorFlow's message that says what is wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(_NOT_A_REASON)), "no reason given")
