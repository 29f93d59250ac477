"""A model made ready to predict: its options settled once, its pictures read and run side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.assumption import assumption
from inspector.choices import TIME_LIMIT
from inspector.errors import InspectorError, OptionError, RunError
from inspector.images import ImageSource, decode
from inspector.labels import Labels
from inspector.layout import Layout, layout_of, picture_input
from inspector.picture_list import Images, Named, PictureList, list_pictures
from inspector.pipeline import cores, in_order
from inspector.predictions import Failure, Prediction, Predictions
from inspector.preprocess import Fields, Preprocess, declared_in, default_for
from inspector.scores import Scores, find_scores
from inspector.session import Session, TimeLimitError

if TYPE_CHECKING:
    from inspector.model import Model
    from inspector.onnxfile.graph import Value

GivenLabels: TypeAlias = "Labels | str | os.PathLike[str] | Sequence[str]"

# Pictures in one run, unless they are large: more of them make a run no faster.
_BATCH = 32
_BATCH_BYTES = 8 * 2**20
# What a side without size counts for when a batch is chosen.
_UNKNOWN_SIDE = 640
# Each thread keeps the activations of a batch.
_MOST_WORKERS = 8


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model made ready to predict; the options hold for every picture.

    Attributes:
        model: The model.
        top: How many classes to give for each picture; fewer when the model has fewer.
        preprocess: The way from pixels to the input; or only those fields that are to differ from what the
            model declares or, if it declares nothing, from the default. None for none.
        labels: Class names, or a file of them; None for those that the model declares.
        output: The value that holds the class scores; None to find it.
        batch_size: Pictures in one run; None to choose.
        threads: How many threads to use in all, at most one for each core; None for as many.
        time_limit: Seconds that one run may take; None for any time.
        fast_decode: Whether JPEGs are decoded at a reduced scale: about twice as fast, slightly other pixels.

    Raises:
        OptionError: An option makes no sense for the model.
        ImageError: The model's input does not take pictures.
    """

    model: Model
    top: int = 5
    preprocess: Preprocess | Fields | None = None
    labels: GivenLabels | None = None
    output: str | None = None
    batch_size: int | None = None
    threads: int | None = None
    time_limit: float | None = TIME_LIMIT
    fast_decode: bool = False

    def __post_init__(self) -> None:
        """Check that the options fit the model."""
        for name, number in (("top", self.top), ("batch size", self.batch_size), ("threads", self.threads)):
            if number is not None and number < 1:
                raise OptionError(
                    f"{name} is {number}; expected 1 or more", "Leave it out to have it chosen."
                )
        fixed = self.layout.batch
        if fixed is not None and self.batch_size not in (None, fixed):
            raise OptionError(
                f"{self.model.path}: takes batches of {fixed}; given batch size {self.batch_size}",
                "Leave the batch size out.",
            )
        self.way.check(self.input, where=self._where)
        if self.scores.classes is not None and self.names is not None:
            self.names.check(self.scores.classes, self._where)

    @cached_property
    def input(self) -> Value:
        """The input that pictures go into."""
        return picture_input(self.model.file)

    @cached_property
    def way(self) -> Preprocess:
        """The way from pixels to the input."""
        if isinstance(self.preprocess, Preprocess):
            return self.preprocess
        given = self.preprocess or {}
        default = self._declared or default_for(self.input, given.get("channels"), where=self._where)
        return default.changed(given)

    @cached_property
    def assumed(self) -> str | None:
        """What is assumed, because neither the model nor the caller says it; None when they do."""
        given = self.preprocess or {}
        needed = {"range"} if self.layout.channels == 1 else {"channels", "range"}
        told = isinstance(given, Preprocess) or needed <= set(given)
        if told or self._declared is not None:
            return None
        return assumption(self.way, self.input, self._where)

    @cached_property
    def layout(self) -> Layout:
        """How a picture lies in the input."""
        return layout_of(self.input, self.way.channels, where=self._where)

    @cached_property
    def scores(self) -> Scores:
        """The output that is read, and how."""
        return find_scores(self.model.file, self.output)

    @cached_property
    def names(self) -> Labels | None:
        """The class names, if there are any."""
        if self.labels is None:
            return Labels.from_metadata(self.model.file.metadata, self._where)
        return Labels.of(self.labels)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person may want to know of the model, one sentence each."""
        if self.names is None or self.scores.classes is None:
            return ()
        warning = self.names.check(self.scores.classes, self._where)
        return (warning,) if warning else ()

    def stream(self, images: Images) -> Iterator[Prediction | Failure]:
        """Predict pictures one after the other; see `stream`."""
        pictures = list_pictures(images)
        return self._stream(pictures)

    def predict(self, images: Images) -> Predictions:
        """Predict all pictures; see `predict`."""
        pictures = list_pictures(images)
        found = list(self._stream(pictures))
        failures = tuple(item for item in found if isinstance(item, Failure))
        if pictures.single and failures:
            raise failures[0].error
        items = tuple(item for item in found if isinstance(item, Prediction))
        return Predictions(items, failures, self.assumed, self.scores.sentence, self.warnings)

    def _stream(self, pictures: PictureList) -> Iterator[Prediction | Failure]:
        # More threads than cores are no faster, and each takes memory.
        total = min(self.threads or cores(), cores())
        workers = int(min(total, _MOST_WORKERS, max(1, pictures.count)))
        # Runs of one thread each, side by side, waste nothing on waiting; spare cores help them all.
        session = self.model.session(threads=total - workers + 1, time_limit=self.time_limit)
        stopping = Event()

        def stop() -> None:
            stopping.set()
            session.stop()

        with ThreadPoolExecutor(1) as opener:
            # The first pictures are decoded meanwhile.
            opening = opener.submit(session.open, [self.scores.output])
            yield from in_order(
                pictures.items,
                lambda part: self._work(session, opening, stopping, part),
                chunk=self._chunk(pictures.count, workers),
                workers=workers,
                stop=stop,
            )

    @property
    def _where(self) -> str:
        return str(self.model.path)

    @cached_property
    def _declared(self) -> Preprocess | None:
        return declared_in(self.model.file.metadata, self._where)

    @cached_property
    def _run_size(self) -> int:
        """How many pictures go into one run."""
        if self.layout.batch is not None or self.batch_size is not None:
            return self.layout.batch or self.batch_size or 1
        sides = (self.layout.height or _UNKNOWN_SIDE) * (self.layout.width or _UNKNOWN_SIDE)
        return max(1, min(_BATCH, _BATCH_BYTES // (4 * self.layout.channels * sides)))

    def _chunk(self, count: float, workers: int) -> int:
        """How many pictures a thread takes at a time: whole runs, and of a known number an even share."""
        size = self._run_size
        if self.layout.batch is not None:
            return size * max(1, _BATCH // size)
        if math.isinf(count):
            return size
        rounds = math.ceil(count / (workers * size))
        return max(1, math.ceil(count / (workers * max(1, rounds))))

    def _work(
        self, session: Session, opening: Future[None], stopping: Event, part: Sequence[Named]
    ) -> list[Prediction | Failure]:
        """Decode some pictures and run them, as many at once as have one shape."""
        made = [self._prepare(name, source) for name, source in part]
        opening.result()
        found: list[Prediction | Failure] = []
        for shape, group in groupby(made, lambda m: None if isinstance(m, Failure) else m.tensor.shape):
            members = list(group)
            if shape is None:
                found += [member for member in members if isinstance(member, Failure)]
                continue
            ready = [member for member in members if isinstance(member, _Ready)]
            for start in range(0, len(ready), self._run_size):
                found += self._run(session, stopping, ready[start : start + self._run_size])
        return found

    def _prepare(self, name: str, source: ImageSource) -> _Ready | Failure:
        fast = None
        if self.fast_decode and self.layout.width and self.layout.height:
            fast = ("L" if self.way.channels == "gray" else "RGB", (self.layout.width, self.layout.height))
        try:
            decoded = decode(source, name=name, fast=fast)
            tensor = self.way.apply(decoded.image, self.input, where=name)
            return _Ready(name, tensor, decoded.warnings)
        except InspectorError as error:
            return Failure(name, error)

    def _run(self, session: Session, stopping: Event, ready: Sequence[_Ready]) -> list[Prediction | Failure]:
        """Run pictures together; if that fails, each by itself, so that one does not spoil the others."""
        if stopping.is_set():
            # Nobody waits for the results any more.
            return []
        try:
            probabilities = self._infer(session, [one.tensor for one in ready])
        except TimeLimitError:
            raise
        except RunError as error:
            if len(ready) == 1:
                return [Failure(ready[0].name, error)]
            return [result for one in ready for result in self._run(session, stopping, [one])]
        return [self._ranked(one, row) for one, row in zip(ready, probabilities, strict=True)]

    def _infer(self, session: Session, tensors: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
        count = len(tensors)
        if "N" in self.layout.axes:
            # A model of a fixed batch gets the last picture again until the batch is full.
            padding = [tensors[-1]] * ((self.layout.batch or count) - count)
            feed = np.concatenate([*tensors, *padding])
        else:
            feed = tensors[0]
        raw = session.run({self.input.name: feed}, [self.scores.output])[self.scores.output]
        return self.scores.probabilities(raw, max(count, self.layout.batch or 0))[:count]

    def _ranked(self, one: _Ready, row: NDArray[np.float32]) -> Prediction | Failure:
        if not np.isfinite(row).all():
            return Failure(
                one.name,
                RunError(
                    f"{one.name}: the model gives NaN or infinite scores for it; expected finite numbers",
                    "Check the way from pixels to the input: --channels, --range, --mean and --std.",
                ),
            )
        indices = np.argsort(-row, kind="stable")[: self.top].astype(np.int64)
        names, warnings = self.names, one.warnings
        if names is not None and (warning := names.check(len(row), self._where)):
            names = None
            warnings = warnings if self.warnings else (*warnings, warning)
        labels = tuple(names[int(index)] if names else f"class {index}" for index in indices)
        return Prediction(one.name, labels, row[indices], indices, warnings)


@dataclass(frozen=True, eq=False)
class _Ready:
    """A picture made into the input."""

    name: str
    tensor: NDArray[np.generic]
    warnings: tuple[str, ...]
