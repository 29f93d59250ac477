from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.safe_names import file_names, printable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv_1", "conv_1"),
        ("/features/0/Conv", "features_0_Conv"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\Windows\\x", "C_Windows_x"),
        ("CON", "CON_"),
        ("nul.txt", "nul_.txt"),
        ("com1", "com1_"),
        ("console", "console"),
        ("=1+1", "1_1"),
        ("-rf", "rf"),
        (".hidden.", "hidden"),
        ("<script>alert(1)</script>", "script_alert_1_script"),
        ("a\x1b[31m\u202eb\n", "a_31m_b"),
        ("", "layer"),
        ("///", "layer"),
        ("\udc80", "layer"),
        ("Faltung äöü 卷积", "Faltung_äöü_卷积"),
    ],
)
def test_a_file_name_keeps_what_is_safe_of_a_name(name: str, expected: str) -> None:
    assert file_names([name]) == [expected]


def test_file_names_that_differ_in_case_alone_get_numbers() -> None:
    assert file_names(["Conv", "conv", "CONV", "conv-2", "other"]) == [
        "Conv",
        "conv-2",
        "CONV-3",
        "conv-2-2",
        "other",
    ]


def test_file_names_of_five_thousand_characters_are_short_and_still_differ() -> None:
    found = file_names(["a" * 5000, "a" * 5000 + "b", "卷" * 5000])
    assert len(set(found)) == 3
    assert all(len(name.encode()) <= 125 for name in found)


@settings(deadline=None)
@given(st.lists(st.text(), max_size=8))
def test_file_names_are_single_path_parts_and_never_collide(names: list[str]) -> None:
    found = file_names(names)
    assert len({unicodedata.normalize("NFKC", name).casefold() for name in found}) == len(names)
    for name in found:
        assert Path(name).name == name
        assert name not in ("", ".", "..")
        assert all(sign.isalnum() or sign in "_-." for sign in name)


def test_printable_marks_control_and_direction_characters() -> None:
    assert printable("a\x1b[0m\u202eb\nc\u2028\udc80") == "a�[0m�b�c��"


def test_printable_cuts_long_names() -> None:
    assert printable("x" * 81) == "x" * 79 + "…"
    assert printable("x" * 80) == "x" * 80
