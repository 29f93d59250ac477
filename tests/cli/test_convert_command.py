"""`inspector convert`, and its Python twin."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import onnx
import pytest

import inspector as package
from converters.tensorflow import TENSORFLOW
from inspector.cli import output
from inspector.errors import OptionError


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "labels.txt").write_text("someone else\nLars\n")
    return tmp_path / "labels.txt"


def test_a_conversion_says_what_was_decided_and_how_equal_it_is(inspector, zoo, labels, tmp_path):
    said = inspector(
        "convert", zoo / "notebook" / "notebook", "-o", "lars.onnx", "--labels", labels,
        "--channels", "gray", "--range", "0..255", "--certificate", "lars.json",
    )  # fmt: skip
    assert said.code == 0
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == ("warning: The source was saved in training mode; it is converted in inference mode.")
    assert any(line.startswith("  EQUAL, compared with the source in TensorFlow 2") for line in lines)
    assert lines[-1] == "wrote lars.onnx"
    certificate = json.loads((tmp_path / "lars.json").read_text())
    assert certificate["verdict"] == "equal"
    stored = {entry.key: entry.value for entry in onnx.load("lars.onnx").metadata_props}
    assert json.loads(stored["inspector.certificate"]) == certificate
    assert json.loads(stored["inspector.labels"]) == ["someone else", "Lars"]
    assert json.loads(stored["inspector.preprocess"])["range"] == "0..255"


def test_layer_names_and_kernels_survive_the_conversion(inspector, zoo):
    from converters.tensorflow.checkpoint import open_checkpoint

    inspector("convert", zoo / "notebook", "-o", "n.onnx", "--no-verify", "-q")
    assert [layer.name for layer in package.load("n.onnx").layers] == [
        "conv_1", "max_pool_1", "conv_2", "max_pool_2", "fully_connected_1", "fully_connected_2"
    ]  # fmt: skip
    kernels = package.load("n.onnx").filters("conv_2").kernels
    stored = open_checkpoint(zoo / "notebook" / "notebook").read("conv_2/W")
    assert np.array_equal(kernels, stored.transpose(3, 2, 0, 1))


def test_without_an_output_the_file_is_named_after_the_source(inspector, zoo, tmp_path):
    said = inspector("convert", zoo / "frozen_graph" / "frozen_graph.pb", "--no-verify", "--json")
    record = json.loads(said.out)
    assert record["path"] == "frozen_graph.onnx"
    assert record["certificate"]["verdict"] == "not compared"
    assert (tmp_path / "frozen_graph.onnx").exists()


def test_an_existing_output_or_certificate_is_kept_unless_force_is_given(inspector, zoo, tmp_path):
    (tmp_path / "c.json").write_text("mine")
    said = inspector("convert", zoo / "notebook", "-o", "n.onnx", "--certificate", "c.json")
    assert (said.code, said.err) == (1, "error: c.json: exists already\n  Use --force to replace it.\n")
    assert (tmp_path / "c.json").read_text() == "mine"
    assert not (tmp_path / "n.onnx").exists()


def test_a_certificate_can_be_a_page_for_a_person(inspector, net, tmp_path):
    said = inspector("convert", net, "-o", "m.onnx", "--certificate", "m.md")
    assert said.code == 0
    lines = (tmp_path / "m.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# net.onnx: equal"
    assert lines[4] == "| layer or output | value in the model | largest difference | allowed | top class | |"
    assert lines[6].startswith(r"| conv\_1 | r | 0.0e+00 of ")


def test_what_is_asked_of_a_source_reaches_it_and_its_certificate(inspector, net, tmp_path):
    said = inspector(
        "convert", net, "-o", "m.onnx", "--signature", "s", "--input-shape", "N,8,8,1", "--trust", "--json"
    )  # fmt: skip
    request = json.loads(said.out)["certificate"]["request"]
    assert (request["signature"], request["input_shapes"], request["trust"]) == ("s", ["N,8,8,1"], True)


def test_the_certificate_does_not_replace_the_model(inspector, zoo, tmp_path):
    said = inspector("convert", zoo / "notebook", "-o", "n.onnx", "--certificate", tmp_path / "n.onnx")
    message = f"{tmp_path / 'n.onnx'}: is the model's own file; expected another name for the certificate"
    assert (said.code, said.err) == (1, f"error: {message}\n")
    assert not (tmp_path / "n.onnx").exists()


def test_a_difference_exits_with_1_keeps_the_certificate_and_writes_no_model(
    inspector, zoo, tmp_path, monkeypatch
):
    from contextlib import contextmanager

    @contextmanager
    def wrong(path, request):
        with TENSORFLOW.open(path, request) as opened:
            made = opened.write()
            weights = {**made.model.weights, "conv_2/W": made.model.weights["conv_2/W"] * 1.01}
            yield replace(opened, write=lambda: replace(made, model=replace(made.model, weights=weights)))

    monkeypatch.setattr("converters.conversion.recognise", lambda path: replace(TENSORFLOW, open=wrong))
    said = inspector("convert", zoo / "notebook", "-o", "n.onnx", "--certificate", "c.json")
    assert said.code == 1
    assert "← differs" in said.err
    assert "error: notebook: the converted model differs from the source, first at conv_2: by " in said.err
    assert json.loads((tmp_path / "c.json").read_text())["verdict"] == "not equal"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json"]


def test_labels_that_do_not_fit_the_outputs_are_refused(inspector, zoo, tmp_path):
    (tmp_path / "labels.txt").write_text("one\ntwo\nthree\n")
    said = inspector("convert", zoo / "notebook", "-o", "n.onnx", "--labels", "labels.txt")
    assert said.code == 1
    assert "3 labels" in said.err
    assert not (tmp_path / "n.onnx").exists()


def test_pixels_that_do_not_fit_the_input_are_refused(zoo, tmp_path):
    with pytest.raises(OptionError):
        package.convert(zoo / "notebook", tmp_path / "n.onnx", preprocess={"channels": "rgb"})
    assert not (tmp_path / "n.onnx").exists()


def test_an_output_tensor_that_is_not_there_is_told(inspector, zoo):
    said = inspector("convert", zoo / "notebook", "-o", "n.onnx", "--outputs", "conv_9/Relu:0")
    assert said.code == 1
    assert "conv_9/Relu" in said.err.splitlines()[0]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("models/lars.tflearn", "lars.onnx"),
        ("lars.tflearn.meta", "lars.onnx"),
        ("model.ckpt-1000", "model.ckpt-1000.onnx"),
        ("frozen.pb", "frozen.onnx"),
        ("folder/", "folder.onnx"),
        ("net.keras", "net.onnx"),
        ("net.onnx", "net.converted.onnx"),
        ("package.module:network", "network.onnx"),
    ],
)
def test_the_default_output_is_the_sources_name_in_the_current_folder(source, name):
    from inspector.conversion import default_output

    assert str(default_output(source)) == name


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that a test can send to a group")
@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_conversion_leaves_nothing_behind(zoo, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "inspector",
            "convert",
            zoo / "notebook" / "notebook",
            "-o",
            tmp_path / "n.onnx",
        ],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    # The file that is being written shows that the work is under way.
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.decode() == "error: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_stages_and_progress_are_shown_on_a_terminal_only(monkeypatch, capsys):
    with output.stages(quiet=False) as stage, output.progress(2, quiet=False) as step:
        stage("reading")
        step()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with output.stages(quiet=False) as stage:
        stage("reading the source")
    with output.progress(2, quiet=False) as step:
        step()
        step()
    with output.progress(2, quiet=True) as step:
        step()
    assert "reading the source" in capsys.readouterr().err
