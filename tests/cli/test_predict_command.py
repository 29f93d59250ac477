"""`inspector predict`."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def ready(inspector, net):
    """The model with labels and a declared way from pixels to its input."""
    labels = net.with_name("labels.txt")
    labels.write_text("ant\nbee\ncat\n")
    said = inspector("annotate", net, "--labels", labels, "--channels", "gray", "--range", "0..1", "--force")
    assert said.code == 0, said.err
    return net


def test_one_picture_gives_one_row_with_all_labels(inspector, ready, pictures):
    said = inspector("predict", ready, pictures / "1.png")
    assert (said.code, said.err) == (0, "")
    row = said.out.split()
    assert row[0] == str(pictures / "1.png")
    assert {"ant", "bee", "cat"} < set(row)
    shares = [float(row[place - 1]) for place, word in enumerate(row) if word == "%"]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_a_bad_picture_in_a_folder_is_named_and_counted_and_the_others_go_on(inspector, ready, pictures):
    said = inspector("predict", ready, pictures, "--top", 1)
    assert said.code == 3
    assert len(said.out.splitlines()) == 2
    first, *_, last = said.err.splitlines()
    assert first.startswith(f"error: {pictures / '3.png'}: ")
    assert last == "1 of 3 pictures failed"


def test_json_lines_keep_the_order_and_hold_the_failures(inspector, ready, pictures):
    said = inspector("predict", ready, pictures, "--json", "-k", 2)
    records = [json.loads(line) for line in said.out.splitlines()]
    assert [record["source"] for record in records] == [str(pictures / f"{n}.png") for n in (1, 2, 3)]
    assert [list(record) for record in records[1:]] == [
        ["source", "predictions"],
        ["source", "error", "hint"],
    ]
    assert list(records[0]["predictions"][0]) == ["index", "label", "probability"]
    assert len(records[0]["predictions"]) == 2


def test_csv_has_a_header_and_a_row_for_each_class(inspector, ready, pictures):
    said = inspector("predict", ready, pictures / "1.png", "--format", "csv", "-q")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert {row["label"] for row in rows} == {"ant", "bee", "cat"}


def test_a_picture_comes_from_stdin(inspector, ready, pictures):
    said = inspector("predict", ready, "-", stdin=(pictures / "1.png").read_bytes())
    by_name = inspector("predict", ready, pictures / "1.png")
    assert said.out.split()[0] == "-"
    assert said.out.split()[1:] == by_name.out.split()[1:]


def test_what_is_assumed_about_pixels_is_said_visibly(inspector, net, pictures):
    said = inspector("predict", net, pictures / "1.png", "-q")
    assert said.err.startswith(f"warning: {net} does not declare how pixels become its input; assumed: ")


def test_pixels_can_be_described_on_the_command_line(inspector, net, pictures):
    given = ("--channels", "gray", "--range", "-1..1", "--mean", "-0.5", "--std", "2", "--resize", "pad")
    said = inspector("predict", net, pictures / "1.png", *given)
    assert (said.code, said.err) == (0, "")


def test_a_mean_that_is_no_number_is_a_usage_error(inspector, net, pictures):
    said = inspector("predict", net, pictures / "1.png", "--mean", "red")
    assert said.code == 2
    assert "'red' is not a comma-separated list of numbers" in said.err


def test_a_missing_picture_alone_is_an_error_and_among_others_a_failure(inspector, ready, pictures):
    alone = inspector("predict", ready, "no.png")
    assert alone.code == 1
    among = inspector("predict", ready, "no.png", pictures / "1.png")
    assert among.code == 3
    assert len(among.out.splitlines()) == 1


def test_two_forms_or_a_limit_that_is_no_number_are_usage_errors(inspector, ready, pictures):
    assert inspector("predict", ready, pictures / "1.png", "--json", "--format", "csv").code == 2
    assert inspector("predict", ready, pictures / "1.png", "--time-limit", "nan").code == 2


def test_labels_that_the_terminal_cannot_show_are_escaped(ready, pictures, tmp_path):
    (tmp_path / "labels.txt").write_text("кот\n猫\ncat\n", encoding="utf-8")
    words = [
        sys.executable,
        "-m",
        "inspector",
        "predict",
        ready,
        pictures / "1.png",
        "--labels",
        tmp_path / "labels.txt",
    ]
    for encoding in ("ascii", "cp1252"):
        env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        done = subprocess.run([str(word) for word in words], capture_output=True, env=env)
        assert done.returncode == 0
        assert b"\\u732b" in done.stdout
        done = subprocess.run([*(str(word) for word in words), "--json"], capture_output=True, env=env)
        names = {row["label"] for row in json.loads(done.stdout)["predictions"]}
        assert names == {"кот", "猫", "cat"}
