"""What `regions.report` returns: a row for each region, and a verdict that the figures support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.regions.bootstrap import Estimate, estimate
from inspector.regions.masks import Mask
from inspector.regions.places import place
from inspector.safe_names import printable

# A region that flips fewer decisions than this does not decide, however sure its small effect is.
_FLIPS = 0.2
# Of so many replacements one may differ.
_SEVERAL = 3


@dataclass(frozen=True, eq=False)
class Effect:
    """What replacing a region does.

    Attributes:
        change: Of the target's probability.
        flips: Of the decision: the share of the pictures.
        per_picture: float64 (N,), the change of each picture; NaN where the picture has no such region.
    """

    change: Estimate
    flips: Estimate
    per_picture: NDArray[np.float64] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"change": self.change.to_dict(), "flips": self.flips.to_dict()}


@dataclass(frozen=True, eq=False)
class RegionRow:
    """A region.

    Attributes:
        name: What it is called.
        area: Its share of the picture.
        relevance: Its share of each method's heatmap.
        effects: What replacing it does, by replacement.
    """

    name: str
    area: Estimate
    relevance: Mapping[str, Estimate]
    effects: Mapping[str, Effect]

    @cached_property
    def drop(self) -> NDArray[np.float64]:
        """The target's probability that each picture loses, over all replacements: float64 (N,)."""
        changes = np.stack([effect.per_picture for effect in self.effects.values()])
        known = ~np.isnan(changes)
        total = np.where(known, changes, 0).sum(axis=0)
        return np.where(known.any(axis=0), -total / np.maximum(known.sum(axis=0), 1), np.nan)

    @property
    def cost(self) -> str:
        """What replacing it costs of the target's probability, over the replacements: "0.19 to 0.55"."""
        costs = [-effect.change.mean for effect in self.effects.values()]
        low, high = (f"{cost:.2f}".replace("-0.00", "0.00") for cost in (min(costs), max(costs)))
        return low if low == high else f"{low} to {high}"

    @property
    def flips(self) -> float:
        """How often the decision changes, over all replacements."""
        return float(np.mean([effect.flips.mean for effect in self.effects.values()]))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "region": self.name,
            "area": self.area.to_dict(),
            "relevance": {method: share.to_dict() for method, share in self.relevance.items()},
            "replaced": {kind: effect.to_dict() for kind, effect in self.effects.items()},
        }


@dataclass(frozen=True, eq=False)
class RegionReport:
    """Which region decides.

    Attributes:
        model: The model's file.
        pictures: How many pictures it is about.
        rows: One for each region.
        masks: The regions of each picture, bool (height, width) of the model's input.
        sources: The name of each of these pictures.
    """

    model: str
    pictures: int
    rows: tuple[RegionRow, ...]
    masks: tuple[Mapping[str, Mask], ...] = field(default=(), repr=False)
    sources: tuple[str, ...] = ()

    @property
    def ranked(self) -> tuple[RegionRow, ...]:
        """The regions, the one whose replacement costs most first."""
        tested = [row for row in self.rows if row.effects]
        return tuple(sorted(tested, key=lambda row: -float(np.nanmean(row.drop))))

    @property
    def dissent(self) -> Mapping[str, str]:
        """The replacements under which another region costs more than the first of `ranked`, and which."""
        ranked, found = self.ranked, {}
        for kind in ranked[0].effects if ranked else ():
            tested = [row for row in ranked if kind in row.effects]
            most = min(tested, key=lambda row: row.effects[kind].change.mean)
            if most is not ranked[0]:
                found[kind] = most.name
        return found

    @property
    def cause(self) -> str | None:
        """The region that decides; None when none stands out from the others.

        It has to come first under every replacement, or, of three or more, under all but one, which the
        sentence then names. Each replacement leaves a trace of its own (an edge, a blur, a stranger's face)
        that may move a single column; a mean over all of them would let one large column outvote the others.
        """
        ranked = self.ranked
        if not ranked:
            return None
        first = ranked[0]
        own = estimate(first.drop)
        if own is None or own.low <= 0 or first.flips < _FLIPS:
            return None
        if len(self.dissent) > (1 if len(first.effects) >= _SEVERAL else 0):
            return None
        if len(ranked) > 1:
            ahead = estimate(first.drop - ranked[1].drop)
            if ahead is None or ahead.low <= 0:
                return None
        return first.name

    @property
    def sentence(self) -> str:
        """The verdict in words, with its figures: the range over the replacements, and the next region's."""
        ranked = self.ranked
        if not ranked:
            return "No region could be replaced, so that nothing can be said."
        first = ranked[0]
        alone = "; from one picture alone" if self.pictures == 1 else ""
        if float(np.nanmean(first.drop)) <= 0:
            return f"No region decides: replacing one costs nothing of the answer's probability{alone}."
        name, others = printable(first.name), ranked[1:2]
        beside = "".join(
            f"; next is {printable(row.name)} with {row.cost} and {row.flips:.0%}" for row in others
        )
        aside = "".join(
            f"; replaced by {_WORDS.get(kind, kind)}, it is {printable(other)}"
            for kind, other in self.dissent.items()
        )
        figures = (
            f"replacing it costs {first.cost} of the answer's probability, by what replaces it, and changes "
            f"the decision on {first.flips:.0%} of the pictures{beside}{aside}{alone}"
        )
        if self.cause:
            return f"It is the {name}: {figures}."
        return f"No region decides by itself; most is the {name}: {figures}."

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "model": self.model,
            "pictures": self.pictures,
            "cause": self.cause,
            "sentence": self.sentence,
            "regions": [row.to_dict() for row in self.rows],
            "dissent": dict(self.dissent),
            "places": [
                {"source": source, "regions": {name: place(mask) for name, mask in masks.items()}}
                for source, masks in zip(self.sources, self.masks, strict=True)
            ],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and cells for a person."""
        methods = list(dict.fromkeys(method for row in self.rows for method in row.relevance))
        kinds = list(dict.fromkeys(kind for row in self.rows for kind in row.effects))
        head = ["region", "area", *(f"{method} falls on it" for method in methods)]
        head += [f"replaced by {_WORDS.get(kind, kind)}" for kind in kinds]
        cells = []
        for row in (*self.ranked, *(row for row in self.rows if not row.effects)):
            line = [row.name, f"{row.area.mean:.0%}"]
            line += [row.relevance[m].text(percent=True) if m in row.relevance else "-" for m in methods]
            line += [_told(row.effects.get(kind)) for kind in kinds]
            cells.append(line)
        return head, cells


_WORDS = {"mean": "a mean", "blur": "a blur", "inpaint": "its border", "another": "another picture's"}


def _told(effect: Effect | None) -> str:
    if effect is None:
        return "-"
    return f"{effect.change.text(sign=True)}, flips {effect.flips.mean:.0%}"
