"""How well heatmaps agree with what is known: the region that the network's decision came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from inspector.errors import InspectorError
from inspector.explain import Method, Subject
from inspector.explain.randomised import randomised
from inspector.explain.trust import areas, differing, from_the_middle, likeness, pixel_order
from inspector.regions.bootstrap import estimate

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
FIGURES = ("pointing", "mass", "rank", "insertion", "deletion", "unlearned")


@dataclass(frozen=True)
class Case:
    """Pictures of one network.

    Attributes:
        subject: The pictures.
        masks: bool (N, height, width): the true region of each.
        unlearned: The first so many are explained for random weights, too.
    """

    subject: Subject
    masks: Mask
    unlearned: int


@dataclass
class Scores:
    """What a method reached, a number for each picture.

    Attributes:
        name: The method.
        values: For each of `FIGURES` a list.
        seconds: What explaining all pictures took.
        refused: Why it could not explain some networks; empty where it could.
    """

    name: str
    values: dict[str, list[float]] = field(default_factory=lambda: {figure: [] for figure in FIGURES})
    seconds: float = 0.0
    refused: str = ""

    def row(self) -> str:
        """As a line of a Markdown table, each mean with its 95 % bootstrap interval."""
        cells = [self.name]
        for figure in FIGURES:
            found = estimate(np.array(self.values[figure]))
            cells.append("-" if found is None else found.text())
        pictures = len(self.values["pointing"])
        cells += [str(pictures), _milliseconds(self.seconds / pictures) if pictures else "-"]
        return f"| {' | '.join(cells)} |"


def _milliseconds(seconds: float) -> str:
    rounded = f"{1000 * seconds:.0f}"
    return "< 1" if rounded == "0" else rounded


HEAD = (
    "| method | pointing | mass | rank | insertion | deletion | random weights | pictures | ms a picture |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def scored(cases: Sequence[Case], method: Method, options: Mapping[str, Any], *, evidence: bool) -> Scores:
    """Score a method on every case.

    Args:
        cases: The cases.
        method: The method.
        options: Its options, where they are not the defaults.
        evidence: Whether only what speaks for the target counts in a signed map; or its magnitude.
    """
    scores = Scores(method.name)
    for case in cases:
        began = perf_counter()
        try:
            maps = _alone(method, case.subject, options)
        except InspectorError as error:
            scores.refused = error.message
            continue
        scores.seconds += perf_counter() - began
        unlearned = _alone(method, randomised(case.subject), options, case.unlearned)
        for index, (one, other) in enumerate(zip(maps, unlearned, strict=False)):
            picture = case.subject.only(index)
            where = differing(picture, picture.blank(method.blank(options)))
            alike = likeness(one, other, where)
            scores.values["unlearned"] += [] if alike is None else [alike]
        for index, values in enumerate(maps):
            relevance = np.maximum(values, 0) if evidence and method.signed else np.abs(values)
            order = values if evidence else relevance
            _count(scores, case.subject.only(index), order, relevance, case.masks[index])
    return scores


def _alone(method: Method, subject: Subject, options: Mapping[str, Any], count: int | None = None) -> Floats:
    """The maps of the first pictures, each by itself among the others, as `inspector explain` makes them."""
    numbers = range(len(subject))[:count]
    return np.concatenate([method.run(subject.only(index), options).values for index in numbers])


def _count(scores: Scores, subject: Subject, order: Floats, relevance: Floats, mask: Mask) -> None:
    """Add what one map reached; `order` says which pixels come and go first."""
    random = np.random.default_rng(0)
    scores.values["pointing"].append(float(mask[relevance == relevance.max()].mean()))
    total = relevance.sum(dtype=np.float64)
    inside = relevance[mask].sum(dtype=np.float64)
    scores.values["mass"].append(float(inside / total) if total else 0.0)
    first = pixel_order(relevance, random)[: mask.sum()]
    scores.values["rank"].append(float(mask.ravel()[first].mean()))
    insertion, deletion = areas(subject, pixel_order(order, random), subject.blank("blur"))
    scores.values["insertion"].append(insertion)
    scores.values["deletion"].append(deletion)


def _centre(subject: Subject) -> Floats:
    """The same for every picture: the middle."""
    order = from_the_middle(subject.size)
    found = np.empty(order.size, np.float32)
    found[order] = np.linspace(1, 0, order.size)
    return np.repeat(found.reshape(1, *subject.size), len(subject), axis=0)


def _chance(subject: Subject) -> Floats:
    """Every pixel drawn by itself, anew for each picture and network."""
    picture = crc32(np.ascontiguousarray(subject.inputs).tobytes())
    drawn = np.random.default_rng((int(subject.runner.proto is not None), subject.seed, picture))
    return drawn.random((len(subject), *subject.size), dtype=np.float32)


BASELINES = tuple(
    Method(name, function, paper="", needs="forward", signed=False)
    for name, function in (("centre", _centre), ("random", _chance))
)
"""What a method has to be better than: a map that knows nothing."""
