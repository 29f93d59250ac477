"""What is said of a heatmap, by the figures that were measured of it."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.explain import Heatmaps
from inspector.explain.registry import Method
from inspector.explain.trust import measured, rank_correlation

RAMP = np.arange(256, dtype=np.float32).reshape(1, 16, 16)
CHANCE, CENTRE = ((0.4, 0.7), (0.6, 0.5)), (0.8, 0.3)


@pytest.mark.parametrize(
    ("area", "fails"),
    [((0.6, 0.7), False), ((0.4, 0.5), False), ((0.6, 0.5), False), ((0.4, 0.7), True), ((0.5, 0.6), True)],
)
def test_a_map_fails_when_it_is_no_better_than_chance_both_coming_and_going(
    by_hand, monkeypatch, area, fails
):
    areas = iter([area, *CHANCE, CENTRE])
    monkeypatch.setattr("inspector.explain.trust.areas", lambda subject, order, blank: next(areas))
    shuffled = np.random.default_rng(0).permuted(RAMP).reshape(RAMP.shape)
    chosen = Method("made", lambda subject: shuffled, "", "forward", True)
    (record,) = measured(by_hand().subject.only(1), [chosen], [Heatmaps(RAMP)], {})
    assert (record.insertion, record.deletion) == area
    assert (record.insertion_random, record.deletion_random) == pytest.approx((0.5, 0.6))
    assert (record.insertion_centre, record.deletion_centre) == CENTRE
    said = "the pixels that it names matter no more to this model than pixels named by chance"
    assert record.failures == ((said,) if fails else ())


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
    said = "its map is nearly the same when the network's weights are random"
    assert (said in record.failures) is fails
