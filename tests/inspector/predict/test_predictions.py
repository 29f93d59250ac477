"""Predictions as a sequence, a table and a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from grey_network import DECLARED, Net, pictures, write_folder

from inspector.errors import OptionError


def saved(net: Net, tmp_path: Path, name: str) -> Path:
    folder = write_folder(tmp_path / "pictures", pictures(2))
    (folder / "=1.png").write_bytes(b"rubbish")
    return (
        net(metadata={**DECLARED, "inspector.labels": '["=cat", "dog", "owl"]'})
        .predict(folder)
        .save(tmp_path / name)
    )


def test_jsonl_has_one_object_per_line(net: Net, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in saved(net, tmp_path, "p.jsonl").read_text("utf-8").splitlines()]
    assert [set(line) for line in lines] == [{"source", "predictions"}] * 2 + [{"source", "error", "hint"}]
    assert set(lines[0]["predictions"][0]) == {"index", "label", "probability"}
    assert sum(row["probability"] for row in lines[0]["predictions"]) == pytest.approx(1, abs=1e-5)


def test_json_has_everything(net: Net, tmp_path: Path) -> None:
    found = json.loads(saved(net, tmp_path, "p.json").read_text("utf-8"))
    assert set(found) == {"predictions", "failures", "assumed", "scores", "warnings"}
    sources = [Path(row["source"]).name for row in found["predictions"] + found["failures"]]
    assert sources == ["0.png", "1.png", "=1.png"]
    assert (found["assumed"], found["warnings"]) == (None, [])
    assert found["scores"] == "the model's own softmax gives the probabilities"


def test_csv_has_one_row_per_class_and_no_formulas(net: Net, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(saved(net, tmp_path, "p.csv").read_text("utf-8"))))
    assert len(rows) == 2 * 3 + 1
    assert {row["label"] for row in rows} == {"'=cat", "dog", "owl", ""}
    assert [row["rank"] for row in rows] == ["1", "2", "3", "1", "2", "3", ""]
    assert rows[-1]["error"].endswith("expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM")


def test_other_suffixes_are_refused(net: Net, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        saved(net, tmp_path, "p.xlsx")
    assert caught.value.message == (
        f"{tmp_path / 'p.xlsx'}: has the suffix '.xlsx'; expected .jsonl, .json or .csv"
    )


def test_the_html_table_is_safe(net: Net, tmp_path: Path) -> None:
    model = net(metadata={"inspector.labels": json.dumps(["<script>", "a\u202eb", "c"])})
    html = model.predict([*pictures(1), b"rubbish"])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\u202e" not in html
    assert "is not a picture" in html
    assert "does not declare" in html


def test_predictions_are_a_sequence(net: Net) -> None:
    found = net().predict(pictures(3))
    assert found[:2] == found.items[:2]
    assert list(found) == list(found.items)


def test_csv_cells_hold_no_control_characters(net: Net) -> None:
    model = net(metadata={**DECLARED, "inspector.labels": json.dumps(["a\x1b[31m", "b\nc", "=\u202e"])})
    rows = model.predict(pictures(1)[0]).items[0].to_rows()
    assert {row[3] for row in rows} == {"a\\x1b[31m", "b\\nc", "'=\\u202e"}
