"""Expected gradients: integrated gradients over many other pictures and one point on each way."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from inspector.explain.options import Limits
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Blank, Floats, Subject

_BLANKS: tuple[Blank, ...] = ("black", "mean", "blur")
# Fewer other pictures than these stand for too little to do without the blank ones.
_FEW = 10
_ALONE = (
    "as no other picture of its size was given, it is compared with blank ones only; "
    "explain a folder to compare its pictures with each other, as the method is meant"
)


@method(
    "expected-gradients",
    paper="Erion, Janizek, Sturmfels, Lundberg, Lee: Improving performance of deep learning models with "
    "axiomatic attribution priors and expected gradients, Nature Machine Intelligence 2021",
    needs="gradient",
    signed=True,
    compares=True,
)
def expected_gradients(subject: Subject, *, samples: Annotated[int, Limits(1)] = 60) -> Heatmaps:
    """The mean over reference pictures and points on the way of way × gradient, summed over the channels.

    The references are other pictures, those that are explained together; where they are fewer than ten, the
    blank ones too: black, the mean, and a blur. Each is used as often as any other.

    Args:
        subject: What is explained.
        samples: Pairs of a reference and a point.

    Returns:
        float32 (N, height, width), signed.

    Reference:
        Erion et al. 2021, equation 3: E over x' and α of (x - x') · dS/dx at x' + α (x - x').
    """
    blanks = np.stack([subject.blank(kind) for kind in _BLANKS])
    maps, alone = [], False
    for index in range(len(subject)):
        others = subject.others(index)
        alone |= not len(others)
        references = others if len(others) >= _FEW else np.concatenate([blanks[:, index], others])
        maps.append(_one(subject, index, references, samples))
    values = subject.channels_first(np.stack(maps).astype(np.float32)).sum(axis=1)
    return Heatmaps(values, notes=(_ALONE,) if alone else ())


def _one(subject: Subject, index: int, references: Floats, samples: int) -> Floats:
    """The mean for one picture, in the layout of the input."""
    random = np.random.default_rng((subject.seed, index))
    picture, target = subject.inputs[index], subject.targets[index]
    chosen = random.permutation(len(references))[np.arange(samples) % len(references)]
    # A point in each of as many equal parts of the way.
    along = ((random.permutation(samples) + random.uniform(size=samples)) / samples).astype(np.float32)
    along = along.reshape(-1, *[1] * picture.ndim)
    total = np.zeros(picture.shape)
    # No more at a time than one run takes: pictures may be large.
    for start in range(0, samples, subject.batch):
        part = slice(start, start + subject.batch)
        from_where = references[chosen[part]]
        way = picture - from_where
        points = from_where + along[part] * way
        total += (way * subject.gradient(points, [target] * len(way))["gradient"]).sum(axis=0)
    return (total / samples).astype(np.float32)
