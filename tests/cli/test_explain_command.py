"""`inspector explain`: heatmaps from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from inspector.explain import all_methods

WAY = ("--channels", "gray", "--range", "0..1")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), dtype=np.uint8)).save(path)
    return path


def test_one_picture_gives_a_png_with_the_default_methods_and_says_how_far_they_can_be_trusted(
    inspector, net, picture, tmp_path
):
    said = inspector("explain", net, picture, *WAY)
    assert said.code == 0
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[-1] == "wrote explanation.png"
    for method in ("layercam", "integrated-gradients", "occlusion"):
        assert any(line.removeprefix("warning: ").startswith(f"{method}: insertion ") for line in lines)
    with Image.open(tmp_path / "explanation.png") as image:
        assert image.width > 500


def test_without_trust_only_the_figures_of_the_methods_are_told(inspector, net, picture):
    said = inspector("explain", net, picture, *WAY, "-m", "gradient", "--no-trust")
    assert said.code == 0
    assert said.err == "wrote explanation.png\n"


def test_methods_options_layer_and_target_reach_the_maps(inspector, net, picture, tmp_path):
    given = ("explain", net, picture, *WAY, "-m", "layercam", "-m", "rise", "--no-trust", "--force", "--json")
    options = ("-O", "rise.masks=64", "--layer", "conv_1", "--target", "2", "-o", "maps.npy")
    said = inspector(*given, *options)
    assert said.code == 0
    (record,) = json.loads(said.out)["explanations"]
    assert record["target"] == 2
    assert record["label"] == "class 2"
    first, second = record["heatmaps"]
    assert (first["method"], first["layer"]) == ("layercam", "conv_1")
    assert second["figures"]["masks"] == 64
    maps = np.load(tmp_path / "maps.npy")
    assert maps.shape == (1, 2, 8, 8)
    inspector(*given, *options, "--seed", "1")
    assert not np.array_equal(maps[0, 1], np.load(tmp_path / "maps.npy")[0, 1])


def test_json_has_the_regions_and_a_table_is_printed_without(inspector, net, picture):
    given = ("explain", net, picture, *WAY, "-m", "gradient", "--no-trust", "--force", "-q")
    regions = ("--regions", "top=0,0,8,4", "--regions", "bottom=0,4,8,4")
    report = json.loads(inspector(*given, *regions, "--json").out)["regions"]
    assert {row["region"] for row in report["regions"]} == {"top", "bottom"}
    shares = [row["relevance"]["gradient"]["mean"] for row in report["regions"]]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    said = inspector(*given, *regions)
    assert said.out.splitlines()[-1] == report["sentence"]
    assert "gradient falls on it" in said.out
    assert json.loads(inspector(*given, "--json").out)["regions"] is None


def test_a_bad_picture_among_others_is_told_and_exits_with_3(inspector, net, pictures, tmp_path):
    said = inspector("explain", net, pictures, *WAY, "-m", "gradient", "--no-trust", "-o", "maps.npy")
    assert said.code == 3
    assert "3.png" in said.err
    assert said.err.splitlines()[-2:] == ["wrote maps.npy", "1 of 3 pictures failed"]
    assert np.load(tmp_path / "maps.npy").shape == (2, 1, 8, 8)


def test_a_bad_picture_alone_exits_with_1_and_writes_nothing(inspector, net, pictures, tmp_path):
    said = inspector("explain", net, pictures / "3.png", *WAY, "-m", "gradient")
    assert said.code == 1
    assert not (tmp_path / "explanation.png").exists()


def test_the_methods_are_listed_with_their_options_and_papers(inspector):
    said = inspector("explain", "--list-methods")
    assert said.code == 0
    for name, method in all_methods().items():
        line = next(line for line in said.out.splitlines() if line.split()[0] == name)
        assert method.needs in line
    assert "Selvaraju" in said.out
    assert "masks=1000" in said.out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("-m", "gradcam"), "there is no method 'gradcam'; nearest: grad-cam"),
        (("-m", "rise", "-O", "rise.masks=few"), "rise: masks is 'few'; expected a whole number"),
        (
            ("-m", "rise", "-O", "rise.mask=5"),
            "rise has no option 'mask'; its options: masks, cells, keep, enough, blank",
        ),
        (("-m", "gradient", "-O", "rise.masks=5"), "an option is given for 'rise', which is not among the"),
        (("-o", "why.gif"), "cannot write explanations as .gif; expected .png, .svg, .npy, .json"),
        (("--target", "Lars"), "there is no class 'Lars'; there are 0 to 2, for it declares no labels"),
        (("--layer", "scores"), "'scores' has no feature maps; a class activation map needs some"),
        (("--regions", "nowhere"), "nowhere: is no folder of masks and no rectangle NAME=x,y,width,height"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_and_nothing_is_written(
    inspector, net, picture, tmp_path, given, message
):
    said = inspector("explain", net, picture, *WAY, "--no-trust", *given)
    assert said.code == 1
    assert message in said.err
    assert not list(tmp_path.glob("explanation*"))


def test_an_option_without_a_method_is_a_wrong_usage(inspector, net, picture):
    said = inspector("explain", net, picture, "-O", "masks=5")
    assert said.code == 2
    assert "'masks=5' is not METHOD.OPTION=VALUE" in said.err


def test_an_existing_output_is_kept_unless_forced(inspector, net, picture, tmp_path):
    (tmp_path / "explanation.png").write_text("mine")
    said = inspector("explain", net, picture, *WAY, "-m", "gradient", "--no-trust")
    assert said.code == 1
    assert (tmp_path / "explanation.png").read_text() == "mine"
    assert inspector("explain", net, picture, *WAY, "-m", "gradient", "--no-trust", "--force").code == 0
    assert (tmp_path / "explanation.png").read_bytes().startswith(b"\x89PNG")


def test_each_option_is_listed_with_what_it_takes_and_means(inspector):
    lines = [" ".join(line.split()) for line in inspector("explain", "--list-methods").out.splitlines()]
    assert "option values default meaning" in lines
    assert "rise.masks 2 or more 1000 How many masks at most." in lines
    assert any(
        line.startswith("occlusion.blank blur, mean, black, zero mean What is under a window")
        for line in lines
    )
    assert any(line.startswith("lrp.rule epsilon, gamma, composite composite ") for line in lines)


@pytest.mark.parametrize("name", ["LayerCAM", "LAYERCAM", "layercam"])
def test_a_method_and_its_options_are_found_however_they_are_spelt(inspector, net, picture, name):
    given = ("-m", name, "-m", "Integrated_Gradients", "-O", "INTEGRATED_gradients.steps=3", "--no-trust")
    said = inspector("explain", net, picture, *WAY, *given, "--json")
    assert said.code == 0
    first, second = json.loads(said.out)["explanations"][0]["heatmaps"]
    assert (first["method"], second["method"]) == ("layercam", "integrated-gradients")
    assert second["options"] == {"steps": 3, "blank": "black"}


def test_a_method_that_fails_says_so_even_when_all_else_is_quiet(inspector, net, tmp_path):
    flat = tmp_path / "flat.png"
    Image.new("L", (8, 8), 128).save(flat)
    said = inspector("explain", net, flat, *WAY, "-m", "occlusion", "-q")
    assert said.code == 0
    (line,) = said.err.splitlines()
    assert line.startswith("warning: occlusion: insertion ")
    assert line.endswith("FAILS: its map is the same everywhere, so that it says nothing about this picture")
