"""How far a heatmap can be trusted: measured on the model itself, beside every explanation.

Three questions, none of which a convincing picture answers. Do the pixels that a map names matter more to the
model than pixels named by chance, or than those in the middle? Do other methods say the same? Does the map
depend on what the network has learned?
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import InspectorError
from inspector.explain.randomised import randomised

if TYPE_CHECKING:
    from inspector.explain.registry import Heatmaps, Method
    from inspector.explain.subject import Blank, Floats, Subject

Orders = NDArray[np.int64]

_STEPS = 10
# Orders by chance; each counts backwards, too.
_RANDOM = 5
# So many standard deviations of orders by chance a map's order has to be better: of 20 maps of noise one is.
_CLEARLY = 2.0
# Above this rank correlation with the map of random weights, a map says little of what was learned.
_ALIKE = 0.5
_REPLACED: Mapping[Blank, str] = {"blur": "a blur", "mean": "the mean", "black": "black", "zero": "zeros"}
_WEAK = "it names no better than the distance from the middle of the picture does"


@dataclass(frozen=True)
class Trust:
    """What was measured of one heatmap.

    Attributes:
        blank: What the pixels were replaced by: what the method itself compares with.
        insertion: The target's mean probability while the pixels come in, the most relevant first: more is
            better.
        deletion: The same while they go out: less is better.
        chance: Either, of pixels in an order by chance: backwards, that order's insertion is its deletion.
        spread: The standard deviation of insertion - deletion of orders by chance; its mean is zero.
        insertion_centre: `insertion` of pixels from the middle outwards.
        deletion_centre: `deletion` likewise.
        agreement: Mean rank correlation with the other methods' maps; None for a single method.
        randomised: Rank correlation with the map of the same network with random weights, on the first
            picture that the method explained; None where that network could not be explained, or either map
            was the same everywhere.
        failures: What is wrong with the map, in sentences.
        cautions: What speaks against it without proving it wrong, in sentences.
    """

    blank: Blank
    insertion: float
    deletion: float
    chance: float
    spread: float
    insertion_centre: float
    deletion_centre: float
    agreement: float | None
    randomised: float | None
    failures: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The figures in words."""
        return summary([self])

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            key: list(value)
            if isinstance(value, tuple)
            else round(value, 6)
            if isinstance(value, float)
            else value
            for key, value in asdict(self).items()
        }


def summary(records: Sequence[Trust]) -> str:
    """The figures of a method over one picture or several, in words.

    Args:
        records: At least one.
    """

    def mean(name: str) -> float:
        known = [getattr(record, name) for record in records if getattr(record, name) is not None]
        return float(np.mean(known)) if known else float("nan")

    words = [
        f"{side} {mean(side):.2f} (chance {mean('chance'):.2f}, centre {mean(f'{side}_centre'):.2f})"
        for side in ("insertion", "deletion")
    ]
    if not np.isnan(mean("agreement")):
        words.append(f"agrees with the others {mean('agreement'):+.2f}")
    if not np.isnan(mean("randomised")):
        words.append(f"like the map of random weights {mean('randomised'):+.2f}")
    for verdict, kind in (("FAILS", "failures"), ("weak", "cautions")):
        counts = Counter(each for record in records for each in getattr(record, kind))
        for sentence, count in counts.most_common():
            on = f" on {count} of {len(records)} pictures" if len(records) > 1 else ""
            words.append(f"{verdict}{on}: {sentence}")
    return "; ".join(words)


def measured(
    subject: Subject,
    methods: Sequence[Method],
    found: Sequence[Heatmaps],
    options: Mapping[str, Mapping[str, Any]],
) -> list[Trust]:
    """Test the maps of several methods for a single picture.

    Args:
        subject: One picture.
        methods: The methods.
        found: Their maps.
        options: Their options.

    Returns:
        A record for each method.

    Reference:
        Petsiuk et al., RISE, BMVC 2018, section 4.1 (insertion, deletion; pixels are replaced by what the
        method compares with, where the paper has a blur and grey); Adebayo et al., Sanity checks for
        saliency maps, NeurIPS 2018, section 3 (randomisation of all weights at once).
    """
    maps = [each.values[0] for each in found]
    blanks = [each.blank(options.get(each.name, {})) for each in methods]
    # Before anything depends on the maps: they are the same for every choice of methods.
    random = np.random.default_rng(subject.seed)
    chance = [random.permutation(maps[0].size) for _ in range(_RANDOM)]
    nothing = {blank: subject.blank(blank) for blank in dict.fromkeys(blanks)}
    baselines = {blank: _baselines(subject, pixels, chance) for blank, pixels in nothing.items()}
    records = []
    for index, (one, values, blank) in enumerate(zip(methods, maps, blanks, strict=True)):
        shown = differing(subject, nothing[blank])
        others = [likeness(values, other, shown) for at, other in enumerate(maps) if at != index]
        known = [other for other in others if other is not None]
        area = areas(subject, pixel_order(values, random), nothing[blank])
        alike = _alike(subject, one, values, options.get(one.name, {}), shown)
        base = baselines[blank]
        failures = _failures(values, area, base, blank, alike)
        records.append(
            Trust(
                blank=blank,
                insertion=area[0],
                deletion=area[1],
                chance=base.chance,
                spread=base.spread,
                insertion_centre=base.centre[0],
                deletion_centre=base.centre[1],
                agreement=float(np.mean(known)) if known else None,
                randomised=alike,
                failures=failures,
                cautions=() if failures else _cautions(area, base),
            )
        )
    return records


@dataclass(frozen=True)
class _Baselines:
    """What orders of pixels that know nothing of the model reach; see `Trust` for the fields."""

    chance: float
    spread: float
    centre: tuple[float, float]


def _baselines(subject: Subject, nothing: Floats, chance: Sequence[Orders]) -> _Baselines:
    found = np.array([areas(subject, order, nothing) for order in chance])
    spread = float(np.sqrt(np.mean((found[:, 0] - found[:, 1]) ** 2)))
    centre = areas(subject, from_the_middle(subject.size), nothing)
    return _Baselines(float(found.mean()), spread, centre)


def differing(subject: Subject, blank: Floats) -> NDArray[np.bool_]:
    """Where a picture differs from its blank, bool (height, width).

    Elsewhere a method that multiplies by the difference says 0: two maps of noise, each times a digit on
    black ground, would have nearly the same order.

    Args:
        subject: One picture.
        blank: What it is compared with, as `Subject.blank` gives it.
    """
    apart = subject.channels_first(subject.inputs - blank)
    differs: NDArray[np.bool_] = (apart != 0).any(axis=1)[0]
    return differs


def likeness(one: Floats, other: Floats, where: NDArray[np.bool_]) -> float | None:
    """Rank correlation of the magnitudes of two maps in a part of the picture; None when one is flat there.

    Args:
        one: float32 (height, width).
        other: float32 (height, width).
        where: bool (height, width), the part; see `differing`.
    """
    parts = (one[where], other[where])
    if any(part.size == 0 or not np.ptp(np.abs(part)) for part in parts):
        return None
    return rank_correlation(*parts)


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation of the magnitudes of two maps; 0 when one is the same everywhere.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, -3.0]), np.array([10.0, 20.0, 25.0]))
        1.0
    """
    ranks = [_ranks(np.abs(values).ravel()) for values in (one, other)]
    centred = [rank - rank.mean() for rank in ranks]
    norm = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return round(float(centred[0] @ centred[1]) / norm, 12) if norm else 0.0


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rank of each value, equal ones sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks


def pixel_order(values: Floats, random: np.random.Generator) -> Orders:
    """The pixels from the most relevant to the least; equal ones by chance, so that a flat map is a guess."""
    tie = random.random(values.size)
    return np.lexsort((tie, -values.ravel())).astype(np.int64)


def from_the_middle(shape: tuple[int, ...]) -> Orders:
    """The pixels from the middle of a picture outwards."""
    rows, columns = np.indices(shape)
    away = (rows - (shape[0] - 1) / 2) ** 2 + (columns - (shape[1] - 1) / 2) ** 2
    return np.argsort(away.ravel(), kind="stable").astype(np.int64)


def areas(subject: Subject, order: Orders, blank: Floats) -> tuple[float, float]:
    """Insertion and deletion: the target's mean probability from blank to picture, and back.

    Args:
        subject: One picture.
        order: int64 (height · width,), the pixels from the most relevant to the least.
        blank: What pixels are replaced by, as `Subject.blank` gives it.

    Reference:
        Petsiuk et al., RISE, BMVC 2018, section 4.1; on ten steps.
    """
    height, width = subject.size
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    shown = np.round(np.linspace(0, 1, _STEPS + 1) * order.size)
    come = (rank < shown[:, None]).reshape(-1, height, width)
    kept = np.concatenate([come, ~come]).astype(np.float32)
    curves = subject.probabilities(subject.masked(0, kept, blank))[:, subject.targets[0]].reshape(2, -1)
    # The trapezoidal rule on equal steps.
    insertion, deletion = ((curves[:, 1:] + curves[:, :-1]) / 2).mean(axis=1).tolist()
    return insertion, deletion


def _alike(
    subject: Subject, one: Method, values: Floats, options: Mapping[str, Any], where: NDArray[np.bool_]
) -> float | None:
    """How alike a map and that of the same network with random weights are."""
    known = subject.runner.alike
    if one.name not in known:
        try:
            known[one.name] = likeness(values, one.run(randomised(subject), options).values[0], where)
        except InspectorError:
            known[one.name] = None
    return known[one.name]


def _failures(
    values: Floats, area: tuple[float, float], base: _Baselines, blank: Blank, alike: float | None
) -> tuple[str, ...]:
    if not np.ptp(values):
        return ("its map is the same everywhere, so that it says nothing about this picture",)
    failures = []
    if area[0] - area[1] <= _CLEARLY * base.spread:
        failures.append(
            f"replaced by {_REPLACED[blank]}, the pixels that it names matter no more to this model than "
            "pixels named by chance"
        )
    if alike is not None and alike > _ALIKE:
        failures.append("its map is much the same when the network's weights are random")
    return tuple(failures)


def _cautions(area: tuple[float, float], base: _Baselines) -> tuple[str, ...]:
    return (_WEAK,) if area[0] - area[1] <= base.centre[0] - base.centre[1] else ()
