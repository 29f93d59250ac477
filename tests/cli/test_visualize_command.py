"""`inspector visualize` on a small classifier."""

import json

import numpy as np
import pytest

GREY = ("--range", "0..1")


def test_a_picture_is_written_beside_notes(inspector, net, tmp_path):
    said = inspector("visualize", net, "-l", "conv_1", "--steps", "5", *GREY)
    assert said.code == 0 and said.out == ""
    assert said.err.splitlines()[0] == "activations are those before the Relu"
    assert said.err.splitlines()[-1] == "wrote conv_1-visualized.png"
    assert (tmp_path / "conv_1-visualized.png").read_bytes()[:4] == b"\x89PNG"


def test_json_goes_to_stdout_and_pictures_to_an_array(inspector, net, tmp_path):
    said = inspector(
        *("visualize", net, "-l", "conv_1", "--filters", "1,3", "--per-filter", "2", "--steps", "3"),
        *("-o", "v.npy", "--json", "-q", *GREY),
    )
    record = json.loads(said.out)
    assert said.err == ""
    assert record["path"] == "v.npy"
    assert [row["filter"] for row in record["filters"]] == [1, 3]
    assert np.load(tmp_path / "v.npy").shape == (2, 2, 3, 3)


def test_a_class_by_its_label(inspector, net, tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    said = inspector(
        *("visualize", net, "--class", "b", "--labels", "labels.txt", "--steps", "3", "--json", "-q", *GREY)
    )
    assert [(row["filter"], row["label"]) for row in json.loads(said.out)["filters"]] == [(1, "b")]
    assert (tmp_path / "class b-visualized.png").exists() or (tmp_path / "class_b-visualized.png").exists()


def test_an_assumption_about_the_pixels_is_said(inspector, net):
    said = inspector("visualize", net, "-l", "conv_1", "--steps", "1", "-q")
    assert said.err == (
        f"warning: {net} does not declare how pixels become its input; "
        "assumed: grey, values 0..1, stretched to 8x8\n"
        f"  If that is how it was trained: inspector annotate {net} --channels gray --range 0..1\n"
        "  If not, name the right way there, or here with the same options.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-l", "conv"), "error: {net} has no layer 'conv'; nearest: conv_1, scores"),
        ((), "error: {net}: expected either a layer or a class to look for"),
        (("-l", "conv_1", "--steps", "0"), "error: steps is 0; expected 1 to 100000"),
        (
            ("-l", "conv_1", "-o", "v.gif"),
            "error: cannot write visualizations as .gif; expected .png, .svg, .npy",
        ),
        (("--class", "7"), "error: {net}: there is no class 7; there are 0 to 2"),
    ],
)
def test_mistakes_exit_with_1(inspector, net, arguments, message):
    said = inspector("visualize", net, *arguments, *GREY)
    assert said.code == 1
    assert said.err.splitlines()[0] == message.format(net=net)


def test_an_existing_file_is_kept(inspector, net, tmp_path):
    (tmp_path / "v.png").write_bytes(b"mine")
    assert inspector("visualize", net, "-l", "conv_1", "-o", "v.png", *GREY).code == 1
    assert (tmp_path / "v.png").read_bytes() == b"mine"
    assert (
        inspector("visualize", net, "-l", "conv_1", "-o", "v.png", "--steps", "1", "--force", *GREY).code == 0
    )
    assert (tmp_path / "v.png").read_bytes() != b"mine"
