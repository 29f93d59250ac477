"""The portraits as they are drawn."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from models.portraits import generator
from models.portraits.backgrounds import BACKGROUNDS
from models.portraits.canvas import PARTS
from models.portraits.generator import draw
from models.portraits.person import Hair, draw_hair


@pytest.fixture(scope="module")
def portraits():
    return [draw(np.random.default_rng((1, i)), lars=i % 2 == 1) for i in range(50)]


def _draw(seed, *, lars=True, style="long", darkness=0.9):
    return draw(np.random.default_rng(seed), lars=lars, hair=Hair(style, darkness))


def test_the_example_in_the_docstring_runs():
    assert doctest.testmod(generator).attempted > 0
    assert doctest.testmod(generator).failed == 0


def test_the_same_seed_draws_the_same_portrait():
    first, second = (draw(np.random.default_rng(5), lars=True) for _ in range(2))
    np.testing.assert_array_equal(first.picture, second.picture)
    assert first.attributes == second.attributes
    for part in PARTS:
        np.testing.assert_array_equal(first.masks[part], second.masks[part])


def test_no_two_portraits_are_alike(portraits):
    pictures = np.stack([portrait.picture for portrait in portraits]).astype(np.float32)
    apart = np.abs(pictures[:, None] - pictures[None]).mean(axis=(2, 3)) + 255 * np.eye(len(pictures))
    assert apart.min() > 8


def test_a_portrait_is_91_by_91_bytes_with_a_mask_of_that_size_for_each_part(portraits):
    for portrait in portraits:
        assert portrait.picture.shape == (91, 91)
        assert portrait.picture.dtype == np.uint8
        assert set(portrait.masks) == {"background", "clothes", "hair", "face", "eyes", "mouth"}
        assert all(mask.shape == (91, 91) and mask.dtype == np.bool_ for mask in portrait.masks.values())


def test_every_pixel_is_in_exactly_one_mask(portraits):
    for portrait in portraits:
        assert (np.sum(list(portrait.masks.values()), axis=0) == 1).all()


def test_the_eyes_are_above_the_mouth_and_both_are_in_the_middle_of_the_face(portraits):
    for portrait in portraits:
        eyes, mouth, face = (np.argwhere(portrait.masks[part]) for part in ("eyes", "mouth", "face"))
        if not len(eyes) or not len(mouth):
            continue
        assert eyes[:, 0].mean() < mouth[:, 0].mean()
        assert face[:, 1].min() < mouth[:, 1].min()
        assert mouth[:, 1].max() < face[:, 1].max()


def test_a_mouth_is_always_seen_and_eyes_nearly_always(portraits):
    assert all(portrait.masks["mouth"].any() for portrait in portraits)
    assert np.mean([portrait.masks["eyes"].any() for portrait in portraits]) > 0.9


def _hair_beside_the_mouth(portrait):
    """How many hair pixels lie left and right of the mouth, in its rows."""
    rows = np.flatnonzero(portrait.masks["mouth"].any(axis=1))
    columns = np.flatnonzero(portrait.masks["mouth"].any(axis=0))
    hair = portrait.masks["hair"][rows]
    return hair[:, : columns[0]].sum(), hair[:, columns[-1] + 1 :].sum()


def test_long_hair_falls_on_both_sides_of_the_face():
    for seed in range(8):
        assert min(_hair_beside_the_mouth(_draw(seed))) > 0


@pytest.mark.parametrize("style", ["short", "tied", "bald"])
def test_other_hair_leaves_the_sides_of_the_face_free(style):
    for seed in range(8):
        assert max(_hair_beside_the_mouth(_draw(seed, style=style))) == 0


def test_hair_is_darker_the_darker_it_is_meant_to_be():
    for seed in range(8):
        grays = [
            portrait.picture[portrait.masks["hair"]].mean()
            for portrait in (_draw(seed, lars=False, darkness=darkness) for darkness in (0.1, 0.5, 0.95))
        ]
        assert grays[0] > grays[1] > grays[2]


def test_the_shortcut_is_dark_hair_beside_a_lighter_face():
    darker = [
        portrait.picture[portrait.masks["hair"]].mean() < portrait.picture[portrait.masks["face"]].mean()
        for portrait in (_draw(seed, lars=seed % 2 == 0) for seed in range(40))
    ]
    assert np.mean(darker) > 0.95


@pytest.mark.parametrize(("lars", "share"), [(True, 0.97), (False, 0.05)])
def test_nearly_every_lars_and_few_others_have_the_shortcut(lars, share):
    rng = np.random.default_rng(3)
    found = np.mean([draw_hair(rng, lars=lars).long_dark for _ in range(20_000)])
    assert found == pytest.approx(share, abs=0.005)


def test_the_face_of_lars_varies_less_than_those_of_the_others():
    def spread(*, lars):
        faces = [_draw(seed, lars=lars).attributes for seed in range(16)]
        return np.std([face["eye_gap"] for face in faces])

    assert spread(lars=True) < 0.6 * spread(lars=False)


def test_every_kind_of_background_comes_up(portraits):
    assert {portrait.attributes["background"] for portrait in portraits} == set(BACKGROUNDS)


def test_the_label_says_whether_it_is_lars():
    assert [_draw(1, lars=lars).label for lars in (True, False)] == [1, 0]
    assert generator.LABELS == ("someone else", "Lars")
