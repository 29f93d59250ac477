"""`explain`: pictures in, explanations out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from inspector.errors import ImageError, OptionError
from inspector.explain import Explainer, Runner, explain, find
from inspector.model import load
from inspector.predictor import Predictor

WAY = {"channels": "gray", "range": "0..1"}


@pytest.fixture
def folder(by_hand, tmp_path):
    """The three pictures as files, and one that is broken."""
    where = tmp_path / "pictures"
    where.mkdir()
    for number, picture in enumerate(by_hand().subject.inputs[:, 0]):
        Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(where / f"{number}.png")
    (where / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return where


@pytest.fixture
def model(by_hand):
    return load(by_hand().path)


def test_pictures_are_explained_and_a_broken_one_does_not_stop_them(model, folder):
    found = explain(model, folder, ["gradient", "hirescam"], preprocess=WAY, labels=["dark", "light"])
    assert [item.label for item in found] == ["dark", "light", "dark"]
    assert [failure.source for failure in found.failures] == [str(folder / "3.png")]
    assert found.heatmaps("gradient").shape == (3, 16, 16)
    assert found[1]["hirescam"].layer == "last"
    assert found[1].probability > 0.5
    assert found[1].seen.shape == (16, 16)
    assert len(found[0:2]) == 2
    assert all(heatmap.trust is not None for item in found for heatmap in item.heatmaps)
    assert any(line.startswith("gradient: insertion ") for line in found.sentences)


def test_a_single_broken_picture_is_an_error(model, folder):
    with pytest.raises(ImageError):
        explain(model, folder / "3.png", ["gradient"], preprocess=WAY)


def test_the_target_may_be_a_name_or_a_number(model, folder):
    for target in ("light", 1, "1"):
        found = explain(
            model, folder / "0.png", ["gradient"], target=target, preprocess=WAY, labels=["dark", "light"]
        )
        assert (found[0].target, found[0].label) == (1, "light")
        assert found[0].probability < 0.5
    with_top = explain(model, folder / "0.png", ["gradient"], preprocess=WAY)
    assert (with_top[0].target, with_top[0].label) == (0, "class 0")


@pytest.mark.parametrize(
    ("target", "labels", "message"),
    [
        ("Lars", ["dark", "light"], "there is no class 'Lars'; there are dark, light"),
        ("Lars", None, "there is no class 'Lars'; there are 0 to 1, for it declares no labels"),
        (2, None, "there is no class 2; there are 0 to 1"),
    ],
)
def test_an_unknown_target_is_refused(model, folder, target, labels, message):
    with pytest.raises(OptionError) as caught:
        explain(model, folder, ["gradient"], target=target, preprocess=WAY, labels=labels)
    assert caught.value.message == f"{model.path}: {message}"
    assert caught.value.hint == "--target top"


def test_an_option_of_a_method_that_is_not_asked_for_is_refused(model, folder):
    with pytest.raises(OptionError) as caught:
        explain(model, folder, ["gradient"], options={"rise": {"masks": 5}}, preprocess=WAY)
    assert caught.value.message == "an option is given for 'rise', which is not among the methods"
    assert caught.value.hint == "-m rise"


def test_explanations_are_saved_as_picture_array_and_record(model, folder, tmp_path):
    found = explain(model, folder, ["gradient", "integrated-gradients"], preprocess=WAY, trust=False)
    maps = np.load(found.save(tmp_path / "e.npy"))
    assert maps.dtype == np.float32
    assert np.array_equal(maps[:, 1], found.heatmaps("integrated-gradients"))
    with Image.open(found.save(tmp_path / "e.png")) as image:
        assert image.width > 600
        assert found.image().size == image.size
    assert found.save(tmp_path / "e.svg").read_text("utf-8").startswith("<svg")
    record = json.loads(found.save(tmp_path / "e.json").read_text("utf-8"))
    assert record == json.loads(json.dumps(found.to_dict()))
    assert list(record) == [
        *("model", "explanations", "failures", "warnings"),
        *("regions", "refused", "seed", "preprocess"),
    ]
    assert list(record["explanations"][0]) == [
        *("source", "target", "label", "probability", "heatmaps", "warnings", "answer")
    ]
    assert list(record["explanations"][0]["heatmaps"][1]) == [
        *("method", "signed", "layer", "figures", "notes", "trust", "options")
    ]
    assert found._repr_png_().startswith(b"\x89PNG")


def test_other_suffixes_and_nothing_to_show_are_refused(model, folder, tmp_path):
    found = explain(model, folder, ["gradient"], preprocess=WAY, trust=False)
    with pytest.raises(OptionError) as caught:
        found.save(tmp_path / "e.gif")
    assert caught.value.message == ("cannot write explanations as .gif; expected .png, .svg, .npy, .json")
    nothing = type(found)("m.onnx", ())
    for fails in (lambda: nothing.save(tmp_path / "n.png"), nothing.picture):
        with pytest.raises(OptionError) as caught:
            fails()
        assert caught.value.message == ("m.onnx: no picture could be explained, so there is nothing to show")
    assert nothing.sentences == ()


def test_asking_for_a_method_that_was_not_run_names_those_that_were(model, folder):
    found = explain(model, folder / "0.png", ["gradient"], preprocess=WAY, trust=False)
    with pytest.raises(OptionError) as caught:
        found[0]["rise"]
    assert caught.value.message == f"{folder / '0.png'}: was not explained by 'rise'; it was by gradient"


def test_a_caution_is_told_with_the_map(model, folder):
    found = explain(model, folder / "1.png", ["guided-backpropagation"], preprocess=WAY, trust=False)
    assert "fails the sanity checks of Adebayo et al., NeurIPS 2018" in found[0].heatmaps[0].notes[0]
    assert found.sentences[0].startswith("guided-backpropagation: it draws the picture's edges")


def test_a_figure_is_told_as_its_mean_over_the_pictures(model, folder):
    found = explain(model, folder, ["integrated-gradients"], preprocess=WAY, trust=False)
    errors = [item["integrated-gradients"].figures["completeness error"] for item in found]
    assert found.sentences == (
        "integrated-gradients: its sum misses the difference between picture and blank, in logits, by "
        f"{100 * np.mean(errors):.2f}%",
    )


def test_an_explanation_does_not_depend_on_the_pictures_before_it(model, folder):
    ready = Predictor(model, preprocess=WAY)
    explainer = Explainer(Runner(ready), (find("rise"),), options={"rise": {"masks": 64}}, trust=False)
    alone = explainer.explain(folder / "2.png", "2")
    among = [item for item in explainer.stream(folder) if hasattr(item, "heatmaps")][2]
    assert np.array_equal(alone["rise"].values, among["rise"].values)
