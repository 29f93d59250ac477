"""A visualization as a picture, a file and a record."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from inspector import Visualization
from inspector.errors import OptionError, OutputExistsError


def test_captions_have_the_activation_and_what_chance_reaches(two_filters):
    found = two_filters.visualize("c", steps=60)
    texts = [text.text for text in found.picture().texts]
    assert texts[0] == f"0: {found.activations[0, 0]:.3g} ({found.random[0]:.3g})"
    assert texts[-1] == (
        "c · 2 filters · 5x5, what one position sees · number: activation reached (best of random pictures)"
    )
    assert found.picture(captions=False).texts == ()


def test_pictures_that_do_no_better_than_chance_are_marked_and_said(two_filters):
    found = replace(
        two_filters.visualize("c", steps=2, per_filter=2),
        activations=np.array([[3, 1], [2, 2]], np.float32),
        random=np.array([1, 2.5], np.float32),
    )
    assert found.weak.tolist() == [[False, True], [True, True]]
    assert found.beaten == (1,)
    texts = [text.text for text in found.picture().texts]
    assert texts[:4] == ["0: 3 (1)", "0: 1 (1) ≤", "1: 2 (2.5) ≤", "1: 2 (2.5) ≤"]
    assert texts[-1].endswith(
        "number: activation reached (best of random pictures) · ≤ no better than random"
    )
    assert found.notes == (
        "a random picture does as well as what was found for filter 1",
        "a random picture does as well as some of those found for filter 0",
    )


def test_files_by_suffix(two_filters, tmp_path):
    found = two_filters.visualize("c", steps=2)
    np.testing.assert_array_equal(np.load(found.save(tmp_path / "v.npy")), found.pictures)
    assert found.save(tmp_path / "v.png").read_bytes()[:4] == b"\x89PNG" == found._repr_png_()[:4]
    assert found.save(tmp_path / "v.svg").read_text().startswith("<svg")
    assert found.image().mode == "RGB"
    with pytest.raises(OutputExistsError):
        found.save(tmp_path / "v.png")
    with pytest.raises(OptionError) as caught:
        found.save(tmp_path / "v.webp")
    assert caught.value.message == "cannot write visualizations as .webp; expected .png, .svg, .npy"


def test_the_record_can_be_json(two_filters):
    found = two_filters.visualize("c", steps=2)
    record = json.loads(json.dumps(found.to_dict()))
    assert record["shape"] == [2, 1, 5, 5]
    assert record["place"] == [0, 0] and record["patch"] is True
    assert [row["filter"] for row in record["filters"]] == [0, 1]
    assert isinstance(found, Visualization)
    assert repr(found) == "Visualization(c · 2 filters · 5x5, what one position sees)"
