"""A model ready to be explained: whatever was opened for it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from inspector.gradients import Gradient, Rules

if TYPE_CHECKING:
    from onnx import ModelProto

    from inspector.explain.tail import Tail
    from inspector.model import Model
    from inspector.predictor import Predictor
    from inspector.session import Session


@dataclass(frozen=True, eq=False)
class Runner:
    """A model ready to be asked forward and backward; sessions are opened once and kept.

    Attributes:
        ready: The model with its way from pixels to the input.
        proto: The model as a message, where it is in no file.
    """

    ready: Predictor
    proto: ModelProto | None = None

    @property
    def model(self) -> Model:
        """The model."""
        return self.ready.model

    @property
    def input(self) -> str:
        """The input that pictures go into."""
        return self.ready.input.name

    @cached_property
    def logits(self) -> str:
        """The value before the final softmax or sigmoid; the output itself when the model ends without."""
        return self.ready.scores.before(self.model.graph)

    @cached_property
    def session(self) -> Session:
        """Runs the model forward."""
        return self.model.session(time_limit=self.ready.time_limit)

    def gradient(self, of: str, wrt: str, rules: Rules, outputs: tuple[str, ...]) -> Gradient:
        """The gradient of one value by another; asked again for the same, the same is returned."""
        key = of, wrt, rules, outputs
        if key not in self._gradients:
            self._gradients[key] = Gradient(self.proto or self.model, of, wrt, rules=rules, outputs=outputs)
        return self._gradients[key]

    def tail(self, value: str) -> Tail:
        """The part of the model from a value to the logits."""
        from inspector.explain.tail import tail

        if value not in self._tails:
            self._tails[value] = tail(self._whole, value, self.logits, str(self.model.path))
        return self._tails[value]

    @property
    def _whole(self) -> ModelProto:
        """The model with its weights."""
        from inspector.gradients.opening import opened

        return self.proto or opened(self.model).proto

    @cached_property
    def _tails(self) -> dict[str, Tail]:
        return {}

    @cached_property
    def randomised(self) -> Runner:
        """The same for the network with random weights; see `inspector.explain.randomised`."""
        from inspector.explain.randomised import with_random_weights
        from inspector.model import Model
        from inspector.onnxfile.memory import open_bytes

        drawn = with_random_weights(self._whole)
        file = open_bytes(drawn.SerializeToString(), str(self.model.path))
        return Runner(replace(self.ready, model=Model(file)), drawn)

    @cached_property
    def alike(self) -> dict[str, float | None]:
        """Method → how alike its map and that of random weights were, once that was measured."""
        return {}

    @cached_property
    def _gradients(self) -> dict[tuple[str, str, Rules, tuple[str, ...]], Gradient]:
        # Writing and opening a gradient graph takes longer than running it.
        return {}
