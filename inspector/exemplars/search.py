"""One pass over pictures: what each filter answers to each of them, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.axes import axes_of
from inspector.errors import InspectorError, RunError
from inspector.exemplars.gallery import Exemplar, Gallery, cut
from inspector.images import decode
from inspector.picture_list import Images, Named, list_pictures
from inspector.pipeline import cores, in_order
from inspector.predictions import Failure
from inspector.receptive_field import ReceptiveField, receptive_field
from inspector.session import Session, TimeLimitError
from inspector.visualize.unit import no_units

if TYPE_CHECKING:
    from inspector.images import ImageSource
    from inspector.predictor import Predictor

_CHUNK = 8
_MOST_WORKERS = 8


@dataclass(frozen=True, eq=False)
class Answer:
    """What every filter answers to one picture.

    Attributes:
        source: The picture's path, or what stands for it.
        seen: uint8 (H, W) or (H, W, 3), the picture as the model sees it.
        scores: float32 (filters,), the most that each filter answers anywhere.
        places: int64 (filters, 2), the row and column where it does; zeros for units without place.
        warnings: What a person may want to know of the picture, in sentences.
    """

    source: str
    seen: NDArray[np.uint8]
    scores: NDArray[np.float32]
    places: NDArray[np.int64]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Ready:
    """A picture made into the input."""

    name: str
    seen: NDArray[np.uint8]
    tensor: NDArray[np.generic]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Search:
    """A model made ready to look through pictures.

    Attributes:
        ready: The model, with its way from pixels to the input.
        asked: The layer's or value's name, for messages.
        value: The value that is looked at.
        paired: Whether a single number there stands for two classes; see `inspector.visualize.unit.Units`.
    """

    ready: Predictor
    asked: str
    value: str
    paired: bool = False
    _stopping: Event = field(default_factory=Event, init=False)

    @cached_property
    def field(self) -> ReceptiveField | None:
        """What one position of the value sees; None for the whole picture."""
        return receptive_field(self.ready.model, self.value)

    def answers(self, images: Images) -> Iterator[Answer | Failure]:
        """Run pictures, several at a time; results come in their order, and a bad one stops no other.

        Raises:
            OptionError: Nobody knows what the value's axes are.
        """
        pictures = list_pictures(images)
        total = cores()
        workers = int(min(total, _MOST_WORKERS, max(1, pictures.count)))
        session = self.ready.model.session(threads=total - workers + 1, time_limit=self.ready.time_limit)

        def stop() -> None:
            self._stopping.set()
            session.stop()

        return in_order(
            pictures.items,
            lambda part: self._work(session, part),
            chunk=self.ready.layout.batch or _CHUNK,
            workers=workers,
            stop=stop,
        )

    def exemplar(self, answer: Answer, channel: int, score: float, side: int) -> Exemplar:
        """Cut out what a filter answered to."""
        height, width = answer.seen.shape[:2]
        row, column = answer.places[channel].tolist()
        box = (0, 0, height, width) if self.field is None else self.field.box(row, column)
        inside = box[0] <= 0 and box[1] <= 0 and box[2] >= height and box[3] >= width
        # Nothing but padding lies around a picture that is seen as a whole.
        box = (0, 0, height, width) if inside else box
        return Exemplar(score, answer.source, box, cut(answer.seen, box, side))

    def _work(self, session: Session, part: Sequence[Named]) -> list[Answer | Failure]:
        made = [self._prepare(name, source) for name, source in part]
        found: list[Answer | Failure] = []
        for shape, group in groupby(made, lambda m: None if isinstance(m, Failure) else m.tensor.shape):
            members = list(group)
            if shape is None:
                found += [member for member in members if isinstance(member, Failure)]
                continue
            ready = [member for member in members if isinstance(member, _Ready)]
            size = (self.ready.layout.batch or len(ready)) if "N" in self.ready.layout.axes else 1
            for start in range(0, len(ready), size):
                found += self._run(session, ready[start : start + size])
        return found

    def _prepare(self, name: str, source: ImageSource) -> _Ready | Failure:
        ready = self.ready
        try:
            decoded = decode(source, name=name)
            tensor = ready.way.apply(decoded.image, ready.input, where=name)
            seen = np.asarray(ready.way.fitted(decoded.image, ready.input, where=name))
            return _Ready(name, seen, tensor, decoded.warnings)
        except InspectorError as error:
            return Failure(name, error)

    def _run(self, session: Session, ready: Sequence[_Ready]) -> list[Answer | Failure]:
        """Run pictures together; if that fails, each by itself, so that one does not spoil the others."""
        if self._stopping.is_set():
            return []
        try:
            array = self._values(session, [one.tensor for one in ready])
        except TimeLimitError:
            raise
        except RunError as error:
            if len(ready) == 1:
                return [Failure(ready[0].name, error)]
            return [result for one in ready for result in self._run(session, [one])]
        return [self._answer(one, values) for one, values in zip(ready, array, strict=True)]

    def _values(self, session: Session, tensors: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
        """The value of each picture, float32 (N, filters, rows, columns)."""
        count, layout = len(tensors), self.ready.layout
        if "N" in layout.axes:
            padding = [tensors[-1]] * ((layout.batch or count) - count)
            feed = np.concatenate([*tensors, *padding])
        else:
            feed = tensors[0]
        array = session.run({self.ready.input.name: feed}, [self.value])[self.value]
        axes = axes_of(self.ready.model.graph, self.value, array.ndim)
        if array.dtype.kind not in "fiu" or axes is None or not {"N", "C"} <= set(axes) or "D" in axes:
            raise no_units(self.ready.model, self.asked, array.shape)
        order = [axes.index(letter) for letter in "NCHW" if letter in axes]
        maps = array.transpose(order)[:count].astype(np.float32)
        if self.paired and maps.shape[1] == 1:
            maps = np.concatenate([-maps, maps], axis=1)
        return maps.reshape(*maps.shape, *(1,) * (4 - maps.ndim))

    def _answer(self, one: _Ready, maps: NDArray[np.float32]) -> Answer | Failure:
        flat = maps.reshape(len(maps), -1)
        if not np.isfinite(flat).all():
            return Failure(
                one.name,
                RunError(
                    f"{one.name}: {self.asked} gives NaN or infinite numbers for it; expected finite ones",
                    "Check the way from pixels to the input: --channels, --range, --mean and --std.",
                ),
            )
        at = flat.argmax(axis=1)
        places = np.stack(np.unravel_index(at, maps.shape[1:]), axis=1).astype(np.int64)
        return Answer(one.name, one.seen, flat[np.arange(len(flat)), at], places, one.warnings)


def gathered(search: Search, answer: Answer, chosen: Sequence[int], gallery: Gallery) -> None:
    """Offer a picture to the gallery of the chosen filters."""
    gallery.offer(
        answer.scores[list(chosen)],
        lambda index, score: search.exemplar(answer, chosen[index], score, gallery.side),
    )
