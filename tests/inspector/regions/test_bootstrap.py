"""Intervals of means over pictures."""

import numpy as np
import pytest

from inspector.regions.bootstrap import estimate


def test_the_interval_is_about_two_standard_errors_on_either_side():
    values = np.random.default_rng(1).normal(3, 2, 400)
    found = estimate(values)
    error = values.std() / np.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert found.count == 400


def test_the_true_mean_lies_in_19_of_20_intervals():
    random = np.random.default_rng(2)
    inside = [estimate(random.exponential(1, 60), seed) for seed in range(200)]
    assert 0.88 <= np.mean([found.low <= 1 <= found.high for found in inside]) <= 0.98


def test_pictures_without_a_number_are_left_out():
    assert estimate(np.array([np.nan, 2.0, 4.0])).to_dict()["pictures"] == 2
    assert estimate(np.array([np.nan])) is None


def test_one_picture_has_no_interval():
    found = estimate(np.array([0.5]))
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)
    assert found.text() == "0.50"


def test_an_estimate_reads_as_a_mean_and_its_interval():
    found = estimate(np.array([0.0, 1.0, 1.0, 1.0]), seed=3)
    assert found.text(percent=True).startswith("75% (")
    assert found.text(sign=True).startswith("+0.75 (+")
