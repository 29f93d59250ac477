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
    from inspector.explain.subject import Floats, Subject

Orders = NDArray[np.int64]

_STEPS = 10
_RANDOM = 2
# Above this rank correlation with the map of random weights, a map says little of what was learned.
_ALIKE = 0.5


@dataclass(frozen=True)
class Trust:
    """What was measured of one heatmap.

    Attributes:
        insertion: The target's mean probability while the pixels come in, the most relevant first: more is
            better.
        deletion: The same while they go out: less is better.
        insertion_random: `insertion` of pixels in an order by chance; the mean of two.
        deletion_random: `deletion` likewise.
        insertion_centre: `insertion` of pixels from the middle outwards.
        deletion_centre: `deletion` likewise.
        agreement: Mean rank correlation with the other methods' maps; None for a single method.
        randomised: Rank correlation with the map of the same network with random weights, on the first
            picture that the method explained; None where that network could not be explained.
        failures: What is wrong with the map, in sentences.
    """

    insertion: float
    deletion: float
    insertion_random: float
    deletion_random: float
    insertion_centre: float
    deletion_centre: float
    agreement: float | None
    randomised: float | None
    failures: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The figures in words."""
        return summary([self])

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        record = asdict(self)
        figures = {
            key: None if value is None else round(value, 6)
            for key, value in record.items()
            if key != "failures"
        }
        return {**figures, "failures": list(self.failures)}


def summary(records: Sequence[Trust]) -> str:
    """The figures of a method over one picture or several, in words.

    Args:
        records: At least one.
    """

    def mean(name: str) -> float:
        known = [getattr(record, name) for record in records if getattr(record, name) is not None]
        return float(np.mean(known)) if known else float("nan")

    words = [
        f"{side} {mean(side):.2f} (chance {mean(f'{side}_random'):.2f}, centre {mean(f'{side}_centre'):.2f})"
        for side in ("insertion", "deletion")
    ]
    if not np.isnan(mean("agreement")):
        words.append(f"agrees with the others {mean('agreement'):+.2f}")
    if not np.isnan(mean("randomised")):
        words.append(f"like the map of random weights {mean('randomised'):+.2f}")
    counts = Counter(failure for record in records for failure in record.failures)
    several = len(records) > 1
    for failure, count in counts.most_common():
        words.append(f"FAILS{f' on {count} of {len(records)} pictures' if several else ''}: {failure}")
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
        Petsiuk et al., RISE, BMVC 2018, section 4.1 (insertion, deletion); Adebayo et al., Sanity checks for
        saliency maps, NeurIPS 2018, section 3 (randomisation of all weights at once).
    """
    maps = [each.values[0] for each in found]
    random = np.random.default_rng(subject.seed)
    orders = [pixel_order(values, random) for values in maps]
    chance = [random.permutation(maps[0].size) for _ in range(_RANDOM)]
    curves = _areas(subject, [*orders, *chance, from_the_middle(maps[0].shape)])
    by_chance = tuple(float(np.mean([area[side] for area in curves[len(maps) : -1]])) for side in (0, 1))
    middle = curves[-1]
    alike = [
        _alike(subject, each, values, options.get(each.name, {}))
        for each, values in zip(methods, maps, strict=True)
    ]
    records = []
    for index, values in enumerate(maps):
        others = [rank_correlation(values, other) for at, other in enumerate(maps) if at != index]
        area = curves[index]
        records.append(
            Trust(
                insertion=area[0],
                deletion=area[1],
                insertion_random=by_chance[0],
                deletion_random=by_chance[1],
                insertion_centre=middle[0],
                deletion_centre=middle[1],
                agreement=float(np.mean(others)) if others else None,
                randomised=alike[index],
                failures=_failures(values, area, by_chance, alike[index]),
            )
        )
    return records


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


def _areas(subject: Subject, orders: Sequence[Orders]) -> list[tuple[float, float]]:
    """Insertion and deletion of each order; see `areas`."""
    blank = subject.blank("blur")
    return [areas(subject, order, blank) for order in orders]


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


def _alike(subject: Subject, one: Method, values: Floats, options: Mapping[str, Any]) -> float | None:
    """How alike a map and that of the same network with random weights are."""
    known = subject.runner.alike
    if one.name not in known:
        try:
            unlearned = one.run(randomised(subject), options).values[0]
            known[one.name] = rank_correlation(values, unlearned)
        except InspectorError:
            known[one.name] = None
    return known[one.name]


def _failures(
    values: Floats, area: tuple[float, float], by_chance: tuple[float, ...], alike: float | None
) -> tuple[str, ...]:
    if not np.ptp(values):
        return ("its map is the same everywhere, so that it says nothing about this picture",)
    failures = []
    if area[0] <= by_chance[0] and area[1] >= by_chance[1]:
        failures.append("the pixels that it names matter no more to this model than pixels named by chance")
    if alike is not None and alike > _ALIKE:
        failures.append("its map is nearly the same when the network's weights are random")
    return tuple(failures)
