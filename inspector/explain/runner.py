"""A model ready to be explained: whatever was opened for it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from inspector.gradients import Gradient, Rules

if TYPE_CHECKING:
    from onnx import ModelProto

    from inspector.errors import InspectorError
    from inspector.explain.tail import Tail
    from inspector.model import Model
    from inspector.predictor import Predictor
    from inspector.session import Session

# Of what, by what, the rules, the outputs, and the input's shape where the model leaves it free.
_Asked: TypeAlias = "tuple[str, str, Rules, tuple[str, ...], tuple[int | None, ...]]"

# More than all methods together ask for of pictures of one size.
_KEPT = 32


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

    def gradient(
        self, of: str, wrt: str, rules: Rules, outputs: tuple[str, ...], pictures: tuple[int, ...]
    ) -> Gradient:
        """The gradient of one value by another; asked again for the same, the same is returned.

        Args:
            of: The value.
            wrt: The other.
            rules: The derivative of each operator.
            outputs: Forward values that each run gives too.
            pictures: The shape of what goes into the input in one run: it stands in for sizes that the model
                leaves free.
        """
        layout = self.ready.layout
        free = layout.height is None or layout.width is None
        shape = (layout.batch if "N" in layout.axes else pictures[0], *pictures[1:]) if free else ()
        key = of, wrt, rules, outputs, shape
        if key not in self._gradients:
            # A folder of pictures of all sizes would keep a graph for each.
            if len(self._gradients) >= _KEPT:
                self._gradients.pop(next(iter(self._gradients)))
            self._gradients[key] = Gradient(
                self.proto or self.model,
                of,
                wrt,
                rules=rules,
                input_shape={self.input: shape} if free else None,
                outputs=outputs,
            )
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
    def refusals(self) -> dict[str, InspectorError | None]:
        """Method → why it cannot explain this model, or None where it did, once it was tried."""
        return {}

    @cached_property
    def alike(self) -> dict[str, float | None]:
        """Method → how alike its map and that of random weights were, once that was measured."""
        return {}

    @cached_property
    def _gradients(self) -> dict[_Asked, Gradient]:
        # Writing and opening a gradient graph takes longer than running it.
        return {}
