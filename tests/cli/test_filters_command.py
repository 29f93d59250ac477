"""`inspector filters`."""

import json

import numpy as np
import onnx
import pytest
import safetensors.numpy
from PIL import Image


@pytest.fixture
def weights(tmp_path):
    """A file of weights without a network."""
    random = np.random.default_rng(0)
    shapes = {"conv.0.weight": (4, 3, 3, 3), "conv.0.bias": (4,), "conv.1.weight": (4, 4, 3, 3)}
    shapes |= {"conv.1.bias": (4,), "scores.weight": (3, 8), "scores.bias": (3,)}
    held = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    safetensors.numpy.save_file(held, tmp_path / "net.safetensors", metadata={"format": "pt"})
    return tmp_path / "net.safetensors"


def test_a_layer_becomes_a_picture_and_nothing_is_written_to_stdout(inspector, net):
    said = inspector("filters", net, "-l", "conv_1", "-o", "k.png")
    assert (said.code, said.out, said.err) == (0, "", "wrote k.png\n")
    with Image.open("k.png") as picture:
        assert min(picture.size) > 400


def test_the_array_is_the_weight_itself(inspector, net):
    inspector("filters", net, "-l", "conv_1", "-o", "k.npy")
    stored = onnx.numpy_helper.to_array(onnx.load(net).graph.initializer[0])
    assert np.array_equal(np.load("k.npy"), stored)


def test_a_choice_of_filters_is_kept_in_order(inspector, net):
    said = inspector("filters", net, "-l", "conv_1", "--filters", "2,0", "-o", "k.npy", "--json", "-q")
    record = json.loads(said.out)
    assert [row["filter"] for row in record["filters"]] == [2, 0]
    assert record["path"] == "k.npy"
    assert said.err == ""
    assert np.load("k.npy").shape == (2, 1, 3, 3)


def test_without_an_output_the_file_is_named_after_the_layer(inspector, net, tmp_path):
    inspector("filters", net, "-l", "conv_1", "--format", "svg")
    assert (tmp_path / "conv_1.svg").read_text().startswith("<svg")


def test_without_a_layer_every_convolution_goes_into_a_folder(inspector, net, tmp_path):
    said = inspector("filters", net, "--json")
    assert said.code == 0
    assert [path.name for path in (tmp_path / "net-filters").iterdir()] == ["conv_1.png"]
    assert [record["layer"] for record in json.loads(said.out)] == ["conv_1"]


def test_filters_cannot_be_chosen_without_a_layer(inspector, net):
    said = inspector("filters", net, "--filters", "0")
    assert said.code == 1
    message = "--filters and --channels choose kernels of one layer, and no layer is named"
    assert said.err == f"error: {message}\n  Add -l LAYER.\n"


def test_an_existing_picture_is_kept_unless_force_is_given(inspector, net, tmp_path):
    (tmp_path / "k.png").write_text("mine")
    said = inspector("filters", net, "-l", "conv_1", "-o", "k.png")
    assert (said.code, said.err) == (1, "error: k.png: exists already\n  Use --force to replace it.\n")
    assert (tmp_path / "k.png").read_text() == "mine"
    assert inspector("filters", net, "-l", "conv_1", "-o", "k.png", "--force").code == 0


def test_a_layer_that_cannot_be_shown_does_not_stop_the_others(inspector, net, tmp_path):
    model = onnx.load(net)
    made = onnx.helper.make_node("Conv", ["r", "c"], ["b"], name="made_by_the_input")
    model.graph.node.insert(3, made)
    onnx.save(model, "two.onnx")
    said = inspector("filters", "two.onnx", "-o", "kernels")
    assert said.code == 3
    assert [path.name for path in (tmp_path / "kernels").iterdir()] == ["conv_1.png"]
    assert "error: two.onnx: layer 'made_by_the_input'" in said.err


def test_a_dead_filter_is_named(inspector, net):
    model = onnx.load(net)
    weights = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[3] = 0
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "W"))
    onnx.save(model, "dead.onnx")
    said = inspector("filters", "dead.onnx", "-l", "conv_1", "-o", "k.png")
    assert said.err.splitlines()[0].startswith("1 filter is dead")
    assert said.err.splitlines()[0].endswith(": 3")


@pytest.mark.parametrize(("incomplete", "found"), [("c", ["conv_1"]), ("x", []), ("", ["conv_1", "scores"])])
def test_layer_names_complete_in_the_shell(net, incomplete, found):
    from inspector.cli.options import complete_layer

    class Context:
        params = {"model": net}  # noqa: RUF012

    assert complete_layer(Context(), incomplete) == found


def test_completion_without_a_readable_model_offers_nothing():
    from inspector.cli.options import complete_colormap, complete_layer

    class Context:
        params = {"model": "no.onnx"}  # noqa: RUF012

    assert complete_layer(Context(), "") == []
    assert "gray" in complete_colormap("g")


def test_a_file_is_not_taken_for_a_folder(inspector, net, tmp_path):
    said = inspector("filters", net, "-o", "k.png")
    assert said.code == 1
    assert said.err == (
        "error: k.png names a file, and no layer is named to put into it\n  Add -l LAYER, or name a folder.\n"
    )
    assert not (tmp_path / "k.png").exists()


def test_two_kinds_for_one_file_are_refused(inspector, net):
    said = inspector("filters", net, "-l", "conv_1", "-o", "k.png", "--format", "svg")
    assert (said.code, said.err.splitlines()[0]) == (
        1,
        "error: k.png and --format svg ask for two kinds of file",
    )


def test_kernels_of_a_file_of_weights_are_shown_likewise(inspector, weights, tmp_path):
    said = inspector("filters", weights, "-l", "conv.0", "-o", "k.npy", "-q")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert np.load("k.npy").tobytes() == safetensors.numpy.load_file(weights)["conv.0.weight"].tobytes()
    said = inspector("filters", weights, "--json")
    assert said.code == 0
    assert sorted(path.name for path in (tmp_path / "net-filters").iterdir()) == ["conv.0.png", "conv.1.png"]
    assert [record["colours"] for record in json.loads(said.out)] == ["rgb", None]
    assert said.err.splitlines()[0].startswith("conv.1: as many input as output channels")


def test_layer_names_of_a_file_of_weights_complete_in_the_shell(weights):
    from inspector.cli.options import complete_layer

    class Context:
        params = {"model": weights}  # noqa: RUF012

    assert complete_layer(Context(), "c") == ["conv.0", "conv.1"]


@pytest.mark.parametrize("command", ["predict", "annotate", "activations"])
def test_a_command_that_runs_the_network_says_that_there_is_none(inspector, weights, pictures, command):
    rest = {
        "predict": [pictures / "1.png"],
        "annotate": ["--range", "0..1", "-o", "new.onnx"],
        "activations": [pictures / "1.png", "-l", "conv.0"],
    }
    said = inspector(command, weights, *rest[command])
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[0] == (
        f"error: {weights}: holds weights only, and no network that could be run; expected an ONNX model"
    )
