"""The forward graph, made ready: one operator set, one free axis, and the kind of every value known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from converters.opset import upgraded
from inspector.errors import ModelError
from inspector.gradients.branches import taken_branch, written_out
from inspector.gradients.free_batch import free_batch, keeps_count, spells_batch
from inspector.gradients.input_shapes import BATCH, InputShape, declared_shapes, learn_input
from inspector.gradients.kinds import BATCHES, UNPREDICTABLE, Known, Shape
from inspector.gradients.names import names_in, nodes_in, reads
from inspector.gradients.order import in_order
from inspector.gradients.weights import keep_weights
from inspector.onnxfile.source import AGAIN

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto

# The first operator set in which numbers scattered to one place can be added up.
OLDEST_OPSET = 16
_LONG_NAME = "ai.onnx"


class BatchMattersError(Exception):
    """What a network does depends on the batch size that the model declares."""


@dataclass
class Forward:
    """A forward graph.

    Attributes:
        where: The model, as messages name it.
        model: The model, without nodes, inputs, outputs and weights.
        nodes: Its nodes, each after those whose values it reads.
        inputs: What it takes, with the shapes that the gradient graph declares.
        weights: Its initializers, by name.
        known: What is known of its values.
        batch: The size of the batch axis; None when it is free.
        declared_batch: The size that the model declares for a batch that is free here; None without one.
        names: Every name that it uses.
        producers: The node that makes each value.
    """

    where: str
    model: ModelProto
    nodes: list[NodeProto]
    inputs: list[ValueInfoProto]
    weights: dict[str, TensorProto]
    known: Known
    batch: int | None = None
    declared_batch: int | None = None
    names: set[str] = field(default_factory=set)
    producers: dict[str, NodeProto] = field(default_factory=dict)

    @property
    def batch_name(self) -> str:
        """What the graph calls the size of a free batch."""
        named = (
            each.dim_param
            for info in self.inputs
            for each in info.type.tensor_type.shape.dim[:1]
            if each.dim_param
        )
        return next(named, BATCH)

    def batched(self) -> str:
        """An input whose first axis is the free batch; empty where none has one."""
        for info in self.inputs:
            kind = self.known.kinds.get(info.name)
            if kind and tuple(sizes[0] for sizes in kind.sizes if sizes) == BATCHES:
                return info.name
        return ""

    def steady(self) -> frozenset[str]:
        """The values that do not depend on what the network is given."""
        found = set(self.weights)
        for node in self.nodes:
            if node.op_type not in UNPREDICTABLE and all(name in found for name in reads(node)):
                found.update(name for name in node.output if name)
        return frozenset(found)


def prepared(model: ModelProto, where: str, input_shape: InputShape | None) -> Iterator[Forward]:
    """Make a model ready to be differentiated; it is not changed.

    Args:
        model: The model.
        where: What messages call it.
        input_shape: The size of every free axis apart from the batch: one shape for the first input, or a
            shape for each input's name. The first size is not looked at.

    Yields:
        The graph with a free batch where that is possible; then, where the model declares a batch, with that.

    Raises:
        GradientError: An axis is free and no size given, or a given shape does not fit.
        UnsupportedError: The graph cannot be written at a supported operator set.
        ModelError: A node cannot be applied to what it is given, or waits for its own result.
    """
    from onnx import shape_inference

    in_order(model.graph.node, where)
    model = _inlined(upgraded(_by_one_name(model), OLDEST_OPSET))
    shapes = declared_shapes(model.graph, where, input_shape)
    batch = next((shape[0] for shape in shapes.values() if shape), None)
    first: Exception | None = None
    try:
        yield _learned(model, where, shapes, batch, free=True)
    except (shape_inference.InferenceError, ModelError, BatchMattersError) as error:
        first = error
    if first is None and batch is None:
        return
    # A network that says any batch may do and then spells out one was exported with a single sample.
    kept = 1 if batch is None else batch
    fixed = {
        name: (kept if shape[0] is None else shape[0], *shape[1:]) if shape else shape
        for name, shape in shapes.items()
    }
    try:
        yield _learned(model, where, fixed, kept, free=False)
    except shape_inference.InferenceError as error:
        raise ModelError(f"{where}: {' '.join(str(error).split())[:300]}", AGAIN) from error


def _learned(
    model: ModelProto, where: str, shapes: Mapping[str, Shape], batch: int | None, *, free: bool
) -> Forward:
    forward = _unlearned(model, where)
    for info in forward.inputs:
        shape = shapes[info.name]
        learn_input(forward.known, info, shape, free and bool(shape) and shape[0] == batch)
    forward.batch = None if free else batch
    forward.declared_batch = batch if free else None
    pending, forward.nodes = forward.nodes[::-1], []
    while pending:
        node = pending.pop()
        branch = taken_branch(forward, node)
        if branch is not None:
            pending.extend(reversed(written_out(forward, node, branch)))
            continue
        _learn(forward, node, batch, free=free)
        forward.nodes.append(node)
        forward.producers.update({name: node for name in node.output if name})
    return forward


def _learn(forward: Forward, node: NodeProto, batch: int | None, *, free: bool) -> None:
    if free and not node.domain:
        if node.op_type == "Reshape":
            free_batch(forward, node, batch)
        elif batch is not None and spells_batch(forward.known, node):
            raise BatchMattersError
    forward.known.learn(node)
    if node.op_type == "Reshape" and not node.domain and not keeps_count(forward.known, node):
        raise ModelError(
            f"{forward.where}: the Reshape that makes {node.output[0]!r} is to another number of elements "
            "than it is given",
            AGAIN,
        )


def _unlearned(model: ModelProto, where: str) -> Forward:
    """The parts of a model; weights are shared with it, all else is a copy."""
    import onnx

    bare = onnx.ModelProto()
    for part, value in model.ListFields():
        if part.name not in ("graph", "functions", "training_info"):
            if hasattr(value, "add"):
                getattr(bare, part.name).extend(value)
            else:
                setattr(bare, part.name, value)
    graph = onnx.GraphProto(node=model.graph.node, input=model.graph.input)
    known = Known({each.domain: each.version for each in model.opset_import}, {}, {})
    weights: dict[str, TensorProto] = {}
    keep_weights(weights, known, model.graph, {})
    nodes = list(graph.node)
    forward = Forward(
        where,
        bare,
        in_order(nodes, where),
        [info for info in graph.input if info.name not in weights],
        weights,
        known,
    )
    forward.names = {*weights, *(info.name for info in graph.input)}
    forward.names.update(name for node in nodes for name in names_in(node))
    return forward


def _by_one_name(model: ModelProto) -> ModelProto:
    """The model with ONNX's own domain called "" throughout; "ai.onnx" is another name of it."""
    import onnx

    if not any(each.domain == _LONG_NAME for each in _with_domains(model)):
        return model
    renamed = onnx.ModelProto()
    renamed.CopyFrom(model)
    for each in _with_domains(renamed):
        if each.domain == _LONG_NAME:
            each.domain = ""
    return renamed


def _with_domains(model: ModelProto) -> Iterator[NodeProto | OperatorSetIdProto]:
    """Whatever names a domain: the operator sets, and every node."""
    for part in (model, *model.functions):
        yield from part.opset_import
    for part in (model.graph, *model.functions):
        for node in part.node:
            yield from nodes_in(node)


def _inlined(model: ModelProto) -> ModelProto:
    """The model with its own functions written out."""
    from onnx import inliner

    return inliner.inline_local_functions(model) if model.functions else model
