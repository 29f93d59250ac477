"""What is explained: a model, prepared pictures, and the class that each explanation is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.explain.runner import Runner
from inspector.explain.target_layer import target_layer
from inspector.gradients import RULES, Gradient, Rules

if TYPE_CHECKING:
    from inspector.explain.target_layer import TargetLayer
    from inspector.model import Model

Floats = NDArray[np.float32]
Blank = Literal["blur", "mean", "black", "zero"]

# Samples in one run, unless they are large: more of them make a run no faster.
_BATCH = 32
_BATCH_BYTES = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Subject:
    """Pictures and the decisions about them that are to be explained.

    Attributes:
        runner: The model.
        inputs: float32 (N, …), the pictures in the layout of the model's input.
        targets: For each picture the class that the explanation is about.
        layer: The layer whose maps are to be used, by those methods that use one; empty to find it.
        seed: Of whatever a method draws by chance.
        references: float32 (M, …), pictures that each can be compared with; by default those of the subject.
    """

    runner: Runner
    inputs: Floats
    targets: tuple[int, ...]
    layer: str = ""
    seed: int = 0
    references: Floats | None = None

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.inputs)

    @property
    def model(self) -> Model:
        """The model."""
        return self.runner.model

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the input."""
        shape = self.channels_first(self.inputs[:1]).shape
        return shape[2], shape[3]

    @cached_property
    def target_layer(self) -> TargetLayer:
        """The layer whose maps a class activation map is made of.

        Raises:
            OptionError: The model has none, or the one that was named cannot be used.
        """
        return target_layer(self.model, self.runner.input, self.runner.logits, self.layer)

    def only(self, index: int) -> Subject:
        """The subject with one of its pictures; it can be compared with the same ones as before."""
        known = self.inputs if self.references is None else self.references
        inputs, targets = self.inputs[index : index + 1], (self.targets[index],)
        return replace(self, inputs=inputs, targets=targets, references=known)

    def others(self, index: int) -> Floats:
        """The pictures that one of the subject's can be compared with, float32 (M, …): those that differ."""
        known = self.inputs if self.references is None else self.references
        return known[[bool((each != self.inputs[index]).any()) for each in known]]

    # Forward

    def values(self, batch: Floats, names: Sequence[str]) -> dict[str, Floats]:
        """Compute values of the graph.

        Args:
            batch: float32 (M, …), in the input's layout; any number.
            names: Names of values.

        Returns:
            Name → array whose first axis has length M.
        """
        parts: list[dict[str, NDArray[np.generic]]] = []
        for part, count in self._parts(batch):
            run = self.runner.session.run({self.runner.input: part}, names)
            parts.append({name: self._batched(array)[:count] for name, array in run.items()})
        return {name: np.concatenate([p[name] for p in parts]).astype(np.float32) for name in names}

    def logits(self, batch: Floats) -> Floats:
        """The numbers before the final softmax or sigmoid, float32 (M, classes)."""
        return self._two_sided(self.values(batch, [self.runner.logits])[self.runner.logits])

    def scores(self, batch: Floats, targets: Sequence[int]) -> Floats:
        """The logit of each sample's target, float32 (M,)."""
        found: Floats = self.logits(batch)[np.arange(len(batch)), np.asarray(targets)]
        return found

    def probabilities(self, batch: Floats) -> Floats:
        """The probability of every class, float32 (M, classes)."""
        name = self.runner.ready.scores.output
        return self.runner.ready.scores.probabilities(self.values(batch, [name])[name], len(batch))

    def scores_from(self, index: int, layer: TargetLayer, maps: Floats) -> Floats:
        """The logit of one picture's target with other maps in a layer; only what is behind it is run.

        Args:
            index: Which picture.
            layer: The layer.
            maps: float32 (M, channels, height, width).

        Returns:
            float32 (M,).
        """
        behind = self.runner.tail(layer.value)
        turned = maps.transpose(["NCHW".index(letter) for letter in layer.axes])
        fixed = self.runner.ready.layout.batch
        found = []
        for start in range(0, len(maps), self.batch):
            part = turned[start : start + self.batch]
            count = len(part)
            part = np.ascontiguousarray(part[np.minimum(np.arange(fixed or count), count - 1)])
            picture, _ = next(self._parts(np.repeat(self.inputs[index : index + 1], len(part), axis=0)))
            feeds = dict.fromkeys(behind.inputs, picture)
            run = behind.session.run({layer.value: part, **feeds}, [self.runner.logits])
            found.append(self._batched(run[self.runner.logits])[:count].astype(np.float32))
        logits = self._two_sided(np.concatenate(found))
        scores: Floats = logits[:, self.targets[index]]
        return scores

    # Backward

    def gradient(
        self,
        batch: Floats,
        targets: Sequence[int],
        *,
        wrt: str = "",
        rules: Rules = RULES,
        outputs: tuple[str, ...] = (),
        weights: Floats | None = None,
    ) -> dict[str, Floats]:
        """Differentiate the logit of each sample's target.

        Args:
            batch: float32 (M, …), in the input's layout; any number.
            targets: A class for each sample.
            wrt: The value to differentiate by; the input by default.
            rules: The derivative of each operator; other rules make other methods.
            outputs: Forward values that are wanted from the same run.
            weights: float32 (M,), what is carried back from each sample's target; by default a one, or for
                the first class of a single sigmoid a minus one.

        Returns:
            "gradient" → the derivative, of the shape of `wrt`'s value; the logits by the name of their value;
            and each of `outputs` by name.

        Raises:
            GradientError: An operator on the way has no derivative.
        """
        first, _ = next(self._parts(batch[:1]))
        asked = self.runner.gradient(
            self.runner.logits, wrt or self.runner.input, rules, outputs, first.shape
        )
        parts = []
        for at, (part, count) in zip(self._starts(batch), self._parts(batch), strict=True):
            missing = (self.runner.ready.layout.batch or count) - count
            chosen = list(targets[at : at + count]) + [targets[at + count - 1]] * missing
            seeds = self._seeds(asked, chosen)
            if weights is not None:
                scale = np.resize(weights[at : at + count], len(seeds))
                seeds = np.abs(seeds) * scale.reshape(-1, *[1] * (seeds.ndim - 1))
            found = asked.run({self.runner.input: part}, seeds.astype(np.float32))
            parts.append({name: self._batched(array)[:count] for name, array in found.items()})
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    # Pictures

    def channels_first(self, array: Floats) -> Floats:
        """Turn an array of the input's layout into (M, channels, height, width)."""
        layout = self.runner.ready.layout
        if layout.axes == "NHWC":
            return array.transpose(0, 3, 1, 2)
        if layout.axes == "NCHW":
            return array
        if layout.axes == "NHW":
            return array[:, None]
        if layout.axes == "NF":
            return array.reshape(len(array), 1, layout.height or -1, layout.width or -1)
        return array.transpose(0, 3, 1, 2) if layout.axes == "HWC" else array

    def as_input(self, array: Floats) -> Floats:
        """Turn (M, channels, height, width) into the input's layout: the inverse of `channels_first`."""
        axes = self.runner.ready.layout.axes
        if axes in ("NHWC", "HWC"):
            return np.ascontiguousarray(array.transpose(0, 2, 3, 1))
        if axes == "NHW":
            return array[:, 0]
        return array.reshape(len(array), -1) if axes == "NF" else array

    def blank(self, kind: Blank = "blur") -> Floats:
        """The pictures with nothing in them, in the input's layout: what a pixel is replaced by.

        Args:
            kind: "blur", a Gaussian blur of a fifth of the picture's side, which keeps its light and takes
                its forms; "mean", the mean of each channel; "black", what black pixels become.
        """
        pictures = self.channels_first(self.inputs)
        if kind == "mean":
            return self.as_input(
                np.broadcast_to(pictures.mean(axis=(2, 3), keepdims=True), pictures.shape).copy()
            )
        if kind == "zero":
            return np.zeros_like(self.inputs)
        if kind == "black":
            from PIL import Image

            ready = self.runner.ready
            mode = "L" if ready.way.channels == "gray" else "RGB"
            one = ready.way.apply(Image.new(mode, (self.size[1], self.size[0])), ready.input)
            same = np.asarray(one, np.float32).reshape(self.inputs[:1].shape)
            return np.repeat(same, len(self.inputs), axis=0)
        if kind != "blur":
            raise OptionError(f"there is no blank picture {kind!r}; expected blur, mean, black or zero", "")
        return self.as_input(blurred(pictures, max(self.size) / 5))

    def masked(self, index: int, kept: Floats, blank: Floats) -> Floats:
        """One picture under many masks.

        Args:
            index: Which picture.
            kept: float32 (M, height, width) in 0..1: how much of each pixel is kept.
            blank: As `blank` gives it: what the rest is replaced by.

        Returns:
            float32 (M, …), in the input's layout.
        """
        picture = self.channels_first(self.inputs[index : index + 1])
        nothing = self.channels_first(blank[index : index + 1])
        return self.as_input(nothing + kept[:, None] * (picture - nothing))

    def _starts(self, batch: Floats) -> range:
        return range(0, len(batch), self.batch)

    def _parts(self, batch: Floats) -> Iterator[tuple[Floats, int]]:
        """The batch in pieces of what one run takes, with the number of true samples in each."""
        fixed = self.runner.ready.layout.batch
        for start in self._starts(batch):
            part = np.ascontiguousarray(batch[start : start + self.batch])
            if self._integers:
                part = np.rint(part).clip(*self._integers[1:]).astype(self._integers[0])
            count = len(part)
            if fixed is not None and count < fixed:
                part = np.concatenate([part, *[part[-1:]] * (fixed - count)])
            yield (part[0] if "N" not in self.runner.ready.layout.axes else part), count

    @cached_property
    def batch(self) -> int:
        """Samples in one run: what the model is fixed to, or else at least two."""
        fixed = self.runner.ready.layout.batch
        return fixed or max(2, min(_BATCH, _BATCH_BYTES // (self.inputs[:1].nbytes or 1)))

    @cached_property
    def _integers(self) -> tuple[np.dtype[np.generic], int, int] | None:
        """The input's dtype with its range, where it takes whole numbers."""
        dtype = self.runner.ready.input.dtype
        if dtype is None or dtype.numpy.kind not in "iu":
            return None
        limits = np.iinfo(dtype.numpy)
        return np.dtype(dtype.numpy), limits.min, limits.max

    def _batched(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """An array with its batch axis, which a model without one leaves out."""
        inside = "N" in self.runner.ready.layout.axes or (array.ndim == 4 and len(array) == 1)
        return array if inside else array[None]

    def _two_sided(self, logits: Floats) -> Floats:
        """Logits as (M, classes); one number for each sample counts for the second of two classes."""
        flat = logits.reshape(len(logits), -1)
        return np.concatenate([-flat, flat], axis=1) if flat.shape[1] == 1 else flat

    def _seeds(self, asked: Gradient, targets: Sequence[int]) -> Floats:
        """A one at each sample's target; for a single sigmoid, the sign."""
        # Where pictures come without a batch axis, another axis stands for it.
        batched = "N" in self.runner.ready.layout.axes
        shape = asked.seed_shape(len(targets) if batched else asked.batch or 1)
        seeds = np.zeros((len(targets), int(np.prod(shape)) // len(targets)), np.float32)
        if seeds.shape[1] == 1:
            seeds[:, 0] = np.where(np.asarray(targets) == 0, -1, 1)
        else:
            seeds[np.arange(len(targets)), list(targets)] = 1
        return seeds.reshape(shape)


def blurred(pictures: Floats, radius: float) -> Floats:
    """Blur float32 (M, channels, height, width) by a Gaussian of `radius` pixels; edges are continued."""
    reach = int(np.ceil(3 * radius))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / radius) ** 2)
    kernel /= kernel.sum()
    found = pictures.astype(np.float64)
    for axis in (2, 3):
        size = found.shape[axis]
        # Row i of the matrix is the kernel around i, with what falls outside added to the edge.
        matrix = np.zeros((size, size))
        rows = np.repeat(np.arange(size), len(offsets))
        columns = np.clip(np.arange(size)[:, None] + offsets, 0, size - 1).ravel()
        np.add.at(matrix, (rows, columns), np.tile(kernel, size))
        found = np.moveaxis(np.tensordot(found, matrix, axes=(axis, 1)), -1, axis)
    return found.astype(np.float32)
