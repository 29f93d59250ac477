"""A picture as the amplitudes of its waves: what is optimised in place of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Waves = NDArray[np.complex64]

# Axes along which the colours of natural pictures vary independently, in rows: light, red against blue, green
# against both; and how much they vary along each.
_COLOURS = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], np.float64)
_VARIATION = np.array([1.0, 0.35, 0.2])
_START = 0.01
_CONTRAST = 0.25
_LEAST = 0.05


@dataclass(frozen=True)
class Spectrum:
    """Pictures of one size, made of waves whose amplitudes fall with their frequency as in natural pictures.

    A step of one length in the amplitudes changes coarse forms more than fine ones, and colours along their
    natural axes: the ascent finds forms before it finds static.

    Attributes:
        channels: 1 or 3.
        height: In pixels.
        width: In pixels.

    Reference:
        Olah, Mordvintsev, Schubert: Feature visualization, Distill 2017, "preconditioning and
        parameterization"; Ohta, Kanade, Sakai: Color information for region segmentation, Computer Graphics
        and Image Processing 13, 1980, for the axes of colour.
    """

    channels: int
    height: int
    width: int

    def start(self, seeds: Sequence[Sequence[int]]) -> Waves:
        """Draw a beginning, nearly grey, for each seed: complex64 (M, channels, height, width // 2 + 1)."""
        drawn = [
            np.random.default_rng(list(seed)).normal(0, _START, (*self._shape, 2)).astype(np.float32)
            for seed in seeds
        ]
        waves: Waves = np.stack(drawn).view(np.complex64)[..., 0]
        return waves

    def waves(self, pictures: Floats) -> Waves:
        """Turn pictures into amplitudes, the inverse of `pictures`; pure black and white come out less so."""
        inside = np.clip(pictures, _LEAST, 1 - _LEAST)
        mixed = np.log(inside / (1 - inside))
        flat = np.einsum("ij,mjhw->mihw", np.linalg.inv(self._mixing), mixed)
        waves: Waves = (np.fft.rfft2(flat, norm="ortho") / self._falling).astype(np.complex64)
        return waves

    def pictures(self, waves: Waves) -> Floats:
        """Turn amplitudes into pictures, float32 (M, channels, height, width), each pixel within 0..1."""
        size = (self.height, self.width)
        flat = np.fft.irfft2(waves * self._falling, s=size, norm="ortho").astype(np.float32)
        mixed = np.einsum("ij,mjhw->mihw", self._mixing, flat)
        # Half the hyperbolic tangent is the logistic function, without overflow.
        pictures: Floats = (0.5 + 0.5 * np.tanh(mixed / 2)).astype(np.float32)
        return pictures

    def pulled(self, gradient: Floats, pictures: Floats) -> Waves:
        """Turn a gradient by the pixels into one by the amplitudes' real and imaginary parts."""
        before = gradient * pictures * (1 - pictures)
        flat = np.einsum("ij,mihw->mjhw", self._mixing, before)
        waves: Waves = (np.fft.rfft2(flat, norm="ortho") * self._counted * self._falling).astype(np.complex64)
        return waves

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width // 2 + 1

    @cached_property
    def _falling(self) -> Floats:
        down, across = np.fft.fftfreq(self.height)[:, None], np.fft.rfftfreq(self.width)
        frequency = np.maximum(np.hypot(down, across), 1 / max(self.height, self.width))
        falling: Floats = (_CONTRAST / frequency).astype(np.float32)
        return falling

    @cached_property
    def _counted(self) -> Floats:
        """How often each stored wave is in the picture: twice where its mirror image is not stored."""
        counted = np.full(self.width // 2 + 1, 2, np.float32)
        counted[0] = 1
        if self.width % 2 == 0:
            counted[-1] = 1
        return counted

    @cached_property
    def _mixing(self) -> Floats:
        if self.channels == 1:
            return np.ones((1, 1), np.float32)
        unit = _COLOURS / np.linalg.norm(_COLOURS, axis=1, keepdims=True)
        # The light alone moves all three channels: by as much as it would move one of a grey picture.
        mixing: Floats = (unit.T * _VARIATION * np.sqrt(3)).astype(np.float32)
        return mixing
