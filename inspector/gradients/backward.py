"""The gradient of a network as an ONNX graph."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from inspector.errors import GradientError
from inspector.gradients.assembly import assembled
from inspector.gradients.forward import BatchMattersError, Forward, prepared
from inspector.gradients.free_batch import loses_batch
from inspector.gradients.input_shapes import InputShape
from inspector.gradients.opening import Opened, opened
from inspector.gradients.registry import Rules
from inspector.gradients.request import Question, resolved, seed_of
from inspector.gradients.rules import RULES
from inspector.gradients.tape import Tape
from inspector.gradients.value import Value
from inspector.gradients.walk import Walk

if TYPE_CHECKING:
    from onnx import ModelProto

    from inspector.model import Model

AnyModel: TypeAlias = "Model | str | os.PathLike[str] | ModelProto"


def backward(
    model: AnyModel,
    of: str,
    wrt: str | Sequence[str] | None = None,
    *,
    rules: Rules = RULES,
    input_shape: InputShape | None = None,
    outputs: Sequence[str] = (),
) -> ModelProto:
    """Write the gradient of a network as an ONNX graph that any runtime can run.

    The graph takes what the network takes and a seed, of the dtype and shape of the value that the gradient
    is of: the gradient is that of the sum of seed × value. So a seed with a single 1 picks one class, and
    every sample of a batch may have a seed of its own. The graph gives that value under its own name, the
    values asked for, and "gradient/NAME" for each NAME in `wrt`.

    The batch stays free, also where a model declares one of a fixed size but nothing in it depends on that;
    where something does, the declared size is kept, and the metadata entry `inspector.gradient` says so.

    Args:
        model: A network: opened, a file's path, or a message in memory. It is not changed.
        of: What to differentiate: a value, a layer (its output), one channel of either ("conv_2:5"; the seed
            then lacks the channel axis), or "logits", the value before the last softmax or sigmoid.
        wrt: With respect to what: a value, a layer, or several; None for the network's first float input.
        rules: The derivative of each operator; `RULES | mine` puts others in the place of some.
        input_shape: The size of every input axis that the model leaves free apart from the first: one shape
            for the first input, or a shape for each input's name.
        outputs: Forward values or layers that the graph is to give too.

    Raises:
        GradientError: An operator on the way has no derivative rule, nothing flows, or an axis must be given.
        UnknownLayerError: There is no such value or layer.
        FileError: The file is missing or unreadable.
        ModelError: Its structure is broken.
        UnsupportedError: It is older than opset 13 and cannot be upgraded.

    Example:
        >>> from onnx import TensorProto, helper
        >>> value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy"]
        >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", value[:1], value[1:])
        >>> gradient = backward(helper.make_model(graph), of="y")
        >>> [value.name for value in gradient.graph.input], [value.name for value in gradient.graph.output]
        (['x', 'seed'], ['y', 'gradient/x'])

    Reference:
        Griewank and Walther, Evaluating Derivatives, 2nd edition, chapter 3: the reverse mode.
    """
    from onnx import shape_inference

    source = opened(model)
    ask = Question(of, wrt, tuple(outputs))
    ways = prepared(source.proto, source.where, input_shape)
    forward = next(ways)
    if forward.declared_batch is not None:
        # What cannot be done for any batch may still be for the one that the model declares.
        with contextlib.suppress(BatchMattersError, GradientError, shape_inference.InferenceError):
            return _differentiated(forward, source, ask, rules)
        forward = next(ways)
    return _differentiated(forward, source, ask, rules)


def _differentiated(forward: Forward, source: Opened, ask: Question, rules: Rules) -> ModelProto:
    """One attempt, with the batch free or as it is declared."""
    wanted = resolved(forward, source, ask)
    declared = forward.declared_batch
    if declared is not None and loses_batch(forward.known, wanted.target.value, declared):
        raise BatchMattersError
    tape = Tape(
        forward.where, forward.known, forward.names, forward.weights, forward.steady(), forward.batched()
    )
    walk = Walk(forward, tape, rules)
    if wanted.target.value not in forward.known.kinds:
        # An operator that nothing is known of is the better reason than the shape of what it makes.
        walk.check(wanted)
    seed, start = seed_of(forward, tape, wanted.target)
    gradients = walk.run(wanted, start)
    results = {name: _named(tape, gradients[name], f"gradient/{name}") for name in wanted.wrt}
    return assembled(forward, tape, wanted, seed, results)


def _named(tape: Tape, value: Value, name: str) -> str:
    """Give a value another name, in the node that makes it where that is possible."""
    from onnx import helper

    chosen = tape.unique(name)
    tape.nodes.append(helper.make_node("Identity", [value.name], [chosen], name=chosen))
    if value.name in tape.known.kinds:
        tape.known.kinds[chosen] = tape.known.kinds[value.name]
    return chosen
