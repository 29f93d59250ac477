"""The record of a conversion, and when two arrays count as equal."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from converters.certificate import Certificate, FileRecord
from converters.conversion import asked
from converters.difference import Agreement, Difference
from converters.formats import Request
from converters.trials import Trial

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "certificate.schema.json").read_text(encoding="utf-8")
)
VERSIONS = dict.fromkeys(("python", "onnx-inspector", "onnx", "onnxruntime", "numpy"), "1.0")


def certificate(**changes):
    base = {
        "source": "lars.tflearn",
        "format": "tflearn checkpoint",
        "files": (FileRecord("lars.tflearn.meta", 3, "ab" * 32),),
        "engine": "tf2onnx 1.17.0",
        "versions": VERSIONS,
        "model": {"opset": 17, "nodes": 4, "parameters": 9, "inputs": ["x"], "outputs": ["y"]},
        "decisions": ("the output is y",),
        "warnings": (),
        "gate": ("onnx.checker",),
        "request": asked(Request()),
    }
    return Certificate(**(base | changes))


def test_the_verdict_says_whether_anything_was_compared():
    assert certificate().verdict == "not compared"
    assert certificate(reference="TensorFlow 2", outputs=(Difference("y", "y", 0.0, 1.0),)).verdict == "equal"
    assert (
        certificate(reference="TensorFlow 2", outputs=(Difference("y", "y", 0.1, 1.0),)).verdict
        == "not equal"
    )


def test_the_first_difference_is_that_of_the_first_layer_not_of_the_output():
    bad = certificate(
        reference="TensorFlow 2",
        outputs=(Difference("y", "y", 0.1, 1.0),),
        layers=(Difference("conv_1", "c1", 0.0, 1.0), Difference("conv_2", "c2", 0.1, 1.0)),
    )
    assert bad.first_difference.name == "conv_2"


def test_the_json_keys_are_a_contract():
    record = json.loads(certificate(reference="R", outputs=(Difference("y", "y", np.inf, 1.0),)).to_json())
    first = ["schema", "verdict", "tolerance", "source", "format", "files", "engine", "versions", "model"]
    then = ["decisions", "warnings", "gate", "request", "reference", "trials", "pictures"]
    assert list(record) == [*first, *then, "outputs", "layers", "unseen"]
    assert record["schema"] == 2
    assert record["files"] == [{"name": "lars.tflearn.meta", "bytes": 3, "sha256": "ab" * 32}]
    assert record["outputs"] == [
        {
            "name": "y",
            "value": "y",
            "max_abs": None,
            "largest": 1.0,
            "noise": 0.0,
            "step": 0.0,
            "allowed": 1e-5,
            "equal": False,
            "top1": None,
        }
    ]


def test_the_summary_names_what_was_decided_and_what_differs():
    text = certificate(
        reference="TensorFlow 2.21.0",
        trials=(Trial(0, 1, "uniform in 0..1"), Trial(1, 3, "uniform in 0..1")),
        layers=(Difference("conv_1", "c", 2e-7, 3.5), Difference("conv_2", "c", 0.5, 2.0)),
        unseen=("dropout_1",),
    ).summary()
    assert text.splitlines() == [
        "lars.tflearn (tflearn checkpoint) → tf2onnx 1.17.0, opset 17",
        "  decided: the output is y",
        "  NOT EQUAL, compared with TensorFlow 2.21.0: 2 seeds, batches of 1, 3; largest differences:",
        "  conv_1                       2.0e-07 of 3.5",
        "  conv_2                       5.0e-01 of 2   ← differs",
        "  without a value of their own in the model: dropout_1",
    ]


def test_a_summary_without_a_comparison_says_so_loudly():
    assert certificate().summary().splitlines()[-1] == "  NOT COMPARED with the source"


def test_a_file_record_has_the_sha256_that_anybody_can_check(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert FileRecord.of(tmp_path / "f") == FileRecord("f", 3, known)


COMPARED = certificate(
    reference="LiteRT",
    trials=(Trial(0, 1, "uniform in 0..1"),),
    pictures=2,
    layers=(
        Difference("conv|1", "c", 0.05, 12.75, step=0.05, steps=1),
        Difference("conv_2", "d", 0.2, 12.75, step=0.05, steps=1),
    ),
    outputs=(Difference("y", "y", np.inf, 1.0, top1=Agreement(2, 3)),),
    unseen=("dropout_1",),
    warnings=("saved in <training> mode",),
)


def validate(record):
    jsonschema.Draft202012Validator(SCHEMA).validate(record)


def test_the_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "record",
    [
        certificate(),
        COMPARED,
        certificate(reference="R", outputs=(Difference("y", "y", 0.0, 1.0, top1=Agreement(4, 4)),)),
    ],
    ids=["not compared", "not equal", "equal"],
)
def test_every_certificate_fits_the_schema(record):
    validate(json.loads(record.to_json()))
    validate(record.to_dict())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 1),
        ("verdict", "equal"),
        ("files", [{"name": "f", "bytes": 1, "sha256": "short"}]),
        ("outputs", [{"name": "y"}]),
        ("request", {}),
        ("extra", 1),
    ],
)
def test_what_is_no_certificate_does_not_fit_the_schema(key, value):
    with pytest.raises(jsonschema.ValidationError):
        validate({**COMPARED.to_dict(), key: value})


def test_the_documentation_names_every_key_of_the_schema():
    page = (Path(__file__).resolve().parents[2] / "docs" / "certificate.md").read_text(encoding="utf-8")
    named = {
        name for row in re.findall(r"^\| (`[^|]*) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)
    }
    keys = set(SCHEMA["properties"]) | set(SCHEMA["$defs"]["difference"]["properties"])
    assert named == keys
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_the_page_has_a_short_table_and_no_markup_of_strangers():
    page = COMPARED.to_markdown()
    assert page.splitlines()[:9] == [
        "# lars.tflearn: not equal",
        "",
        "tflearn checkpoint → tf2onnx 1.17.0, opset 17. "
        "Compared with LiteRT: 1 seed, batches of 1; 2 pictures.",
        "",
        "| layer or output | value in the model | largest difference | allowed | top class | |",
        "| --- | --- | ---: | ---: | ---: | --- |",
        r"| conv\|1 | c | 1 step of 0.05 | 5.0e-02 |  | equal |",
        r"| conv\_2 | d | 4 steps of 0.05 | 5.0e-02 |  | **differs** |",
        "| **y** (output) | y | inf of 1 | 1.0e-05 | 2 of 3 | **differs** |",
    ]
    assert r"- saved in \<training\> mode" in page
    assert "Compared" not in certificate().to_markdown()
    assert "Not compared with the source." in certificate().to_markdown()


def test_a_long_table_keeps_its_ends_the_worst_and_all_that_differ():
    rows = tuple(Difference(f"l{n}", f"v{n}", 1.0 if n == 50 else 1e-9 * n, 1.0) for n in range(100))
    page = certificate(reference="R", layers=rows).to_markdown()
    kept = re.findall(r"^\| (l\d+) ", page, re.M)
    assert kept[:5] == ["l0", "l1", "l2", "l3", "l4"]
    assert kept[-1] == "l99"
    assert "l50" in kept
    assert f"{100 - len(kept)} rows that are equal are left out; the JSON certificate has all." in page


def test_a_layer_that_is_an_output_is_listed_once_unless_it_differs_as_a_layer():
    output = Difference("scores", "scores", 0.0, 1.0, top1=Agreement(8, 8))
    conv, twin = Difference("conv_1", "c1", 0.0, 1.0), Difference("scores", "scores", 0.0, 1.0)

    def names(layer):
        made = certificate(reference="R", outputs=(output,), layers=(conv, layer))
        summary = [line.split()[0] for line in made.summary().splitlines()[3:]]
        table = re.findall(r"^\| \**(\w+)", made.to_markdown().replace("\\", ""), re.MULTILINE)[1:]
        assert summary == table
        return summary

    assert names(twin) == ["conv_1", "scores"]
    assert names(Difference("scores", "scores", 0.5, 1.0)) == ["conv_1", "scores", "scores"]
    # Another value of the same name is another thing.
    assert names(Difference("scores", "before", 0.0, 1.0)) == ["conv_1", "scores", "scores"]
