"""Occlusion: how much the logit falls when a window of the picture is covered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from inspector.explain.options import Limits
from inspector.explain.registry import method
from inspector.explain.subject import Blank, Floats, Subject

# A window's side and step as a part of the picture's longer side, where they are not given.
_WINDOW, _STEP = 6, 3


@method(
    "occlusion",
    paper="Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014",
    needs="forward",
    signed=True,
)
def occlusion(
    subject: Subject,
    *,
    window: Annotated[int, Limits(0, within=True)] = 0,
    step: Annotated[int, Limits(0, within=True)] = 0,
    blank: Blank = "mean",
) -> NDArray[np.float32]:
    """The mean fall of the logit over the windows that cover a pixel.

    Args:
        subject: What is explained.
        window: A window's side in pixels; 0 for a sixth of the picture's.
        step: How far a window is from the next; 0 for half a window.
        blank: What is under a window: "mean", "blur", "black" or "zero".

    Returns:
        float32 (N, height, width), signed.

    Reference:
        Zeiler, Fergus 2014, section 4.2.
    """
    height, width = subject.size
    window = window or max(1, round(max(height, width) / _WINDOW))
    step = step or max(1, window * _STEP // _WINDOW)
    tops, lefts = (_starts(length, window, step) for length in (height, width))
    corners = [(top, left) for top in tops for left in lefts]
    nothing, before = subject.blank(blank), subject.scores(subject.inputs, subject.targets)
    total = np.zeros((len(subject), height, width))
    times = np.zeros((height, width))
    for start in range(0, len(corners), subject.batch):
        covered = _covered(corners[start : start + subject.batch], window, subject.size)
        times += covered.sum(axis=0)
        for index, target in enumerate(subject.targets):
            seen = subject.masked(index, 1 - covered, nothing)
            after = subject.scores(seen, [target] * len(seen))
            total[index] += np.tensordot(before[index] - after, covered, axes=1)
    # A step wider than the window leaves pixels that no window covers.
    return (total / np.maximum(times, 1)).astype(np.float32)


def _covered(corners: Sequence[tuple[int, int]], window: int, size: tuple[int, int]) -> Floats:
    """Where each window lies, float32 (windows, height, width) of ones on zeros."""
    found = np.zeros((len(corners), *size), np.float32)
    for number, (top, left) in enumerate(corners):
        found[number, top : top + window, left : left + window] = 1
    return found


def _starts(length: int, window: int, step: int) -> list[int]:
    last = max(0, length - window)
    return [*range(0, last, step), last]
