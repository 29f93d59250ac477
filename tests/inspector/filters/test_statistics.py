from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.filters.reduction import mean, principal
from inspector.filters.statistics import dead, duplicates, similarity_order, statistics

RNG = np.random.default_rng(0)


def none_of(kernels: np.ndarray) -> np.ndarray:
    return np.zeros(len(kernels), bool)


def one_group(kernels: np.ndarray) -> np.ndarray:
    return np.zeros(len(kernels), np.int64)


def test_statistics_are_those_of_all_weights_of_a_filter() -> None:
    kernels = RNG.normal(0, 1, (5, 3, 4, 2)).astype(np.float32)
    found = statistics(kernels)
    for row, kernel in enumerate(kernels.astype(np.float64)):
        assert found.norm[row] == pytest.approx(sum(w * w for w in kernel.ravel()) ** 0.5)
        assert (found.minimum[row], found.maximum[row]) == (min(kernel.ravel()), max(kernel.ravel()))
        assert found.mean[row] == pytest.approx(sum(kernel.ravel()) / 24)
    assert found.nonfinite.tolist() == [0] * 5


def test_statistics_leave_out_what_is_no_number_and_count_it() -> None:
    found = statistics(np.array([[3.0, np.nan, -4.0, np.inf], [np.nan] * 4, [1, 1, 1, 1]]))
    assert found.norm.tolist() == [5, 0, 2]
    assert found.nonfinite.tolist() == [2, 4, 0]
    assert (found.minimum[0], found.maximum[0], found.mean[0]) == (-4, 3, -0.5)
    assert np.isnan([found.minimum[1], found.maximum[1], found.mean[1]]).all()


def test_statistics_do_not_depend_on_how_many_filters_are_worked_on_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernels = RNG.normal(0, 1, (50, 7))
    whole = statistics(kernels)
    monkeypatch.setattr("inspector.filters.statistics._BLOCK_ELEMENTS", 20)
    parts = statistics(kernels)
    assert (whole.norm == parts.norm).all()
    assert (whole.mean == parts.mean).all()


def test_statistics_of_filters_without_weights_are_empty() -> None:
    found = statistics(np.zeros((3, 0, 2, 2)))
    assert found.norm.tolist() == [0, 0, 0]
    assert np.isnan(found.mean).all()
    assert statistics(np.zeros((0, 3))).norm.shape == (0,)


def test_a_filter_is_dead_at_a_thousandth_of_the_largest_norm() -> None:
    kernels = np.array([[1000.0], [1.0], [1.01], [0.0], [np.nan]])
    assert dead(statistics(kernels)).tolist() == [False, True, False, True, False]


def test_all_filters_of_zeros_are_dead() -> None:
    assert dead(statistics(np.zeros((3, 4)))).all()


def test_duplicates_are_found_up_to_a_factor_of_either_sign() -> None:
    kernels = RNG.normal(0, 1, (8, 30))
    kernels[5] = 3 * kernels[1]
    kernels[6] = -0.01 * kernels[1] + RNG.normal(0, 1e-4, 30)
    kernels[7] = kernels[2] * 1e-30
    assert duplicates(kernels, none_of(kernels), one_group(kernels)) == ((1, 5, 6), (2, 7))


def test_duplicates_need_a_cosine_of_99_percent() -> None:
    angle = np.arccos([1.0, 0.9901, 0.9899])
    kernels = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert duplicates(kernels, none_of(kernels), one_group(kernels))[0] == (0, 1)


def test_duplicates_are_like_the_first_of_their_group_not_along_a_chain() -> None:
    angle = np.radians([0, 6, 12, 18])  # the cosine of 6° is above 0.99, that of 12° is below
    kernels = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert duplicates(kernels, none_of(kernels), one_group(kernels)) == ((0, 1), (2, 3))


def test_filters_that_are_left_out_or_see_other_channels_are_no_duplicates() -> None:
    kernels = np.ones((4, 9))
    out = np.array([False, True, False, False])
    assert duplicates(kernels, out, np.array([0, 0, 0, 1])) == ((0, 2),)


def test_filters_of_one_weight_are_no_duplicates() -> None:
    assert duplicates(np.ones((4, 1)), np.zeros(4, bool), np.zeros(4, np.int64)) == ()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 8))
def test_duplicates_are_those_of_a_plain_search_whatever_the_block(seed: int, count: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    kernels = rng.normal(0, 1, (5, 6))[rng.integers(0, 5, count)] * rng.uniform(0.5, 2, (count, 1))
    expected, taken = [], set()
    for i in range(count):
        same = [
            j
            for j in range(i + 1, count)
            if not {i, j} & taken
            and abs(kernels[i] @ kernels[j]) >= 0.99 * np.linalg.norm(kernels[i]) * np.linalg.norm(kernels[j])
        ]
        if same:
            taken.update(same)
            expected.append((i, *same))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inspector.filters.statistics._BLOCK_ROWS", block)
        assert duplicates(kernels, none_of(kernels), one_group(kernels)) == tuple(expected)


def test_the_order_by_similarity_follows_a_turning_pattern() -> None:
    angles = np.radians([0, 100, 20, 80, 40, 60])
    kernels = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    kernels[0] *= 1.5  # the strongest comes first
    assert similarity_order(kernels).tolist() == [0, 2, 4, 5, 3, 1]


def test_the_order_by_similarity_puts_zero_and_broken_filters_last() -> None:
    kernels = np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, 1.0], [-2.0, 0.0], [1.0, 0.1]])
    assert similarity_order(kernels).tolist() == [3, 4, 1, 0, 2]


def test_the_order_by_similarity_of_nothing_is_the_order_given() -> None:
    assert similarity_order(np.zeros((3, 4))).tolist() == [0, 1, 2]
    assert similarity_order(np.zeros((0, 4))).tolist() == []


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_the_order_by_similarity_has_every_filter_once(count: int, seed: int) -> None:
    kernels = np.random.default_rng(seed).integers(-1, 2, (count, 3)).astype(float)
    assert sorted(similarity_order(kernels).tolist()) == list(range(count))


@pytest.mark.parametrize("shape", [(6, 5, 3, 3), (6, 20, 3, 3), (4, 9, 1, 1), (3, 4, 2, 3, 3), (1, 2, 3, 3)])
def test_the_principal_component_is_the_best_pattern_of_rank_one(shape: tuple[int, ...]) -> None:
    kernels = np.random.default_rng(1).normal(0, 1, shape) + 0.5
    found = principal(kernels)
    assert found.shape == (shape[0], 1, *shape[2:])
    for kernel, component in zip(kernels.reshape(*shape[:2], -1), found.reshape(shape[0], -1), strict=True):
        u, sigma, v = np.linalg.svd(kernel, full_matrices=False)
        expected = v[0] * sigma[0] / np.sqrt(shape[1]) * np.sign(u[:, 0].sum())
        np.testing.assert_allclose(component, expected, rtol=1e-6, atol=1e-9)


def test_the_principal_component_of_one_channel_is_the_kernel_itself() -> None:
    kernels = RNG.normal(-1, 1, (8, 1, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(principal(kernels), kernels, rtol=1e-5, atol=1e-6)


def test_the_principal_component_of_equal_slices_is_that_slice() -> None:
    slices = RNG.normal(0, 1, (1, 1, 3, 3))
    np.testing.assert_allclose(principal(np.repeat(slices, 7, axis=1)), slices, rtol=1e-9)


def test_the_sign_of_a_balanced_component_makes_its_largest_weight_positive() -> None:
    slices = np.array([[[[0.0, -3.0, 1.0]], [[0.0, 3.0, -1.0]]]])
    np.testing.assert_allclose(principal(slices), [[[[0, 3, -1]]]], atol=1e-12)


def test_the_principal_component_of_zeros_is_zero_and_of_nan_is_nan() -> None:
    kernels = np.zeros((3, 2, 2, 2), np.float32)
    kernels[1, 0, 0, 0] = np.inf
    found = principal(kernels)
    assert (found[[0, 2]] == 0).all()
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_the_principal_component_scales_with_the_weights(factor: float) -> None:
    kernels = RNG.normal(0, 1, (2, 3, 3, 3))
    np.testing.assert_allclose(principal(kernels * factor), principal(kernels) * factor, rtol=1e-9)


def test_the_mean_is_over_the_input_channels_in_the_type_of_the_kernels() -> None:
    kernels = RNG.normal(0, 1, (4, 6, 2, 3)).astype(np.float32)
    found = mean(kernels)
    assert found.dtype == np.float32
    expected = sum(kernels[:, channel].astype(float) for channel in range(6)) / 6
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324])
def test_weights_of_any_size_have_a_norm(scale: float) -> None:
    kernels = scale * np.array([[3.0, 4.0], [6.0, 8.0], [0.0, 0.0]])
    found = statistics(kernels)
    assert found.norm == pytest.approx(np.array([5, 10, 0]) * scale, rel=1e-12, abs=0)
    assert found.mean == pytest.approx(np.array([3.5, 7, 0]) * scale, rel=0.2 if scale < 1e-320 else 1e-12)
    assert dead(found).tolist() == [False, False, True]


def test_a_norm_beyond_float64_is_the_largest() -> None:
    found = statistics(np.full((2, 9), np.finfo(np.float64).max))
    assert (found.norm == np.finfo(np.float64).max).all()
    assert found.mean == pytest.approx(np.finfo(np.float64).max)
    assert not dead(found).any()
