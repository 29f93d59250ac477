"""The table of formats: it has all of them, and says what their conversions give."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from converters.formats import all_formats

sys.path.append(str(Path(__file__).resolve().parent))
from formats_table import (
    ABSENT,
    DOCUMENT,
    KINDS,
    OFFERS,
    ROWS,
    Networks,
    code_on_path,
    offers,
    outcome,
)

LITE = "TensorFlow Lite `.tflite`"
# Every kind of one format, and one kind of every other: over all formats, each kind comes again and again.
CASES = [
    (row, kind)
    for place, row in enumerate(ROWS)
    for number, kind in enumerate(KINDS)
    if (row.label, kind) not in ABSENT and (row.label == LITE or number == place % 7)
]


@pytest.fixture(scope="session")
def networks(pytestconfig: pytest.Config) -> Networks:
    return Networks(pytestconfig.cache.mkdir)


def tables() -> tuple[list[list[str]], list[list[str]]]:
    """The cells of both tables, their heads first."""
    found: list[list[list[str]]] = []
    for block in re.findall(r"(?:^\|.*\n)+", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append([rows[0], *rows[2:]])
    first, second = found
    return first, second


def cell(label: str, kind: str) -> str:
    head, *rows = tables()[1]
    (row,) = (row for row in rows if row[0] == label)
    return row[head.index(KINDS[kind])]


def note(number: str) -> str:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{number}. "))
    return line.removeprefix(f"{number}. ")


def test_every_format_has_rows_in_both_tables():
    names = {known.name for known in all_formats()}
    assert {row.format for row in ROWS} == names
    assert set(OFFERS) == names
    assert {row[0] for row in tables()[0][1:]} == names


def test_the_first_table_says_what_each_format_offers():
    assert tables()[0][1:] == list(offers())


def test_the_second_table_has_every_row_and_every_kind_and_nothing_else():
    head, *rows = tables()[1]
    assert head[1:] == list(KINDS.values())
    assert [row[0] for row in rows] == [row.label for row in ROWS]
    for row in rows:
        assert len(row) == len(head)
        dashes = {(row[0], kind) for kind, told in zip(KINDS, row[1:], strict=True) if told == "—"}
        assert dashes == {pair for pair in ABSENT if pair[0] == row[0]}


def test_no_network_converts_into_something_else():
    told = [text for row in tables()[1][1:] for text in row[1:]]
    assert [text for text in told if not re.fullmatch(r"equal \S+ \(\S+\)|no \[\d+\]|—", text)] == []
    notes = {number for text in told for number in re.findall(r"no \[(\d+)\]", text)}
    assert all(note(number) for number in notes)


def test_recurrent_networks_of_every_format_of_graphs_are_in_the_table():
    assert cell(LITE, "recurrent") != "—"
    assert not [row.label for row in ROWS if cell(row.label, "recurrent") == "—"]


@pytest.mark.parametrize(("row", "kind"), CASES, ids=lambda given: getattr(given, "label", given))
def test_the_table_says_how_a_network_converts(networks, tmp_path: Path, row, kind):
    with code_on_path():
        result = outcome(networks, row, kind, tmp_path / "net.onnx")
    told = cell(row.label, kind)
    if result.refusal:
        number = re.fullmatch(r"no \[(\d+)\]", told)[1]
        assert note(number) == result.refusal
        assert not (tmp_path / "net.onnx").exists()
    else:
        assert told.partition(" ")[0] == result.verdict
        assert result.part <= 1
