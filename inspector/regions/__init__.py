"""Which region decides: how much of an explanation falls on it, and what happens when it is replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.errors import InspectorError, OptionError
from inspector.images import decode
from inspector.picture_list import list_pictures
from inspector.regions.bootstrap import Estimate, estimate
from inspector.regions.masks import Mask, Regions, parse
from inspector.regions.replacement import ALONE, another
from inspector.regions.result import Effect, RegionReport, RegionRow

if TYPE_CHECKING:
    from inspector.explain import Explainer, Explanation
    from inspector.explain.subject import Floats, Subject
    from inspector.images import ImageSource
    from inspector.picture_list import Images

__all__ = ["Effect", "Estimate", "RegionReport", "RegionRow", "Regions", "check", "parse", "report"]

# Region and replacement → change of the target's probability, and how often the decision flips.
_Measured: TypeAlias = dict[tuple[str, str], tuple[float, float]]

# Other pictures whose region is put into one; more change the mean by little.
_DONORS = 4


@dataclass(frozen=True, eq=False)
class _Case:
    """One picture with its regions."""

    subject: Subject
    picture: Floats  # (channels, height, width)
    masks: Mapping[str, Mask]
    explanation: Explanation

    @property
    def target(self) -> int:
        return self.subject.targets[0]


def report(
    explainer: Explainer,
    sources: Sequence[tuple[ImageSource, Explanation]],
    regions: Regions,
    *,
    seed: int = 0,
) -> RegionReport:
    """Say which region decides, over a set of pictures.

    Two kinds of evidence are kept apart: the share of each heatmap that falls on a region, which is what a
    method says, and the change of the target's probability when the region's pixels are replaced, which is
    what the model does.

    Args:
        explainer: The model and the methods.
        sources: The pictures, each with its explanation.
        regions: Where the regions come from.
        seed: Of the bootstrap and of the choice of other pictures.

    Raises:
        OptionError: A picture has no masks, or superpixels are asked for of several pictures.
        ImageError: A picture or a mask cannot be read.
    """
    _check_count(regions, len(sources))
    cases = [_case(explainer, source, explanation, regions) for source, explanation in sources]
    random = np.random.default_rng(seed)
    measured = [_measured(case, cases, random) for case in cases]
    names = list(dict.fromkeys(name for case in cases for name in case.masks))
    rows = [_row(name, cases, measured, seed) for name in names]
    masks = tuple(case.masks for case in cases)
    named = tuple(explanation.source for _, explanation in sources)
    return RegionReport(str(explainer.runner.model.path), len(cases), tuple(rows), masks, named)


def check(explainer: Explainer, images: Images, regions: Regions) -> None:
    """Find every region of every picture, so that nothing is computed for masks that do not fit.

    A picture that cannot be read is left to whoever explains it.

    Args:
        explainer: The model.
        images: The pictures.
        regions: Where the regions come from.

    Raises:
        OptionError: As for `report`.
        ImageError: A mask cannot be read.
    """
    pictures = list(list_pictures(images).items)
    _check_count(regions, len(pictures))
    for name, source in pictures:
        try:
            image = decode(source, name=name).image
        except InspectorError:
            continue
        if not regions.superpixels:
            regions.of(explainer.runner.ready, image, name)


def _check_count(regions: Regions, count: int) -> None:
    if regions.superpixels and count > 1:
        raise OptionError(
            "superpixels differ from picture to picture, so that nothing can be said of several; "
            f"expected one picture, not {count}",
            "Give one picture, or masks with --regions FOLDER.",
        )


def _case(explainer: Explainer, source: ImageSource, explanation: Explanation, regions: Regions) -> _Case:
    subject, _, _ = explainer.subject(source, explanation.source)
    image = decode(source, name=explanation.source).image
    masks = regions.of(explainer.runner.ready, image, explanation.source)
    return _Case(subject, subject.channels_first(subject.inputs)[0], masks, explanation)


def _row(name: str, cases: Sequence[_Case], measured: Sequence[_Measured], seed: int) -> RegionRow:
    area = np.array([case.masks[name].mean() if name in case.masks else np.nan for case in cases])
    methods = [heatmap.method for heatmap in cases[0].explanation.heatmaps]
    relevance = {
        method: estimate(np.array([_share(case, name, method) for case in cases]), seed) for method in methods
    }
    effects = {kind: _effect(name, kind, measured, seed) for kind in (*ALONE, "another")}
    found_area = estimate(area, seed)
    assert found_area is not None
    return RegionRow(
        name,
        found_area,
        {method: share for method, share in relevance.items() if share is not None},
        {kind: effect for kind, effect in effects.items() if effect is not None},
    )


def _share(case: _Case, name: str, method: str) -> float:
    """The part of what speaks for the target that falls on a region."""
    heatmap = case.explanation[method]
    values = np.maximum(heatmap.values, 0) if heatmap.signed else np.abs(heatmap.values)
    total = float(values.sum(dtype=np.float64))
    if name not in case.masks or not total:
        return float("nan")
    return float(values[case.masks[name]].sum(dtype=np.float64)) / total


def _measured(case: _Case, cases: Sequence[_Case], random: np.random.Generator) -> _Measured:
    """What each replacement of each region does to one picture; everything in as few runs as possible."""
    plan = {
        (name, kind): _replaced(name, case, cases, kind, random)
        for name in case.masks
        for kind in (*ALONE, "another")
    }
    pictures = [case.picture, *(picture for made in plan.values() for picture in made)]
    found = case.subject.probabilities(case.subject.as_input(np.stack(pictures).astype(np.float32)))
    change = found[:, case.target] - found[0, case.target]
    flipped = found.argmax(axis=1) != found[0].argmax()
    measured, at = {}, 1
    for key, made in plan.items():
        if made:
            rows = slice(at, at + len(made))
            measured[key] = float(change[rows].mean()), float(flipped[rows].mean())
        at += len(made)
    return measured


def _effect(name: str, kind: str, measured: Sequence[_Measured], seed: int) -> Effect | None:
    """What a replacement of a region does, over all pictures that have it."""
    nothing = (float("nan"), float("nan"))
    change, flips = np.array([each.get((name, kind), nothing) for each in measured]).T
    mean, often = estimate(change, seed), estimate(flips, seed)
    return None if mean is None or often is None else Effect(mean, often, change)


def _replaced(
    name: str, case: _Case, cases: Sequence[_Case], kind: str, random: np.random.Generator
) -> list[NDArray[np.float32]]:
    """The picture with the region replaced, once or with several others' content."""
    region = case.masks.get(name)
    if region is None:
        return []
    if kind != "another":
        return [ALONE[kind](case.picture, region)] if region.any() else []
    others = [
        other
        for other in cases
        if name in other.masks and other.target != case.target and other.picture.shape == case.picture.shape
    ]
    chosen = random.permutation(len(others))[:_DONORS]
    return [
        another(case.picture, region, others[index].picture, others[index].masks[name]) for index in chosen
    ]
