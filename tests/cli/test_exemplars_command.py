"""`inspector exemplars` on a small classifier and a folder with a broken picture."""

import json

import pytest

GREY = ("--range", "0..1")


def test_a_bad_picture_is_named_and_the_others_go_on(inspector, net, pictures, tmp_path):
    said = inspector("exemplars", net, pictures, "-l", "conv_1", *GREY)
    assert said.code == 3
    lines = said.err.splitlines()
    assert lines[0].startswith(f"error: {pictures / '3.png'}")
    assert "wrote conv_1-exemplars.png" in lines
    assert lines[-1] == "1 of 3 pictures failed"
    assert (tmp_path / "conv_1-exemplars.png").read_bytes()[:4] == b"\x89PNG"


def test_json_goes_to_stdout(inspector, net, pictures):
    (pictures / "3.png").unlink()
    said = inspector(
        "exemplars", net, pictures, "-l", "logits", "--count", "1", "-o", "e.json", "--json", "-q", *GREY
    )
    assert said.code == 0 and said.err == ""
    record = json.loads(said.out)
    assert record["path"] == "e.json" and record["pictures"] == 2
    assert [len(row["exemplars"]) for row in record["filters"]] == [1, 1, 1]


def test_what_a_filter_looks_for_stands_beside(inspector, net, pictures):
    (pictures / "3.png").unlink()
    said = inspector(
        *("exemplars", net, pictures / "1.png", "-l", "conv_1", "--visualize", "--steps", "2", "--json"),
        *("--filters", "0,2", *GREY),
    )
    assert said.code == 0
    assert json.loads(said.out)["visualization"]["steps"] == 2


def test_an_assumption_about_the_pixels_is_said(inspector, net, pictures):
    said = inspector("exemplars", net, pictures / "1.png", "-l", "conv_1", "-q")
    assert said.err.startswith(f"warning: {net} does not declare how pixels become its input; assumed: grey")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-l", "conv"), "error: {net} has no layer 'conv'; nearest: conv_1, scores"),
        (("-l", "conv_1", "--count", "0"), "error: count is 0; expected 1 to 100"),
        (
            ("-l", "conv_1", "-o", "e.gif"),
            "error: cannot write exemplars as .gif; expected .png, .svg, .json",
        ),
        (
            ("-l", "conv_1", "--filters", "9"),
            "error: {net}: 'conv_1': filter 9 does not exist; there are filters 0 to 3",
        ),
    ],
)
def test_mistakes_exit_with_1(inspector, net, pictures, arguments, message):
    said = inspector("exemplars", net, pictures / "1.png", *arguments, *GREY)
    assert said.code == 1
    assert said.err.splitlines()[0] == message.format(net=net)


def test_a_folder_without_pictures_is_an_error(inspector, net, tmp_path):
    (tmp_path / "empty").mkdir()
    assert inspector("exemplars", net, tmp_path / "empty", "-l", "conv_1", *GREY).code == 1


def test_a_filter_that_nothing_excites_is_noted(inspector, net, pictures, tmp_path):
    import onnx
    from onnx import numpy_helper

    model = onnx.load(net)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "W")
    weights.CopyFrom(numpy_helper.from_array(-abs(numpy_helper.to_array(weights)), "W"))
    onnx.save(model, net)
    said = inspector("exemplars", net, pictures / "1.png", "-l", "conv_1", *GREY)
    assert "4 filters are zero for every picture: 0, 1, 2, 3" in said.err.splitlines()
