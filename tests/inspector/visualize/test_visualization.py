"""A visualization as a picture, a file and a record."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inspector import Visualization
from inspector.errors import OptionError, OutputExistsError


def test_captions_have_the_activation_and_what_chance_reaches(two_filters):
    found = two_filters.visualize("c", steps=3)
    texts = [text.text for text in found.picture().texts]
    assert texts[0] == f"0: {found.activations[0, 0]:.3g} ({found.random[0]:.3g})"
    assert texts[-1] == (
        "c · 2 filters · 5x5, what one position sees · number: activation reached (best of random pictures)"
    )
    assert found.picture(captions=False).texts == ()


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
