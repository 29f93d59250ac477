"""Which region decides: on networks of which it is known, and on the two that were trained."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspector.conversion import convert
from inspector.errors import OptionError
from inspector.explain import Explainer, Runner, find
from inspector.model import load
from inspector.predictor import Predictor
from inspector.regions import Regions, parse, report

LEFT = (slice(4, 12), slice(2, 10))
RIGHT = (slice(4, 12), slice(14, 22))
MODELS = Path(__file__).resolve().parents[3] / "models"


def reported(explainer, pictures, regions):
    items = list(explainer.stream(pictures))
    return report(explainer, list(zip(pictures, items, strict=True)), regions)


def test_the_patch_that_the_network_reads_is_the_cause(reader, pictures, tmp_path):
    found = reported(reader(LEFT), pictures, parse([str(tmp_path / "masks")]))
    assert found.cause == "left"
    assert found.sentence.startswith("It is the left: replacing it costs ")
    assert found.ranked[0].name == "left"
    left = next(row for row in found.rows if row.name == "left")
    right = next(row for row in found.rows if row.name == "right")
    assert left.area.mean == pytest.approx(64 / 576)
    # The patch of a picture of the other class decides otherwise; what the network does not read, nothing.
    assert left.effects["another"].flips.mean == 1
    assert left.effects["another"].change.mean < -0.8
    for effect in right.effects.values():
        assert effect.change.mean == pytest.approx(0, abs=1e-6)
        assert effect.flips.mean == 0


def test_two_patches_that_share_the_decision_leave_no_single_cause(reader, pictures, tmp_path):
    found = reported(reader(LEFT, RIGHT), pictures, parse([str(tmp_path / "masks")]))
    assert found.cause is None
    assert found.sentence.startswith("No region decides by itself; most is the ")


def test_the_share_of_a_heatmap_is_what_falls_on_the_region(reader, pictures, tmp_path):
    explainer = reader(LEFT, methods=["gradient"])
    found = reported(explainer, pictures, parse([str(tmp_path / "masks")]))
    shares = {row.name: row.relevance["gradient"].mean for row in found.rows}
    assert shares == {"left": pytest.approx(1), "right": pytest.approx(0), "rest": pytest.approx(0)}
    head, cells = found.table()
    assert head[:3] == ["region", "area", "gradient falls on it"]
    assert cells[0][:3] == ["left", "11%", "100% (100% to 100%)"]


def test_rectangles_are_regions_of_every_picture(reader, pictures):
    found = reported(reader(LEFT), pictures, parse(["here=2,4,8,8", "there=14,4,8,8"]))
    assert found.cause == "here"


def test_the_record_has_intervals_and_the_verdict(reader, pictures, tmp_path):
    record = reported(reader(LEFT), pictures, parse([str(tmp_path / "masks")])).to_dict()
    assert record["cause"] == "left"
    assert record["pictures"] == 12
    row = next(row for row in record["regions"] if row["region"] == "left")
    change = row["replaced"]["mean"]["change"]
    assert change["low"] <= change["mean"] <= change["high"]


def test_a_picture_without_masks_is_told(reader, pictures, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(OptionError) as caught:
        reported(reader(LEFT), pictures[:1], Regions(folder=tmp_path / "none"))
    assert caught.value.message == (
        f"{pictures[0]}: there is no mask for it in {tmp_path / 'none'}; "
        "expected 00_picture_PART.png for each part"
    )


def test_a_mask_of_another_size_is_told(reader, pictures, tmp_path):
    path = tmp_path / "masks" / "00_left.png"
    Image.new("L", (5, 5)).save(path)
    with pytest.raises(OptionError) as caught:
        reported(reader(LEFT), pictures[:1], parse([str(tmp_path / "masks")]))
    assert caught.value.message == f"{path}: has 5x5 pixels; expected 24x24, as {pictures[0]} has"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["nowhere"], "nowhere: is no folder of masks and no rectangle NAME=x,y,width,height"),
        (["a=1,2,0,4"], "the rectangle a has no pixels"),
        (
            ["superpixels", "a=1,2,3,4"],
            "regions are given in two ways: superpixels, a=1,2,3,4; expected one",
        ),
    ],
)
def test_regions_that_make_no_sense_are_told(given, message):
    with pytest.raises(OptionError) as caught:
        parse(given)
    assert caught.value.message == message


def test_superpixels_are_regions_of_one_picture_only(reader, pictures):
    explainer = reader(LEFT)
    alone = reported(explainer, pictures[:1], parse(["superpixels"]))
    total = sum(row.area.mean for row in alone.rows)
    assert total == pytest.approx(1)
    with pytest.raises(OptionError) as caught:
        reported(explainer, pictures[:2], parse(["superpixels"]))
    assert caught.value.message == (
        "superpixels differ from picture to picture, so that nothing can be said of several; "
        "expected one picture, not 2"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cause"), [("portraits", "hair"), ("faces", "face")])
def test_the_hair_is_the_cause_where_it_was_the_shortcut_and_nowhere_else(tmp_path, name, cause):
    folder = MODELS / name
    done = convert(
        folder / "lars.tflearn",
        tmp_path / "lars.onnx",
        labels=folder / "labels.txt",
        preprocess={"channels": "gray", "range": "0..1"},
        verify=False,
    )
    explainer = Explainer(Runner(Predictor(load(done.path))), (find("layercam"),), trust=False)
    pictures = sorted(map(str, (folder / "samples").glob("*.png")))
    items = list(explainer.stream(pictures))
    masks = folder / "samples" / "masks"
    found = report(explainer, list(zip(pictures, items, strict=True)), parse([str(masks)]))
    assert found.cause == cause
    first, second = found.ranked[:2]
    assert np.nanmean(first.drop) > 2 * np.nanmean(second.drop)
    shares = []
    for picture, item in zip(pictures, items, strict=True):
        path = masks / f"{Path(picture).name[:2]}_{cause}.png"
        values = item["layercam"].values.astype(np.float64)
        # Somebody bald has no hair, and a map that is zero everywhere has no parts.
        if path.exists() and values.any():
            shares.append(values[np.asarray(Image.open(path).convert("L")) > 127].sum() / values.sum())
    assert len(shares) > 12
    assert first.relevance["layercam"].mean == pytest.approx(np.mean(shares), abs=1e-6)
    # More of the relevance falls on the cause than on any other part of its size.
    assert first.relevance["layercam"].mean > 1.3 * first.area.mean
