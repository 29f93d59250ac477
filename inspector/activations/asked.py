"""What is to be looked at: a layer, a value, one channel of it, or the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspector.errors import OptionError
from inspector.layer_names import LOGITS, is_value, split_channel, value_name
from inspector.scores import find_scores

if TYPE_CHECKING:
    from inspector.model import Model
    from inspector.predictor import Predictor
    from inspector.preprocess import Fields, Preprocess


@dataclass(frozen=True)
class Asked:
    """The value that a name stands for.

    Attributes:
        name: The layer's or the value's name, or "logits".
        value: The value.
        channel: The one that the name held, as in "conv_2:5"; None for no such.
        classes: Whether the value holds a number for each class.
        paired: Whether a single number stands for two classes, its negative for the first.
        single: The class that a single number in a value of classes is about.
    """

    name: str
    value: str
    channel: int | None = None
    classes: bool = False
    paired: bool = False
    single: int = 0

    def labels(self, ready: Predictor, total: int, chosen: Sequence[int]) -> tuple[str, ...]:
        """The classes' names where the channels are classes, and the model has names; else none."""
        names = ready.names if self.classes else None
        if names is None:
            return ()
        shift = self.single if total == 1 else 0
        if len(names) != max(total, self.single + 1):
            return ()
        return tuple(names[number + shift] for number in chosen)


def asked_for(model: Model, layer: str, preprocess: Preprocess | Fields | None) -> tuple[Predictor, Asked]:
    """Find what a name stands for, and make the model ready for pictures.

    Raises:
        UnknownLayerError: There is no such layer or value.
        OptionError: Classes are asked for, and no output holds their scores; or an option makes no sense.
        ImageError: The model takes no pictures.
    """
    from inspector.predictor import Predictor

    asked = _found(model, layer)
    # A layer can be looked at in models that give no class scores, too.
    output = asked.value if asked.value in model.graph.producers else None
    return Predictor(model, preprocess=preprocess, output=output), asked


def _found(model: Model, layer: str) -> Asked:
    known = is_value(model, layer) or any(value.name == layer for value in model.graph.inputs)
    if not known and layer == LOGITS:
        scores = find_scores(model.file)
        single = scores.kind == "sigmoid"
        return Asked(LOGITS, scores.before(model.graph), None, True, single, int(single))
    name, channel = split_channel(layer)
    if not known and channel is not None:
        return replace(_found(model, name), channel=channel)
    # An input is no computed value, and can be looked at all the same.
    value = layer if known and not is_value(model, layer) else value_name(model, layer)
    try:
        scores = find_scores(model.file)
    except OptionError:
        return Asked(layer, value)
    classes = value in (scores.output, scores.before(model.graph))
    return Asked(layer, value, None, classes, False, int(classes and scores.kind == "sigmoid"))
