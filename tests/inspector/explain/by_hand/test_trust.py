"""How far a heatmap can be trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inspector.explain import Heatmaps, find
from inspector.explain.registry import Method
from inspector.explain.trust import Trust, areas, measured, pixel_order, rank_correlation, summary


def constant(values, name="made", signed=True):
    return Method(name, lambda subject: values, "", "forward", signed)


def test_rank_correlation_is_spearmans_of_the_magnitudes():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    one = random.integers(-4, 5, (6, 7)).astype(np.float32)
    other = one + random.normal(0, 3, one.shape).astype(np.float32)
    expected = spearmanr(np.abs(one).ravel(), np.abs(other).ravel()).statistic
    assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-9)
    assert rank_correlation(one, np.ones_like(one)) == 0


def test_the_order_of_pixels_begins_with_the_strongest_and_shuffles_equal_ones():
    values = np.array([[0, 3, 0], [-1, 0, 7]], np.float32)
    orders = [pixel_order(values, np.random.default_rng(seed)) for seed in range(8)]
    assert {tuple(order[:2]) for order in orders} == {(5, 1)}
    assert {order[-1] for order in orders} == {3}
    assert len({tuple(order[2:5]) for order in orders}) > 1


def test_insertion_and_deletion_are_the_areas_under_curves_of_the_probability(by_hand):
    subject = by_hand().subject.only(1)
    order = np.random.default_rng(3).permutation(256)
    blank, picture = subject.blank("blur"), subject.inputs
    curves = {"in": [], "out": []}
    for tenth in range(11):
        first = np.zeros(256, bool)
        first[order[: round(tenth * 25.6)]] = True
        first = first.reshape(16, 16)
        for key, shown in (("in", first), ("out", ~first)):
            seen = np.where(shown, picture, blank)
            curves[key].append(float(subject.probabilities(seen)[0, 1]))
    expected = [np.trapezoid(curve, dx=0.1) for curve in curves.values()]
    assert areas(subject, order, blank) == pytest.approx(expected, abs=1e-5)


def test_a_map_of_what_the_model_reads_beats_chance_and_fails_nothing(by_hand):
    built = by_hand("conv", (0, 0))
    one = built.subject.only(1)
    methods = [find("gradient"), find("occlusion")]
    found = [each.run(one, {}) for each in methods]
    records = measured(one, methods, found, {})
    for record in records:
        assert record.insertion - record.deletion > 2 * record.spread
        assert not any("by chance" in failure for failure in record.failures)
        assert record.cautions == ()
    assert records[0].failures == ()
    assert [record.blank for record in records] == ["blur", "mean"]
    first, second = (each.values[0] for each in found)
    assert records[0].agreement == pytest.approx(rank_correlation(first, second))


def test_orders_by_chance_count_forwards_and_backwards(by_hand):
    one = by_hand().subject.only(1)
    ramp = np.arange(256, dtype=np.float32).reshape(1, 16, 16)
    (record,) = measured(one, [constant(ramp)], [Heatmaps(ramp)], {})
    random = np.random.default_rng(one.seed)
    both = []
    for order in [random.permutation(256) for _ in range(5)]:
        both += [areas(one, order, one.blank("blur")), areas(one, order[::-1], one.blank("blur"))]
    apart = [insertion - deletion for insertion, deletion in both]
    assert record.chance == pytest.approx(np.mean(both), abs=1e-4)
    assert record.spread == pytest.approx(np.std(apart), abs=2e-3)
    assert abs(np.mean(apart)) < 1e-3


@pytest.mark.parametrize("name", ["input-x-gradient", "lrp", "integrated-gradients", "deeplift"])
def test_a_map_is_tested_against_what_its_method_compares_with(by_hand, name):
    built = by_hand("conv", (3, 8))
    light = built.subject.only(1)
    chosen = find(name)
    (record,) = measured(light, [chosen], [chosen.run(light, {})], {})
    assert record.blank == ("black" if "blank" in chosen.options else "zero")
    assert record.failures == ()
    expected = areas(
        light, pixel_order(chosen.run(light, {}).values[0], np.random.default_rng(9)), light.blank("black")
    )
    assert (record.insertion, record.deletion) == pytest.approx(expected, abs=0.02)


def test_maps_of_noise_fail(by_hand):
    one = by_hand("conv", (0, 0)).subject.only(1)
    failed = 0
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((1, 16, 16)).astype(np.float32)
        (record,) = measured(one, [constant(noise)], [Heatmaps(noise)], {})
        failed += any("by chance" in failure for failure in record.failures)
    assert failed >= 18


def test_two_maps_of_noise_on_black_ground_are_not_called_alike(by_hand):
    subject = by_hand("linear").subject.only(1)
    random = np.random.default_rng(0)
    ground = random.random((16, 16)) < 0.8
    subject = replace(subject, inputs=np.where(ground, 0, subject.inputs).astype(np.float32))
    drawn = iter(random.standard_normal((2, 1, 16, 16)).astype(np.float32))

    def noise(given):
        return next(drawn) * given.inputs[:, 0]

    chosen = Method("noise", noise, "", "gradient", True, nothing="zero")
    (record,) = measured(subject, [chosen], [chosen.run(subject, {})], {})
    assert abs(record.randomised) < 0.5


def test_a_map_of_what_the_model_does_not_read_is_said_to_fail(by_hand):
    built = by_hand("conv", (0, 0))
    one = built.subject.only(1)
    wrong = np.where(built.mask, 0, 1).astype(np.float32)[None]
    (record,) = measured(one, [constant(wrong)], [Heatmaps(wrong)], {})
    assert record.agreement is None
    assert record.randomised == pytest.approx(1)
    assert record.failures == (
        "replaced by a blur, the pixels that it names matter no more to this model than pixels named by "
        "chance",
        "its map is much the same when the network's weights are random",
    )


def test_a_flat_map_is_said_to_say_nothing(by_hand):
    one = by_hand().subject.only(0)
    flat = np.ones((1, 16, 16), np.float32)
    (record,) = measured(one, [constant(flat)], [Heatmaps(flat)], {})
    assert record.failures == ("its map is the same everywhere, so that it says nothing about this picture",)
    assert record.randomised is None


def test_a_method_that_refuses_the_random_network_has_no_figure_for_it(by_hand):
    from inspector.errors import OptionError

    def refusing(subject):
        raise OptionError("not this network", "")

    one = by_hand().subject.only(0)
    chosen = Method("refusing", refusing, "", "forward", True)
    ramp = np.arange(256, dtype=np.float32).reshape(1, 16, 16)
    (record,) = measured(one, [chosen], [Heatmaps(ramp)], {})
    assert record.randomised is None


def test_the_random_network_is_explained_once_for_a_method(by_hand):
    calls = []

    def counting(subject):
        calls.append(subject)
        return np.arange(256, dtype=np.float32).reshape(1, 16, 16)

    subject = by_hand().subject
    chosen = Method("counting", counting, "", "forward", True)
    ramp = Heatmaps(np.arange(256, dtype=np.float32).reshape(1, 16, 16))
    for index in range(3):
        measured(subject.only(index), [chosen], [ramp], {})
    assert len(calls) == 1


def test_a_record_reads_as_a_sentence_and_several_as_their_mean():
    one = Trust("blur", 0.8, 0.2, 0.5, 0.1, 0.6, 0.4, 0.25, 0.1)
    other = Trust("black", 0.6, 0.4, 0.5, 0.1, 0.6, 0.4, None, None, ("its map is odd",), ("it is weak",))
    assert one.sentence == (
        "insertion 0.80 (chance 0.50, centre 0.60); deletion 0.20 (chance 0.50, centre 0.40); "
        "agrees with the others +0.25; like the map of random weights +0.10"
    )
    assert summary([other]).endswith("; FAILS: its map is odd; weak: it is weak")
    assert summary([one, other]) == (
        "insertion 0.70 (chance 0.50, centre 0.60); deletion 0.30 (chance 0.50, centre 0.40); "
        "agrees with the others +0.25; like the map of random weights +0.10; "
        "FAILS on 1 of 2 pictures: its map is odd; weak on 1 of 2 pictures: it is weak"
    )
    assert other.to_dict() == {
        "blank": "black",
        "insertion": 0.6,
        "deletion": 0.4,
        "chance": 0.5,
        "spread": 0.1,
        "insertion_centre": 0.6,
        "deletion_centre": 0.4,
        "agreement": None,
        "randomised": None,
        "failures": ["its map is odd"],
        "cautions": ["it is weak"],
    }
