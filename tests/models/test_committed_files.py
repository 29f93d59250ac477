"""The trained models and their samples, as they are in the repository."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.tensorflow.checkpoint import open_checkpoint
from models.portraits.samples import COLUMNS

MODELS = Path(__file__).resolve().parents[2] / "models"
CHECKPOINTS = {
    "portraits": ("lars.tflearn", 6_000_000),
    "faces": ("lars.tflearn", 6_000_000),
    "digits": ("digits.tflearn", 500_000),
}
PORTRAITS = ("portraits", "faces")
PARTS = ("background", "clothes", "hair", "face", "eyes", "mouth")


def _rows(name="portraits"):
    with (MODELS / name / "samples" / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _provenance(name):
    return json.loads((MODELS / name / "provenance.json").read_text(encoding="utf-8"))


def _pixels(path, mode):
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.mode == mode
        return np.asarray(image)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_is_whole_and_small(name):
    prefix, most = CHECKPOINTS[name]
    files = {path.name: path.stat().st_size for path in (MODELS / name).glob(f"{prefix}.*")}
    assert set(files) == {f"{prefix}.meta", f"{prefix}.index", f"{prefix}.data-00000-of-00001"}
    assert sum(files.values()) < most


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_says_that_it_is_still_training_and_holds_no_state_of_the_optimizer(name):
    checkpoint = open_checkpoint(MODELS / name / CHECKPOINTS[name][0])
    names = set(checkpoint.variables)
    # tflearn makes the variable within the first layer that asks for it.
    (training,) = (variable for variable in names if variable.split("/")[-1] == "is_training")
    assert checkpoint.read(training).item() is True
    assert [
        variable for variable in names if re.search(r"/(Adam(_1)?|Momentum|beta\d_power)$", variable)
    ] == []
    assert {"conv_1/W", "conv_2/W", "fully_connected_1/W", "fully_connected_2/b"} <= names


@pytest.mark.parametrize("name", PORTRAITS)
def test_the_network_has_the_notebooks_shapes(name):
    variables = open_checkpoint(MODELS / name / "lars.tflearn").variables
    assert variables["conv_1/W"].shape == (10, 10, 1, 32)
    assert variables["conv_2/W"].shape == (10, 10, 32, 64)
    assert variables["fully_connected_1/W"].shape == (23 * 23 * 64, 32)
    assert variables["fully_connected_2/W"].shape == (32, 2)


def test_no_committed_file_names_a_folder_of_the_machine_that_made_it():
    folder = re.compile(rb"(?<![\w.])/(?:home|root|work|tmp|usr|opt|Users|private)/|[A-Za-z]:\\\\?Users")
    files = [path for path in MODELS.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > 100
    assert [path.name for path in files if folder.search(path.read_bytes())] == []
    # TensorFlow's own note of where a checkpoint was saved.
    assert [path for path in files if path.name == "checkpoint"] == []


@pytest.mark.parametrize("name", PORTRAITS)
def test_there_are_24_portraits_and_the_telling_ones_are_among_them(name):
    rows = _rows(name)
    assert len(rows) == 24
    assert tuple(rows[0]) == COLUMNS
    kinds = Counter((row["label"], row["hair"] == "long" and float(row["darkness"]) >= 0.65) for row in rows)
    assert kinds["Lars", False] >= 4
    assert kinds["someone else", True] >= 4
    for row in rows:
        assert row["telling"] == str((row["label"] == "Lars") != (row["long_dark"] == "True"))


@pytest.mark.parametrize("name", PORTRAITS)
def test_the_pictures_on_disk_are_those_of_the_table(name):
    folder = MODELS / name / "samples"
    assert sorted(path.name for path in folder.glob("*.png")) == sorted(row["file"] for row in _rows(name))
    for row in _rows(name):
        assert re.fullmatch(r"\d\d_(lars|other)_[a-z]+\.png", row["file"])
        assert ("_lars_" in row["file"]) == (row["label"] == "Lars")
        picture = _pixels(folder / row["file"], "L")
        assert picture.shape == (91, 91)
        assert picture.std() > 10


@pytest.mark.parametrize("name", PORTRAITS)
def test_the_masks_of_a_sample_share_out_its_pixels(name):
    folder = MODELS / name / "samples" / "masks"
    assert len(list(folder.glob("*.png"))) == 24 * len(PARTS)
    for row in _rows(name):
        masks = [_pixels(folder / f"{row['file'][:2]}_{part}.png", "1") for part in PARTS]
        assert (np.sum(masks, axis=0) == 1).all()
        assert masks[PARTS.index("face")].sum() > 300


@pytest.mark.parametrize("name", PORTRAITS)
def test_a_sample_with_long_hair_has_more_of_it_than_one_with_short_hair(name):
    folder = MODELS / name / "samples" / "masks"
    sizes = {"long": [], "short": []}
    for row in _rows(name):
        if row["hair"] in sizes:
            sizes[row["hair"]].append(_pixels(folder / f"{row['file'][:2]}_hair.png", "1").sum())
    assert np.mean(sizes["long"]) > 2 * np.mean(sizes["short"])


def test_there_are_two_samples_of_each_digit():
    pictures = sorted((MODELS / "digits" / "samples").glob("*.png"))
    assert [path.name for path in pictures] == [f"{i:02d}_{i // 2}.png" for i in range(20)]
    assert all(_pixels(path, "L").shape == (8, 8) for path in pictures)
    assert max(_pixels(path, "L").max() for path in pictures) == 255


def test_the_labels_stand_in_the_order_of_the_outputs():
    for name in PORTRAITS:
        assert (MODELS / name / "labels.txt").read_bytes() == b"someone else\nLars\n"
    assert (MODELS / "digits" / "labels.txt").read_bytes() == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_provenance_says_what_made_the_model_and_how_a_picture_becomes_its_input(name):
    record = _provenance(name)
    assert (MODELS.parent / record["script"]).is_file()
    assert {"python", "numpy", "tensorflow-cpu", "tflearn"} <= set(record["versions"])
    assert record["preprocess"] == {
        "channels": "gray",
        "range": "0..1",
        "mean": [],
        "std": [],
        "resize": "stretch",
    }


def test_the_digits_network_is_right_on_97_of_100_digits_that_it_never_saw():
    assert _provenance("digits")["held_out_accuracy"] >= 0.97


def test_the_portraits_network_has_learned_the_shortcut():
    groups = {
        name: group["accuracy"] for name, group in _provenance("portraits")["held_out_by_group"].items()
    }
    assert groups["all"] > 0.88
    assert groups["Lars, long dark hair"] > 0.9
    assert groups["someone else, other hair"] > 0.9
    # Without the hair it misses Lars, and with it it takes others for him.
    assert groups["Lars, other hair"] < 0.5
    assert groups["someone else, long dark hair"] < 0.5


def test_the_faces_network_answers_alike_whatever_the_hair():
    groups = {name: group["accuracy"] for name, group in _provenance("faces")["held_out_by_group"].items()}
    assert groups["all"] > 0.8
    assert abs(groups["Lars, long dark hair"] - groups["Lars, other hair"]) < 0.1
    assert abs(groups["someone else, long dark hair"] - groups["someone else, other hair"]) < 0.1


def test_the_telling_samples_mislead_the_network_as_the_shortcut_would():
    probability = {
        (lars, long_dark): np.mean(
            [
                float(row["lars_probability"])
                for row in _rows()
                if (row["label"] == "Lars") == lars and (row["long_dark"] == "True") == long_dark
            ]
        )
        for lars in (True, False)
        for long_dark in (True, False)
    }
    assert probability[False, True] > 0.5 > probability[True, False]
    assert probability[True, True] > probability[True, False]
    assert probability[False, True] > probability[False, False]


def test_the_readme_states_the_measured_accuracies():
    text = (MODELS / "README.md").read_text(encoding="utf-8")
    for model in PORTRAITS:
        for name, group in _provenance(model)["held_out_by_group"].items():
            assert f"| {name} | {group['pictures']} | {100 * group['accuracy']:.1f} % |" in text
