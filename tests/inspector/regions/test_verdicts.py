"""The verdict on regions, by the figures of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inspector.explain import Explanation
from inspector.explain.result import Heatmap
from inspector.regions import Effect, RegionReport, RegionRow, parse, report
from inspector.regions.bootstrap import estimate
from inspector.regions.replacement import inpaint


def row(name: str, drops: Sequence[float], flips: float) -> RegionRow:
    """A region whose replacement costs each picture so much, and flips so many decisions."""
    count = len(drops)
    flipped = np.arange(count) < round(flips * count)
    change = -np.asarray(drops, np.float64)
    area, mean, often = (estimate(each) for each in (np.full(count, 0.2), change, flipped.astype(float)))
    assert area is not None and mean is not None and often is not None
    return RegionRow(name, area, {}, {"mean": Effect(mean, often, change)})


def cause(*rows: RegionRow) -> str | None:
    return RegionReport("net.onnx", 10, rows).cause


SURE, LITTLE = [0.5] * 9 + [0.6], [0.02] * 9 + [0.03]


def test_a_region_that_costs_much_and_flips_decisions_is_the_cause() -> None:
    assert cause(row("rest", LITTLE, 0), row("hair", SURE, 0.8)) == "hair"
    assert cause(row("hair", SURE, 0.2)) == "hair"


@pytest.mark.parametrize("flips", [0, 0.1])
def test_a_region_that_flips_few_decisions_is_no_cause_however_sure_its_effect(flips: float) -> None:
    assert cause(row("rest", LITTLE, 0), row("hair", SURE, flips)) is None


def test_a_region_that_is_ahead_on_some_pictures_alone_is_no_cause() -> None:
    """By its mean it is first, but on half of the pictures the other costs more."""
    other = [0.3, 0.9] * 5
    assert cause(row("face", [0.95, 0.3] * 5, 0.8), row("hair", other, 0.8)) is None


def test_a_region_whose_own_effect_may_be_nothing_is_no_cause() -> None:
    unsure = [0.9, -0.8] * 5
    assert np.mean(unsure) > 0
    assert cause(row("hair", unsure, 0.5)) is None


def test_what_speaks_against_the_target_has_no_share_in_a_signed_heatmap(reader, pictures, tmp_path) -> None:
    explainer = reader((slice(4, 12), slice(2, 10)), methods=["input-x-gradient"])
    (item,) = explainer.stream(pictures[1:2])
    values = np.zeros_like(item.heatmaps[0].values)
    values[4:12, 2:10], values[4:12, 14:22] = 1, -3
    shares = {}
    for signed in (True, False):
        heatmap = Heatmap("input-x-gradient", values, signed)
        drawn = Explanation(item.source, item.target, item.label, item.probability, item.seen, (heatmap,))
        found = report(explainer, [(pictures[1], drawn)], parse([str(tmp_path / "masks")]))
        shares[signed] = [each.relevance["input-x-gradient"].mean for each in found.rows]
    assert [each.name for each in found.rows] == ["left", "rest", "right"]
    assert shares == {True: [1, 0, 0], False: [0.25, 0, 0.75]}


@pytest.mark.parametrize("corner", [(10, 12), (11, 13)])
def test_a_large_region_is_filled_exactly_wherever_the_coarse_pixels_lie(corner: tuple[int, int]) -> None:
    """A coarse pixel that is partly in the region knows nothing: its other part is a guess."""
    rows, columns = np.mgrid[:80, :96].astype(np.float32)
    ramp = (0.3 * rows + 0.7 * columns + 2)[None]
    region = np.zeros((80, 96), bool)
    region[corner[0] : 80 - corner[0], corner[1] : 96 - corner[1]] = True
    found = inpaint(np.where(region, 0, ramp).astype(np.float32), region)
    assert np.abs(found - ramp).max() < 0.01 * np.ptp(ramp)


def of_kinds(name: str, drops: dict[str, float], count: int = 10) -> RegionRow:
    """A region whose replacement costs so much, by what replaces it, on each picture, and always flips."""
    effects = {}
    for kind, drop in drops.items():
        change = np.full(count, -drop)
        mean, often = estimate(change), estimate(np.ones(count))
        assert mean is not None and often is not None
        effects[kind] = Effect(mean, often, change)
    area = estimate(np.full(count, 0.2))
    assert area is not None
    return RegionRow(name, area, {}, effects)


def test_the_sentence_has_the_range_over_the_replacements() -> None:
    hair = of_kinds("hair", {"mean": 0.24, "blur": 0.23, "inpaint": 0.19, "another": 0.55})
    face = of_kinds("face", {"mean": 0.07, "blur": 0.07, "inpaint": 0.1, "another": 0.29})
    found = RegionReport("net.onnx", 10, (face, hair))
    assert found.cause == "hair"
    assert found.sentence == (
        "It is the hair: replacing it costs 0.19 to 0.55 of the answer's probability, by what replaces it, "
        "and changes the decision on 100% of the pictures; next is face with 0.07 to 0.29 and 100%."
    )


def test_a_single_replacement_of_several_may_differ_and_is_named() -> None:
    hair = of_kinds("hair", {"mean": 0.5, "blur": 0.5, "inpaint": 0.1, "another": 0.5})
    face = of_kinds("face", {"mean": 0.1, "blur": 0.1, "inpaint": 0.2, "another": 0.1})
    found = RegionReport("net.onnx", 10, (hair, face))
    assert found.cause == "hair"
    assert found.dissent == {"inpaint": "face"}
    assert found.sentence.endswith("; replaced by its border, it is face.")
    assert found.to_dict()["dissent"] == {"inpaint": "face"}


def test_one_large_column_does_not_outvote_the_others() -> None:
    hair = of_kinds("hair", {"mean": 0.1, "blur": 0.1, "inpaint": 0.4, "another": 0.9})
    face = of_kinds("face", {"mean": 0.2, "blur": 0.2, "inpaint": 0.3, "another": 0.3})
    found = RegionReport("net.onnx", 10, (hair, face))
    assert found.ranked[0].name == "hair"
    assert found.cause is None
    assert found.sentence.startswith("No region decides by itself; most is the hair: ")
    assert found.sentence.endswith("; replaced by a mean, it is face; replaced by a blur, it is face.")


def test_of_two_replacements_none_may_differ() -> None:
    hair, face = of_kinds("hair", {"mean": 0.9, "blur": 0.1}), of_kinds("face", {"mean": 0.2, "blur": 0.2})
    assert RegionReport("net.onnx", 10, (hair, face)).cause is None


@pytest.mark.parametrize("drop", [0.0, -0.2])
def test_a_region_whose_replacement_costs_nothing_is_not_named(drop: float) -> None:
    found = RegionReport("net.onnx", 10, (of_kinds("hair", {"mean": drop}), of_kinds("face", {"mean": -0.3})))
    assert found.cause is None
    assert found.sentence == "No region decides: replacing one costs nothing of the answer's probability."


def test_a_single_picture_is_said_to_be_one() -> None:
    found = RegionReport(
        "net.onnx", 1, (of_kinds("hair", {"mean": 0.5}, 1), of_kinds("face", {"mean": 0.1}, 1))
    )
    assert found.sentence.endswith("; from one picture alone.")
    _, cells = found.table()
    assert cells[0] == ["hair", "20%", "-0.50, flips 100%"]


def test_the_table_has_the_intervals_of_the_effects() -> None:
    unsure = row("hair", [0.1, 0.5] * 5, 0.5)
    head, cells = RegionReport("net.onnx", 10, (unsure,)).table()
    change = unsure.effects["mean"].change
    assert head[-1] == "replaced by a mean"
    assert cells[0][-1] == f"-0.30 ({change.low:+.2f} to {change.high:+.2f}), flips 50%"
    assert change.low < -0.32 and change.high > -0.28
