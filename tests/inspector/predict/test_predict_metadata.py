"""How pixels become the input, and what classes are called: declared, given or assumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grey_network import DECLARED, SIDE, Net, expected, pictures

from inspector.errors import OptionError
from inspector.predict import Predictor
from inspector.preprocess import Preprocess


def test_what_is_assumed_is_said_when_the_model_declares_nothing(net: Net) -> None:
    model = net(metadata={})
    assert model.predict(pictures(1)).assumed == (
        f"{model.path} does not declare how pixels become its input; "
        "assumed: grey, values 0..1, stretched to 4x4"
    )
    assert model.predict(pictures(1), preprocess=Preprocess("gray")).assumed is None
    assert net().predict(pictures(1)).assumed is None


def test_what_the_caller_says_is_not_assumed(net: Net) -> None:
    grey = net(metadata={})
    assert Predictor(grey, preprocess={"range": "0..255"}).assumed is None
    assert Predictor(grey, preprocess={"channels": "gray"}).assumed is not None
    colour = net(shape=("N", SIDE, SIDE, 3), metadata={})
    assert Predictor(colour, preprocess={"channels": "bgr", "range": "0..255"}).assumed is None
    assert Predictor(colour, preprocess={"range": "0..255"}).assumed == (
        f"{colour.path} does not declare how pixels become its input; "
        "assumed: RGB, values 0..255, stretched to 4x4"
    )


def test_some_fields_of_the_declared_way_can_be_overridden(net: Net) -> None:
    metadata = {"inspector.preprocess": Preprocess("gray", "0..255", mean=(3,)).to_json()}
    way = Predictor(net(metadata=metadata), preprocess={"range": "0..1"}).way
    assert way == Preprocess("gray", "0..1", mean=(3,))


def test_labels_are_those_given_or_those_declared(net: Net, tmp_path: Path) -> None:
    declared = net(metadata={**DECLARED, "inspector.labels": '["cat", "dog", "owl"]'})
    picture = pictures(1)[0]
    best = int(np.argmax(expected(picture)))
    assert declared.predict(picture, top=1)[0].labels == (["cat", "dog", "owl"][best],)
    assert declared.predict(picture, top=1, labels=["a", "b", "c"])[0].labels == ("abc"[best],)
    (tmp_path / "l.txt").write_text("x\ny\nz\n")
    assert declared.predict(picture, top=1, labels=tmp_path / "l.txt")[0].labels == ("xyz"[best],)


def test_a_wrong_number_of_labels_is_an_error_or_a_warning(net: Net) -> None:
    model = net(metadata={**DECLARED, "inspector.labels": '["cat", "dog"]'})
    found = model.predict(pictures(1), top=1)
    warning = f"{model.path}: declares 2 labels for 3 classes; class numbers are shown instead"
    assert found.warnings == (warning,)
    assert found[0].labels[0].startswith("class ")
    assert found[0].warnings == ()
    with pytest.raises(OptionError) as caught:
        Predictor(model, labels=["a", "b"])
    assert caught.value.message == f"{model.path}: has 3 classes, but 2 labels are given"


def test_a_wrong_number_of_labels_shows_at_the_first_run_if_not_before(net: Net) -> None:
    model = net(metadata={**DECLARED, "inspector.labels": '["cat", "dog"]'}, output=None)
    found = model.predict(pictures(1), top=1)
    warning = f"{model.path}: declares 2 labels for 3 classes; class numbers are shown instead"
    assert (found.warnings, found[0].warnings) == ((), (warning,))
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1), labels=["a", "b"])
    assert caught.value.message == f"{model.path}: has 3 classes, but 2 labels are given"
