"""How far two values are apart, and when they count as equal."""

import numpy as np
import pytest

from converters.difference import Agreement, Difference, agreement, as_model, as_source, worst


def test_equal_arrays_differ_by_nothing():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert Difference.between("a", "a:0", array, array.copy()) == Difference("a", "a:0", 0.0, 5.0)


def test_a_difference_is_the_largest_one_of_any_element():
    found = Difference.between("a", "a:0", np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 2.75]))
    assert found.max_abs == 0.5
    assert not found.equal


def test_what_is_allowed_grows_with_the_largest_value_but_never_falls_below_that_of_one():
    assert Difference("a", "a", 0.0, 1000.0).allowed == pytest.approx(1e-2)
    assert Difference("a", "a", 0.0, 1e-6).allowed == pytest.approx(1e-5)
    assert Difference("a", "a", 1e-5, 0.5).equal
    assert not Difference("a", "a", 1.01e-5, 0.5).equal


def test_channels_first_is_compared_with_channels_last():
    last = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    first = np.moveaxis(last, -1, 1)
    assert Difference.between("a", "a", last, first, layout="channels second").max_abs == 0.0
    assert Difference.between("a", "a", last, first).max_abs == np.inf
    assert Difference.between("a", "a", last[0, 0], last[0, 0], layout="channels second").max_abs == np.inf


def test_where_both_layouts_fit_each_is_judged_by_itself():
    cube = np.random.default_rng(0).normal(size=(2, 4, 4, 4))
    turned = np.moveaxis(cube, -1, 1)
    assert Difference.between("a", "a", cube, turned, layout="channels second").max_abs == 0.0
    assert Difference.between("a", "a", cube, turned).max_abs > 1.0


def test_an_output_has_the_very_shape_of_the_sources():
    pooled = np.arange(6.0).reshape(2, 3)
    assert Difference.between("a", "a", pooled, pooled.reshape(2, 3, 1), layout="exact").max_abs == np.inf
    assert Difference.between("a", "a", pooled, pooled, layout="exact").max_abs == 0.0


def test_another_shape_differs_without_bound():
    assert Difference.between("a", "a", np.zeros((2, 3)), np.zeros((3, 2))).max_abs == np.inf


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_differs_from_one_that_is(bad):
    assert not Difference.between("a", "a", np.array([1.0]), np.array([bad])).equal
    assert not Difference.between("a", "a", np.array([bad]), np.array([1.0])).equal
    assert Difference.between("a", "a", np.array([bad, 2.0]), np.array([bad, 2.0])) == Difference(
        "a", "a", 0.0, 2.0
    )


def test_axes_of_size_one_do_not_count():
    pooled = np.arange(6.0).reshape(2, 3)
    assert Difference.between("a", "a", pooled, pooled.reshape(2, 3, 1, 1)).max_abs == 0.0
    assert Difference.between("a", "a", pooled, pooled.reshape(3, 2, 1, 1)).max_abs == np.inf


def test_where_large_terms_cancel_the_sources_own_rounding_is_allowed():
    exact, rounded, nudged = np.array([0.5]), np.array([0.5 + 3e-4]), np.array([0.5 + 1e-5])
    assert not Difference.between("a", "a", exact, rounded).equal
    assert Difference.between("a", "a", exact, rounded, nudged).equal
    assert not Difference.between("a", "a", exact, exact + 8e-4, nudged).equal


def test_the_worst_trial_of_each_name_is_kept_in_the_order_of_the_graph():
    small, large, huge_scale = (
        Difference("b", "b", 1e-6, 1.0),
        Difference("b", "b", 1e-4, 1.0),
        Difference("b", "b", 1e-3, 1e6),
    )
    first = Difference("a", "a", 0.0, 1.0)
    assert worst([small, first, large, huge_scale]) == (large, first)


def test_quantised_integers_are_counted_in_steps_and_one_may_lie_between():
    expected, got = np.array([[10, 200]], np.uint8), np.array([[11, 200]], np.uint8)
    one = Difference.between("a", "a", expected, got, step=0.1, steps=1)
    assert one.max_abs == pytest.approx(0.1)
    assert one.largest == pytest.approx(20.0)
    assert one.equal
    two = Difference.between("a", "a", expected, got + np.uint8(1), step=0.1, steps=1)
    assert two.max_abs == pytest.approx(0.2)
    assert not two.equal


def test_real_numbers_of_quantised_values_are_not_scaled_again():
    found = Difference.between("a", "a", np.array([1.5]), np.array([1.6]), step=0.1, steps=1)
    assert found.max_abs == pytest.approx(0.1)
    assert found.equal


def test_agreement_counts_the_samples_with_the_same_likeliest_class_and_ties_count():
    expected = np.array([[0.1, 0.9], [0.5, 0.5], [0.7, 0.3]])
    got = np.array([[0.2, 0.8], [0.4, 0.6], [0.4, 0.6]])
    assert agreement(expected, got) == Agreement(2, 3)
    assert agreement(expected, got, 2) == Agreement(2, 2)
    assert agreement(expected.reshape(3, 1, 1, 2), got.reshape(3, 1, 1, 2)) == Agreement(2, 3)
    assert str(Agreement(2, 3)) == "2 of 3"


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 1)), np.zeros((2, 3, 3)), np.zeros(3), np.zeros((2, 3), np.int64), np.zeros((0, 3))],
    ids=["one number", "a picture", "no batch", "indices", "no sample"],
)
def test_what_holds_no_class_scores_has_no_likeliest_class(array):
    assert agreement(array, array) is None


def test_agreements_of_all_trials_add_up():
    base = Difference("y", "y", 0.0, 1.0, top1=Agreement(1, 2))
    (found,) = worst([base, Difference("y", "y", 1e-3, 1.0, top1=Agreement(3, 3)), base])
    assert found.max_abs == 1e-3
    assert found.top1 == Agreement(5, 7)
    assert base.worse(Difference("y", "y", 0.0, 1.0)).top1 == Agreement(1, 2)


@pytest.mark.parametrize("layout", ["same", "channels second"])
def test_a_sources_array_is_turned_into_the_models_layout_and_back(layout):
    array = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    shape = (2, 3, 5, 6) if layout == "channels second" else (2, 5, 6, 1, 3)
    turned = as_model(array, shape, layout)
    assert turned.shape == shape
    assert np.array_equal(as_source(turned, array.shape, layout), array)
    assert as_model(array, (2, 3, 5, 7), layout) is None
