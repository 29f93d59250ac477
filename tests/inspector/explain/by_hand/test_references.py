"""What a picture of a folder is compared with: the others of the folder."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inspector.errors import ImageError
from inspector.explain import Explainer, Runner, explain, find, references
from inspector.explain.references import sampled
from inspector.model import load
from inspector.picture_list import list_pictures
from inspector.predictor import Predictor

WAY = {"channels": "gray", "range": "0..1"}
METHODS = ["expected-gradients"]


@pytest.fixture
def model(by_hand):
    return load(by_hand("linear").path)


@pytest.fixture
def folder(tmp_path):
    """Four pictures, and a file that is none."""
    where = tmp_path / "pictures"
    where.mkdir()
    random = np.random.default_rng(1)
    for number in range(4):
        Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).save(where / f"{number}.png")
    (where / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return where


def test_pictures_of_a_folder_are_compared_with_each_other(by_hand, model, folder):
    found = explain(model, folder, METHODS, preprocess=WAY, options={"expected-gradients": {"samples": 36}})
    assert len(found) == 4 and len(found.failures) == 1
    pictures = [np.asarray(Image.open(folder / f"{number}.png"), np.float32) / 255 for number in range(4)]
    weights = by_hand("linear").weights
    for number, item in enumerate(found):
        # Of a linear network only the mean of the references counts: here three pictures, three blank ones.
        subject, _, _ = Explainer(Runner(Predictor(model, preprocess=WAY)), ()).subject(item.source, "it")
        known = [subject.blank(kind)[0, 0] for kind in ("black", "mean", "blur")]
        known += [other for at, other in enumerate(pictures) if at != number]
        way = pictures[number] - np.mean(known, axis=0)
        expected = weights[:, item.target].reshape(16, 16) * way
        assert np.allclose(item.heatmaps[0].values, expected, atol=1e-5 * np.abs(expected).max())
        assert item.heatmaps[0].notes == ()


def test_a_picture_alone_gets_another_map_and_is_told_why(model, folder):
    together = explain(model, folder, METHODS, preprocess=WAY, trust=False)[0].heatmaps[0]
    alone = explain(model, folder / "0.png", METHODS, preprocess=WAY, trust=False)[0].heatmaps[0]
    assert not np.allclose(together.values, alone.values, atol=0.05 * np.abs(alone.values).max())
    assert alone.notes == (
        "as no other picture of its size was given, it is compared with blank ones only; "
        "explain a folder to compare its pictures with each other, as the method is meant",
    )


def test_the_pictures_that_are_compared_with_are_fixed_by_the_seed(model, folder):
    def maps(images, **given):
        found = explain(model, images, METHODS, preprocess=WAY, trust=False, **given)
        return found.heatmaps(METHODS[0])

    few = {"expected-gradients": {"samples": 2}}
    assert np.array_equal(maps(folder, options=few), maps(folder, options=few))
    assert not np.array_equal(maps(folder, options=few), maps(folder, options=few, seed=1))
    # An iterator's pictures come one after the other; the first ones are looked at before.
    paths = [folder / f"{number}.png" for number in range(4)]
    assert np.allclose(maps(iter(paths)), maps(paths), atol=1e-5)


def _read(source, name):
    if source is None:
        raise ImageError(f"{name}: cannot be read", "")
    return np.full((2, 3), source, np.float32)


def test_of_a_large_folder_some_are_kept_drawn_by_the_seed():
    pictures = list_pictures([None if number % 3 == 0 else number for number in range(300)])
    kept, items = sampled(pictures, _read, 0)
    numbers = [int(each[0, 0]) for each in kept]
    assert len(set(numbers)) == 64
    assert all(number % 3 for number in numbers)
    # Not the first ones only, and nothing is missing from what is explained.
    assert max(numbers) > 200
    assert [source for _, source in items] == [None if number % 3 == 0 else number for number in range(300)]
    assert [int(each[0, 0]) for each in sampled(pictures, _read, 0)[0]] == numbers
    assert [int(each[0, 0]) for each in sampled(pictures, _read, 1)[0]] != numbers


def test_large_pictures_are_kept_as_far_as_the_bound_on_memory(monkeypatch):
    monkeypatch.setattr(references, "_BYTES", 100)
    kept, _ = sampled(list_pictures(list(range(9))), _read, 0)
    assert len(kept) == 4


def test_an_iterator_is_read_only_as_far_as_a_sample_is_kept():
    given = iter(range(1, 1000))
    kept, items = sampled(list_pictures(given), _read, 0)
    assert len(kept) == 64
    assert next(given) == 65
    assert [source for _, source in items] == [*range(1, 65), *range(66, 1000)]


def test_methods_that_compare_with_nothing_have_no_picture_read_twice(model, folder, monkeypatch):
    monkeypatch.setattr("inspector.explain.sampled", None)
    explainer = Explainer(Runner(Predictor(model, preprocess=WAY)), (find("gradient"),), trust=False)
    assert len(list(explainer.stream(folder))) == 5
