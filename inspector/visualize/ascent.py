"""Climbing: pictures changed step by step, all at once, so that each excites its own unit more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inspector.gradients import Gradient
from inspector.visualize.diversity import likeness_gradient
from inspector.visualize.head import Head
from inspector.visualize.pixels import Floats, Pixels
from inspector.visualize.sampling import View, centred, drawn
from inspector.visualize.spectrum import Spectrum, Waves

_RATE = 0.1
# A pixel that is black or white has a small slope: the second moment must forget the large ones before.
_MOMENTS = (0.9, 0.9)
_TINY = 1e-8
# How much roughness counts beside the activation, both by their mean slope.
_SMOOTH = 0.1
# How much likeness among pictures of one unit counts beside it.
_DIVERSE = 1.0
# The canvas is this share of the picture larger on every side, so that it can be shifted.
_MARGIN = 1 / 20
_MOST_MARGIN = 8
# Pictures in one run: all, unless they are large.
_BATCH_BYTES = 8 * 2**20


@dataclass(frozen=True, eq=False)
class Ascent:
    """What is climbed, and how.

    Attributes:
        head: The model up to the units.
        pixels: How pixels become the model's numbers.
        gradient: The derivative of the head's output by its input.
        moving: Whether each step looks at the picture a little shifted, turned and enlarged.
    """

    head: Head
    pixels: Pixels
    gradient: Gradient
    moving: bool = True
    spectrum: Spectrum = field(init=False)

    def __post_init__(self) -> None:
        """Choose the canvas."""
        margin = self.margin
        sides = (side + 2 * margin for side in self.head.size)
        object.__setattr__(self, "spectrum", Spectrum(self.pixels.channels, *sides))

    @property
    def margin(self) -> int:
        """By how many pixels the canvas is larger on every side."""
        return min(_MOST_MARGIN, round(min(self.head.size) * _MARGIN)) if self.moving else 0

    def climb(
        self,
        channels: Sequence[int],
        per_unit: int,
        steps: int,
        seed: int,
        step: Callable[[], None],
        start: Floats | None = None,
    ) -> Floats:
        """Find pictures.

        Args:
            channels: The units.
            per_unit: How many pictures for each; they are kept from being alike.
            steps: How many steps to take.
            seed: Of the beginnings and of the shifts; a unit's picture does not depend on which others are
                asked for.
            step: Called after each step.
            start: float32 (units · per_unit, channels, height, width), pictures to begin with; by default
                they are drawn.

        Returns:
            float32 (units · per_unit, channels, height, width), pixels within 0..1; a unit's pictures stand
            together.
        """
        seeds = [(seed, channel, number) for channel in channels for number in range(per_unit)]
        chosen = np.repeat(np.asarray(channels, np.int64), per_unit)
        random = np.random.default_rng([seed])
        waves = self.spectrum.start(seeds) if start is None else self._started(start)
        moments = np.zeros_like(waves), np.zeros(waves.shape, np.complex64)
        still = centred(self._canvas, self.head.size)
        for at in range(steps):
            pictures = self.spectrum.pictures(waves)
            view = drawn(random, self._canvas, self.head.size) if self.moving else still
            slope = _unit(self._slope(view, pictures, chosen)) - _SMOOTH * _roughness_gradient(pictures)
            if per_unit > 1:
                slope -= _DIVERSE * likeness_gradient(pictures, per_unit)
            rate = _RATE * 0.5 * (1 + np.cos(np.pi * at / steps))
            waves = _stepped(waves, self.spectrum.pulled(slope, pictures), moments, at + 1, rate)
            step()
        return self._without_rest(still.seen(self.spectrum.pictures(waves)))

    def activations(self, pictures: Floats) -> Floats:
        """All units for pictures, float32 (M, channels, h, w) to (M, units)."""
        parts = []
        for start in range(0, len(pictures), self._size):
            found = self._run(pictures[start : start + self._size], None)[1]
            indices = np.arange(self.head.units)
            rows = [found[self.head.index(np.full(len(found), unit))] for unit in indices]
            parts.append(np.stack(rows, axis=1))
        return np.concatenate(parts)

    def _without_rest(self, pictures: Floats) -> Floats:
        """The pictures with mid-grey where they have no influence, in place of what they began with."""
        if self.head.box is None:
            return pictures
        top, left, bottom, right = self.head.box
        kept = np.full_like(pictures, 0.5)
        place = (..., slice(max(0, top), bottom), slice(max(0, left), right))
        kept[place] = pictures[place]
        return kept

    def _started(self, pictures: Floats) -> Waves:
        """The amplitudes of canvases with these pictures in the middle; their edges are continued."""
        sides = ((self.margin, self.margin),) * 2
        return self.spectrum.waves(np.pad(pictures, ((0, 0), (0, 0), *sides), mode="edge"))

    @property
    def _canvas(self) -> tuple[int, int]:
        return self.spectrum.height, self.spectrum.width

    @property
    def _size(self) -> int:
        """Pictures in one run."""
        sample = 4 * self.pixels.channels * self.head.size[0] * self.head.size[1]
        return self.gradient.batch or max(1, _BATCH_BYTES // sample)

    def _slope(self, view: View, pictures: Floats, chosen: NDArray[np.int64]) -> Floats:
        """The gradient of each picture's own unit by the canvas."""
        seen = view.seen(pictures)
        slopes = []
        for start in range(0, len(seen), self._size):
            part = slice(start, start + self._size)
            shape = (len(seen[part]), *self.gradient.seed_shape(self.gradient.batch or 1)[1:])
            seeds = np.zeros(shape, np.float32)
            seeds[self.head.index(chosen[part])] = 1
            slopes.append(self._run(seen[part], seeds)[0])
        return view.pulled(np.concatenate(slopes))

    def _run(self, seen: Floats, seeds: Floats | None) -> tuple[Floats, Floats]:
        """The gradient by the pixels and the values, for as many pictures as one run takes."""
        count, full = len(seen), self.gradient.batch or len(seen)
        feed = self.head.feed(self.pixels.tensor(np.concatenate([seen, *[seen[-1:]] * (full - count)])))
        shape = self.gradient.seed_shape(full)
        given = np.zeros(shape, np.float32)
        if seeds is not None:
            given[:count] = seeds
        found = self.gradient.run({self.head.input: feed}, given)
        slope = self.pixels.pulled(self.head.unfeed(found["gradient"][:count]))
        return slope, found[self.head.value][:count].astype(np.float32)


def _unit(slope: Floats) -> Floats:
    """Each picture's gradient at a root mean square of one, where there is any."""
    size = np.sqrt(np.square(slope, dtype=np.float64).mean(axis=(1, 2, 3), keepdims=True))
    return (slope / np.where(size > 0, size, 1)).astype(np.float32)


def _roughness_gradient(pictures: Floats) -> Floats:
    """The gradient of the total variation: of the summed lengths of the steps from pixel to pixel.

    Reference:
        Rudin, Osher, Fatemi: Nonlinear total variation based noise removal algorithms, Physica D 60, 1992.
    """
    down = np.diff(pictures, axis=2, append=pictures[:, :, -1:])
    across = np.diff(pictures, axis=3, append=pictures[:, :, :, -1:])
    length = np.sqrt(down**2 + across**2 + 1e-4)
    down, across = down / length, across / length
    slope: Floats = -down - across
    slope[:, :, 1:] += down[:, :, :-1]
    slope[:, :, :, 1:] += across[:, :, :, :-1]
    return slope


def _stepped(waves: Waves, slope: Waves, moments: tuple[Waves, Waves], at: int, rate: float) -> Waves:
    """One step of Adam uphill, on real and imaginary parts alike; the moments are changed in place.

    Reference:
        Kingma, Ba: Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.
    """
    given = slope.view(np.float32)
    for moment, decay, new in zip(moments, _MOMENTS, (given, given**2), strict=True):
        each = moment.view(np.float32)
        each *= decay
        each += np.float32(1 - decay) * new
    first, second = (
        moment.view(np.float32) / np.float32(1 - decay**at)
        for moment, decay in zip(moments, _MOMENTS, strict=True)
    )
    moved: NDArray[np.float32] = waves.view(np.float32) + np.float32(rate) * first / (np.sqrt(second) + _TINY)
    return moved.astype(np.float32).view(np.complex64)
