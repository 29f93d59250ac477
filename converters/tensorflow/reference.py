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

from converters.errors import SourceError

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
        return _values(_open(graph, prefix), settings, bypassed, feeds, fetches)
    except tf.errors.OpError as error:
        raise SourceError(f"TensorFlow cannot run the source: {_reason(error.message)}") from error


def _values(
    session: Any,
    settings: Mapping[str, NDArray[Any]],
    bypassed: Mapping[str, str],
    feeds: Mapping[str, NDArray[Any]],
    fetches: Sequence[str],
) -> dict[str, NDArray[Any]]:
    fed = dict(feeds)
    for name, value in settings.items():
        operation = session.graph.get_tensor_by_name(name).op
        if operation.type.startswith("Placeholder"):
            fed[name] = value
        else:
            session.run(_assign(operation, value))
    for name, stand_in in bypassed.items():
        fed[name] = session.run(stand_in, feed_dict=fed)
    values = session.run(list(fetches), feed_dict=fed)
    return {name: np.asarray(value) for name, value in zip(fetches, values, strict=True)}


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
        session.run(meta.saver_def.restore_op_name, {meta.saver_def.filename_tensor_name: prefix})
    return session


def _assign(variable: Any, value: NDArray[Any]) -> Any:
    """An operation that gives a variable a value, for both kinds that TensorFlow 1 wrote."""
    import tensorflow as tf

    with variable.graph.as_default():
        handle = variable.outputs[0]
        if variable.type == "VarHandleOp":
            dtype = variable.get_attr("dtype")
            return tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(value, dtype=dtype))
        return tf.compat.v1.assign(handle, tf.constant(value, dtype=handle.dtype.base_dtype)).op


def _reason(message: str) -> str:
    """The line of TensorFlow's message that says what is wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(_NOT_A_REASON)), "no reason given")
