"""What is looked for: the channels of a layer, the units of a dense one, or the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspector.errors import OptionError
from inspector.layer_names import LOGITS, is_value, split_channel, value_name
from inspector.onnxfile.source import quoted

if TYPE_CHECKING:
    from inspector.model import Model
    from inspector.predictor import GivenLabels, Predictor
    from inspector.preprocess import Fields, Preprocess

# Where one of these is flat there is no slope to climb; what goes in has one, and the same picture is best.
_SQUASHING = {
    *("Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Clip", "Softplus", "Softsign"),
    *("Sigmoid", "HardSigmoid", "Tanh", "Softmax", "LogSoftmax"),
}


@dataclass(frozen=True)
class Units:
    """The numbers that pictures are to make large.

    Attributes:
        asked: What was asked for: a layer's or a value's name, or "logits".
        value: The value that holds them.
        before: The operator that follows in what was asked for, and was left out; empty for none.
        channel: The one that the name held, as in "conv_2:5"; None for no such.
        paired: Whether a single number, where the value is one, stands for two classes: it speaks for the
            second, its negative for the first, as with a single sigmoid.
    """

    asked: str
    value: str
    before: str = ""
    channel: int | None = None
    paired: bool = False

    @property
    def are_logits(self) -> bool:
        """Whether each stands for a class."""
        return self.asked == LOGITS


def units_of(ready: Predictor, asked: str) -> Units:
    """Find what a name stands for.

    Args:
        ready: The model.
        asked: A layer, a value, or "logits", each also with a channel: "conv_2:5".

    Raises:
        UnknownLayerError: There is no such layer or value.
    """
    model = ready.model
    if not is_value(model, asked):
        if asked == LOGITS:
            return Units(LOGITS, ready.scores.before(model.graph), paired=ready.scores.kind == "sigmoid")
        name, channel = split_channel(asked)
        if channel is not None:
            return replace(units_of(ready, name), channel=channel)
    value = value_name(model, asked)
    maker = model.graph.producers.get(value)
    if maker is None or maker.domain or maker.op_type not in _SQUASHING:
        return Units(asked, value)
    before = maker.inputs[0]
    if before != _logits(ready):
        return Units(asked, before, maker.op_type)
    return Units(LOGITS, before, maker.op_type, paired=maker.op_type in ("Sigmoid", "HardSigmoid"))


def prepared(
    model: Model,
    asked: str,
    preprocess: Preprocess | Fields | None,
    labels: GivenLabels | None = None,
    time_limit: float | None = None,
) -> Predictor:
    """Make a model ready for pictures; a layer can be asked for in models that give no class scores, too.

    Raises:
        UnknownLayerError: There is no such layer or value.
        OptionError: Classes are asked for, and no output holds their scores; or an option makes no sense.
        ImageError: The model takes no pictures.
    """
    from inspector.predictor import Predictor

    name = asked if is_value(model, asked) else split_channel(asked)[0]
    output = value_name(model, name) if name != LOGITS or is_value(model, name) else None
    return Predictor(model, preprocess=preprocess, labels=labels, output=output, time_limit=time_limit)


def class_names(ready: Predictor, units: Units, chosen: Sequence[int]) -> tuple[str, ...]:
    """What units that are classes are called, as in predictions; nothing where they are none."""
    if not units.are_logits:
        return ()
    names = ready.names
    if names is None or max(chosen, default=0) >= len(names.names):
        return tuple(f"class {number}" for number in chosen)
    return tuple(names[number] for number in chosen)


def no_units(model: Model, asked: str, shape: tuple[int, ...]) -> OptionError:
    """The error for a value of which nobody knows what its axes are."""
    return OptionError(
        f"{model.path}: {quoted(asked)}: its value has the shape {list(shape)}, and no operator says what "
        "its axes are; expected feature maps or one number a unit",
        f"Name a layer that has some: inspector layers {model.path}",
    )


def _logits(ready: Predictor) -> str:
    """The value before the model's own softmax or sigmoid; empty where its scores cannot be told."""
    from inspector.scores import find_scores

    try:
        return find_scores(ready.model.file).before(ready.model.graph)
    except OptionError:
        return ""
