from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import FileError, ModelError, OptionError
from inspector.labels import Labels

HINT = 'Write one name per line, a JSON list, a JSON object {"0": "name"}, or CSV lines index,name.'


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "cat\ndog\n", ("cat", "dog")),
        ("a.txt", "\ufeffcat\r\n dög \r\n\r\n", ("cat", "dög")),
        ("a.txt", "cat\n\nowl\n", ("cat", "", "owl")),
        ("a.txt", '["cat", "dog"]', ("cat", "dog")),
        ("a.json", '{"1": "dog", "0": "cat"}', ("cat", "dog")),
        ("a.json", '{"0": "cat", "2": "owl"}', ("cat", "", "owl")),
        ("a.csv", "1,dog\n0,cat\n", ("cat", "dog")),
        ("a.csv", 'index,name\n0,"cat, tame"\n1,dog\n', ("cat, tame", "dog")),
        ("a.csv", "cat\ndog\n", ("cat", "dog")),
    ],
)
def test_label_files_of_every_form_are_read(
    name: str, text: str, expected: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert Labels.from_file(path).names == expected


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.txt", b"caf\xe9\n", "is not UTF-8 text; expected a list of labels"),
        ("a.txt", b"\n \n", "holds no label; expected one for each class"),
        ("a.txt", b"cat\0dog", "is not text; expected a list of labels"),
        ("a.json", b"[cat]", "is not valid JSON; expected a list of labels"),
        (
            "a.json",
            b'{"0": ["n01440764", "tench"]}',
            "is neither a list of strings nor an object of index to string; expected a list of labels",
        ),
        (
            "a.json",
            b'{"cat": "0"}',
            "has the index 'cat', which is no whole number below 1,000,000; expected a list of labels",
        ),
        (
            "a.json",
            b'{"9999999999": "cat"}',
            "has the index '9999999999', which is no whole number below 1,000,000; expected a list of labels",
        ),
        ("a.csv", b"0,cat\n0,dog\n", "has the index 0 twice; expected a list of labels"),
        (
            "a.csv",
            b"0,cat\n1,dog,x\n",
            "has CSV lines that are not all index,name; expected a list of labels",
        ),
        ("a.txt", b"", "is empty; expected a list of labels"),
    ],
)
def test_files_that_are_no_labels_are_named(name: str, data: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(FileError) as caught:
        Labels.from_file(path)
    assert caught.value.message == f"{path}: {found}"


def test_the_error_says_which_forms_there_are(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    with pytest.raises(FileError) as caught:
        Labels.from_file(path)
    assert caught.value.hint == HINT


def test_a_csv_field_beyond_the_limit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0," + "x" * 200_000)
    with pytest.raises(FileError, match=r"a\.csv: is not valid CSV \(.*\); expected a list of labels"):
        Labels.from_file(path)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None),
        ({"inspector.labels": '["cat", "dog"]', "names": "{0: 'no'}"}, ("cat", "dog")),
        ({"names": "{0: 'person', 1: 'bi\\'cycle'}"}, ("person", "bi'cycle")),
        ({"names": "['person', 'car']"}, ("person", "car")),
        ({"names": "__import__('os').system('true')"}, None),
        ({"names": "{0: open('x')}"}, None),
        ({"names": "{" * 5000}, None),
        ({"names": "{}"}, None),
        ({"names": "{0: 1}"}, None),
    ],
)
def test_labels_are_read_from_metadata(metadata: dict[str, str], expected: tuple[str, ...] | None) -> None:
    found = Labels.from_metadata(metadata, "m.onnx")
    assert (found and found.names) == expected
    assert found is None or found.declared


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cat", "is not valid JSON"),
        ("[1]", "is neither a list of strings nor an object of index to string"),
        ("[]", "the labels hold no name; expected one for each class"),
    ],
)
def test_broken_stored_labels_are_named(text: str, reason: str) -> None:
    with pytest.raises(ModelError) as caught:
        Labels.from_metadata({"inspector.labels": text}, "m.onnx")
    assert caught.value.message == f"m.onnx: the metadata 'inspector.labels' cannot be used: {reason}"
    assert caught.value.hint == "Set it anew: inspector annotate m.onnx --labels FILE"


def test_what_is_stored_is_read_back() -> None:
    labels = Labels(("Löwe", '"', ""))
    found = Labels.from_metadata({"inspector.labels": labels.to_json()}, "m.onnx")
    assert found is not None
    assert found.names == labels.names


def test_labels_come_from_whatever_a_caller_has(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("cat\ndog")
    labels = Labels(("cat", "dog"))
    assert Labels.of(labels) is labels
    assert Labels.of(path) == Labels.of(["cat", "dog"]) == labels


def test_a_wrong_number_of_given_labels_is_an_error() -> None:
    with pytest.raises(OptionError) as caught:
        Labels(("cat", "dog")).check(3, "m.onnx")
    assert caught.value.message == "m.onnx: has 3 classes, but 2 labels are given"


def test_a_wrong_number_of_declared_labels_is_a_warning() -> None:
    labels = Labels(("cat", "dog"), declared=True)
    assert labels.check(2, "m.onnx") is None
    assert labels.check(3, "m.onnx") == (
        "m.onnx: declares 2 labels for 3 classes; class numbers are shown instead"
    )
