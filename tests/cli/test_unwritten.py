"""Results that cannot be written: stdout on a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
MESSAGE = (
    "error: standard output: cannot be written: No space left on device\n"
    "  Check the room on its disk, or send it elsewhere.\n"
)
GREY = ("--channels", "gray", "--range", "0..1")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")


def on_a_full_disk(folder, *words, unbuffered=""):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", *map(str, words)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        ("layers", "net.onnx"),
        ("layers", "net.onnx", "--json"),
        ("predict", "net.onnx", "pictures/1.png", *GREY),
        ("predict", "net.onnx", "pictures/1.png", *GREY, "--json"),
        ("predict", "net.onnx", "pictures/1.png", *GREY, "--format", "csv"),
        ("explain", "--list-methods"),
        ("--version",),
        ("layers", "--help"),
    ],
    ids=" ".join,
)
def test_results_that_cannot_be_written_are_a_known_error(net, pictures, tmp_path, words, unbuffered):
    assert on_a_full_disk(tmp_path, *words, unbuffered=unbuffered) == (1, MESSAGE)


@pytest.mark.parametrize(
    "words",
    [
        ("filters", "net.onnx", "-l", "conv_1", "--json"),
        ("activations", "net.onnx", "pictures/1.png", "-l", "conv_1", *GREY, "--json"),
        ("explain", "net.onnx", "pictures/1.png", "-m", "gradient", "--no-trust", *GREY, "--json"),
        ("verify", "net.onnx", "net.onnx"),
        ("verify", "net.onnx", "net.onnx", "--json"),
        ("convert", "net.onnx", "--json"),
    ],
    ids=" ".join,
)
def test_so_is_what_a_command_prints_beside_its_file(net, pictures, tmp_path, words):
    code, said = on_a_full_disk(tmp_path, *words)
    assert code == 1
    assert said.endswith(MESSAGE)
    assert "bug" not in said


def test_a_failure_that_comes_after_the_results_does_not_hide_that_they_are_lost(net, pictures, tmp_path):
    code, said = on_a_full_disk(tmp_path, "predict", "net.onnx", "pictures", *GREY, "-q")
    assert code == 1
    assert said.endswith(MESSAGE)
    assert "Exception ignored" not in said
