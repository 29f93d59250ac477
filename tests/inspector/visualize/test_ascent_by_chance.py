"""What chance does to the ascent: its beginning, the way each step looks, how pictures differ."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import saved, yes_or_no
from onnx import helper

from inspector.visualize import ascent
from inspector.visualize.sampling import drawn


@pytest.fixture
def views(monkeypatch):
    """The views that an ascent draws, as they are drawn."""
    found = []

    def noted(random, canvas, window):
        found.append(drawn(random, canvas, window))
        return found[-1]

    monkeypatch.setattr(ascent, "drawn", noted)
    return found


def places(views):
    return [(view.places.tobytes(), view.weights.tobytes()) for view in views]


def test_every_step_sees_the_picture_from_another_place(two_filters, views):
    two_filters.visualize("c", select=[0], steps=6)
    assert len(set(places(views))) == 6


def test_without_transforms_the_picture_is_seen_as_it_is(two_filters, views):
    two_filters.visualize("c", select=[0], steps=6, transforms=False)
    assert views == []


def test_a_seed_decides_from_where_the_picture_is_seen(two_filters, views):
    seen = []
    for seed in (3, 3, 4):
        two_filters.visualize("c", select=[0], steps=4, seed=seed)
        seen.append(places(views))
        views.clear()
    first, again, other = seen
    assert first == again
    assert not set(first) & set(other)


def test_a_seed_decides_with_which_picture_the_ascent_begins(two_filters):
    first, again, other = (
        two_filters.visualize("c", steps=80, seed=seed, transforms=False).pictures for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_views_are_turned_either_way_and_by_at_most_five_degrees():
    canvas = np.repeat(np.arange(40, dtype=np.float32)[:, None], 40, axis=1)[None, None]
    turns = []
    for seed in range(60):
        seen = drawn(np.random.default_rng(seed), (40, 40), (30, 30)).seen(canvas)[0, 0]
        middle = seen[10:20, 10:20]
        down, across = np.diff(middle, axis=0).mean(), np.diff(middle, axis=1).mean()
        turns.append(np.degrees(np.arctan2(across, down)))
    assert 4 < max(turns) <= 5.01
    assert -5.01 <= min(turns) < -4


def mean_correlation(pictures):
    """Of all pairs of pictures, (count, H, W)."""
    found = np.corrcoef(pictures.reshape(len(pictures), -1).astype(float))
    return found[np.triu_indices(len(pictures), 1)].mean()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_several_pictures_of_one_filter_are_pulled_apart_whatever_the_size_of_its_answers(tmp_path, size):
    """The filter has one best picture: those that begin anew find it again and again."""
    kernels = np.random.default_rng(0).normal(size=(1, 1, 6, 6)).astype(np.float32) * size
    model = saved(tmp_path, [helper.make_node("Conv", ["x", "w"], ["y"])], {"w": kernels}, ("N", 1, 10, 12))
    alone = [model.visualize("y", steps=100, seed=seed) for seed in range(3)]
    found = model.visualize("y", per_filter=3, steps=100)
    anew = np.stack([each.pictures[0, 0] for each in alone])
    assert mean_correlation(anew) > 0.9
    assert mean_correlation(found.pictures[0]) < 0.7
    assert not found.weak.any()
    assert found.activations.min() > 0.7 * max(each.activations.max() for each in alone)


def test_several_pictures_of_one_class_are_pulled_apart_though_its_scores_tell_them_not_apart(tmp_path):
    model, _ = yes_or_no(tmp_path)
    anew = np.stack([model.visualize(target=1, steps=100, seed=seed).pictures[0, 0] for seed in range(3)])
    together = model.visualize(target=1, per_filter=3, steps=100).pictures[0]
    assert mean_correlation(anew) > 0.9
    assert mean_correlation(together) < 0.7
