"""What chance does to the ascent: its beginning, the way each step looks, how pictures differ."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import saved
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


def test_several_pictures_of_one_filter_are_pulled_apart_in_what_it_leaves_open(tmp_path, monkeypatch):
    """The filter asked for wants its left half white; the layer's others see the right half."""
    kernels = np.zeros((3, 1, 4, 8), np.float32)
    kernels[0, 0, :, :4] = 1
    kernels[1, 0, :2, 4:], kernels[1, 0, 2:, 4:] = 1, -1
    kernels[2, 0, :, 4:6], kernels[2, 0, :, 6:] = 1, -1
    model = saved(tmp_path, [helper.make_node("Conv", ["x", "w"], ["y"])], {"w": kernels}, ("N", 1, 10, 12))

    def distance(weight: float) -> float:
        monkeypatch.setattr(ascent, "_DIVERSE", weight)
        found = []
        for seed in range(4):
            pair = model.visualize("y", select=[0], per_filter=2, steps=40, seed=seed).pictures[0] / 255
            answers = pair.reshape(2, -1) @ kernels[1:].reshape(2, -1).T
            found.append(np.linalg.norm(answers[0] - answers[1]))
        return float(np.mean(found))

    # Stronger than it is, to be seen within few steps.
    apart, free = distance(5 * ascent._DIVERSE), distance(0.0)
    assert apart > 1.1 * free
