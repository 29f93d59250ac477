"""One operation of TensorFlow at a time: its graph, and what it computes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.schema import parse
from converters.tensorflow.signature import TensorSpec


@dataclass(frozen=True)
class Case:
    """An operation with inputs: floats are fed, all others are constants; a list is a list of tensors.

    Attributes:
        op: The operation's name.
        inputs: In the order of its definition.
        attrs: Those that its inputs do not give.
        outputs: How many of its outputs are looked at; None for all.
        tolerance: How far the two results may be apart, as a share of the largest number (at least 1).
    """

    op: str
    inputs: Sequence[Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    outputs: int | None = None
    tolerance: float = 1e-6


@dataclass(frozen=True)
class Computed:
    """The graph that was run, what was fed, and the outputs."""

    graph: bytes
    feeds: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]

    def frozen(self) -> InferenceGraph:
        """The graph as if `freeze` had made it."""
        return frozen(self.graph, self.feeds, self.outputs)


Compute = Callable[[Case], Computed]


def computed(case: Case) -> Computed:
    """Build the operation with TensorFlow, which finds the types out, and run it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow.compat.v1 as tf
    from tensorflow.python.framework import op_def_registry

    feeds = {}

    def tensor(value: Any) -> Any:
        if isinstance(value, list):
            return [tensor(item) for item in value]
        if value.dtype.kind != "f":
            return tf.constant(value)
        fed = tf.placeholder(value.dtype, value.shape, name=f"x{len(feeds)}")
        feeds[fed.name] = value
        return fed

    operation = getattr(tf.raw_ops, case.op)
    known = list(inspect.signature(operation).parameters)
    arguments = [argument.name for argument in op_def_registry.get(case.op).input_arg]
    with tf.Graph().as_default() as graph, tf.Session() as session:
        # Some are called otherwise in Python, but stand in the same place.
        names = [name if name in known else known[place] for place, name in enumerate(arguments)]
        tensors = {name: tensor(value) for name, value in zip(names, case.inputs, strict=True)}
        made = operation(**tensors, **case.attrs, name="op")
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        made = made[: case.outputs]
        values = session.run(made, feeds)
        outputs = {output.name: value for output, value in zip(made, values, strict=True)}
        return Computed(graph.as_graph_def().SerializeToString(), feeds, outputs)


def frozen(
    graph: bytes, feeds: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> InferenceGraph:
    """A serialized GraphDef as if `freeze` had made it."""
    inputs, results = (
        tuple(TensorSpec(name, value.dtype, value.shape) for name, value in tensors.items())
        for tensors in (feeds, outputs)
    )
    return InferenceGraph(parse("GraphDef", graph, "a test"), {}, inputs, results, {}, (), ())
