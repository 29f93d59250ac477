"""What is said of a heatmap, by the figures that were measured of it."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.explain import Heatmaps
from inspector.explain.registry import Method
from inspector.explain.trust import measured, rank_correlation

RAMP = np.arange(256, dtype=np.float32).reshape(1, 16, 16)
# Insertion less deletion of five orders by chance: their root mean square is 0.1.
CHANCE = ((0.5, 0.4), (0.4, 0.5), (0.6, 0.5), (0.5, 0.6), (0.45, 0.55))
CENTRE = (0.7, 0.35)


@pytest.mark.parametrize(
    ("area", "fails", "weak"),
    [
        ((0.8, 0.3), False, False),
        ((0.65, 0.35), False, True),
        ((0.6, 0.39), False, True),
        ((0.6, 0.41), True, False),
        ((0.4, 0.7), True, False),
    ],
)
def test_a_map_fails_when_it_is_not_clearly_better_than_chance_and_is_weak_beside_the_middle(
    by_hand, monkeypatch, area, fails, weak
):
    found = iter([*CHANCE, CENTRE, area])
    monkeypatch.setattr("inspector.explain.trust.areas", lambda subject, order, blank: next(found))
    shuffled = np.random.default_rng(0).permuted(RAMP).reshape(RAMP.shape)
    chosen = Method("made", lambda subject: shuffled, "", "forward", True)
    (record,) = measured(by_hand().subject.only(1), [chosen], [Heatmaps(RAMP)], {})
    assert (record.insertion, record.deletion) == area
    assert (record.chance, record.spread) == pytest.approx((0.5, 0.1))
    assert (record.insertion_centre, record.deletion_centre) == CENTRE
    said = (
        "replaced by a blur, the pixels that it names matter no more to this model than pixels named by "
        "chance"
    )
    assert record.failures == ((said,) if fails else ())
    middle = "it names no better than the distance from the middle of the picture does"
    assert record.cautions == ((middle,) if weak else ())


@pytest.mark.parametrize(("swapped", "fails"), [(100, True), (150, False)])
def test_a_map_fails_when_half_of_its_order_is_that_of_random_weights(by_hand, monkeypatch, swapped, fails):
    monkeypatch.setattr("inspector.explain.trust.areas", lambda subject, order, blank: (0.5, 0.5))
    values = RAMP.copy()
    places = np.random.default_rng(1).permutation(256)[:swapped]
    values.flat[places] = values.flat[np.random.default_rng(2).permutation(places)]
    alike = rank_correlation(values, RAMP)
    assert (0.5 if fails else 0.3) < alike < (0.7 if fails else 0.5)
    chosen = Method("made", lambda subject: values, "", "forward", True)
    (record,) = measured(by_hand().subject.only(1), [chosen], [Heatmaps(RAMP)], {})
    assert record.randomised == pytest.approx(alike)
    said = "its map is much the same when the network's weights are random"
    assert (said in record.failures) is fails
