"""The inputs of a comparison."""

import numpy as np

from converters.trials import FREE_AXIS, Pictures, TensorSpec, Trial, standard_trials

PICTURE = TensorSpec("input/X:0", np.dtype("float32"), (None, 9, 9, 1))


def test_the_standard_trials_use_several_seeds_batch_one_and_more_and_every_scale():
    trials = standard_trials()
    assert len({trial.seed for trial in trials}) == len(trials) == 4
    assert 1 in {trial.batch for trial in trials}
    assert max(trial.batch for trial in trials) > 1
    assert max(np.abs(trial.feeds([PICTURE])["input/X:0"]).max() for trial in trials) > 200


def test_a_free_first_axis_is_the_batch_and_other_free_axes_get_one_size():
    spec = TensorSpec("x", np.dtype("float32"), (None, None, 3))
    assert Trial(0, 5, "uniform in 0..1").feeds([spec])["x"].shape == (5, FREE_AXIS, 3)


def test_a_fixed_batch_stays():
    spec = TensorSpec("x", np.dtype("float16"), (1, 4))
    array = Trial(0, 5, "normal with deviation 1").feeds([spec])["x"]
    assert array.shape == (1, 4)
    assert array.dtype == np.float16


def test_an_unknown_rank_is_taken_as_a_batch_of_numbers_and_a_scalar_stays_one():
    free, scalar = TensorSpec("f", np.dtype("float32"), None), TensorSpec("s", np.dtype("float32"), ())
    feeds = Trial(0, 4, "uniform in 0..1").feeds([free, scalar])
    assert feeds["f"].shape == (4,)
    assert feeds["s"].shape == ()


def test_integers_are_valid_indices_of_small_tables():
    spec = TensorSpec("ids", np.dtype("int64"), (None, 50))
    array = Trial(2, 3, "uniform in 0..255").feeds([spec])["ids"]
    assert array.dtype == np.int64
    assert set(np.unique(array)) == {0, 1}


def test_a_seed_always_draws_the_same_and_another_seed_something_else():
    one, again, other = (
        Trial(seed, 2, "uniform in 0..1").feeds([PICTURE])["input/X:0"] for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_nudge_moves_every_float_by_one_unit_in_the_last_place_and_leaves_integers():
    feeds = {"x": np.array([1.0, 100.0, -3.0, 0.5] * 8, np.float32), "i": np.arange(3)}
    nudged = Trial(0, 1, "uniform in 0..1").nudged(feeds)
    assert nudged["x"].dtype == np.float32
    steps = np.abs(nudged["x"] - feeds["x"]) / np.spacing(np.abs(feeds["x"]))
    assert set(steps) <= {0.5, 1.0}
    assert {True, False} == set(nudged["x"] > feeds["x"])
    assert np.array_equal(nudged["i"], feeds["i"])


def test_pixels_of_eight_bits_get_their_full_range():
    for dtype, low, high in (("uint8", 0, 255), ("int8", -128, 127)):
        spec = TensorSpec("x", np.dtype(dtype), (1, 64, 64, 3))
        array = Trial(0, 1, "uniform in 0..1").feeds([spec])["x"]
        assert array.dtype == dtype
        assert (array.min(), array.max()) == (low, high)


def test_truth_values_are_drawn_both_ways():
    array = Trial(0, 1, "uniform in 0..1").feeds([TensorSpec("b", np.dtype(bool), (50,))])["b"]
    assert array.dtype == bool
    assert set(array) == {False, True}


def test_more_trials_repeat_the_distributions_with_new_seeds():
    trials = standard_trials(6)
    assert [trial.seed for trial in trials] == [0, 1, 2, 3, 4, 5]
    assert trials[4].drawn == trials[0].drawn
    assert standard_trials(1) == trials[:1]


def test_a_trial_says_the_batch_that_the_inputs_fix():
    trial = Trial(1, 3, "uniform in 0..1")
    assert trial.fitted([PICTURE]) == trial
    assert trial.fitted([TensorSpec("x", np.dtype("float32"), (1, 4))]).batch == 1
    assert trial.fitted([TensorSpec("x", np.dtype("float32"), ())]) == trial


def test_pictures_are_given_as_they_are_and_nudged_in_the_last_bit():
    array = np.full((2, 9, 9, 1), 0.5, np.float32)
    pictures = Pictures(("a.png", "b.png"), {"input/X:0": array})
    assert pictures.drawn == "from pictures"
    assert Pictures(("a.png",), {}).drawn == "from the picture a.png"
    assert pictures.feeds([PICTURE])["input/X:0"] is array
    moved = pictures.nudged(pictures.feeds([PICTURE]))["input/X:0"]
    assert 0 < np.abs(moved - array).max() < 1e-7
