from __future__ import annotations

import os
from pathlib import Path

import pytest

from inspector import memory

GIB = 2**30


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in place of the control group's limit."""
    path = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_GROUP_LIMITS", (str(path),))
    return path


def machine(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    known = {"SC_PHYS_PAGES": size // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", known.__getitem__, raising=False)


def test_a_run_may_take_4_gib_on_a_large_machine(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 64 * GIB)
    assert memory.run_limit() == 4 * GIB


def test_a_run_may_take_half_of_a_small_machine(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 2 * GIB)
    assert memory.run_limit() == GIB


def test_a_container_counts_as_a_small_machine(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 64 * GIB)
    groups.write_text(f"{GIB}\n")
    assert memory.run_limit() == GIB // 2
    groups.write_text("max\n")
    assert memory.run_limit() == 4 * GIB


def test_a_system_that_does_not_tell_its_memory_gets_4_gib(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory.run_limit() == 4 * GIB

    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown, raising=False)
    assert memory.run_limit() == 4 * GIB


def test_the_private_memory_is_read_where_the_system_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = tmp_path / "status"
    monkeypatch.setattr(memory, "_STATUS", str(status))
    assert memory.private_bytes() is None
    status.write_text("Name:\tpython\nRssAnon:\t     123 kB\n")
    assert memory.private_bytes() == 123 * 1024
    status.write_text("Name:\tpython\n")
    assert memory.private_bytes() is None
