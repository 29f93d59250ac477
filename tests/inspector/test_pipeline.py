"""Work done side by side, in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from inspector.errors import RunError
from inspector.pipeline import in_order


def test_work_done_side_by_side_keeps_its_order() -> None:
    gate = threading.Event()

    def work(part: Sequence[int]) -> list[int]:
        # The first chunk ends last.
        gate.wait(5) if part[0] == 0 else gate.set()
        return [number * 2 for number in part]

    found = list(in_order(range(20), work, chunk=3, workers=2, stop=lambda: None))
    assert found == [number * 2 for number in range(20)]


def test_what_fails_side_by_side_is_raised_and_stops_the_rest() -> None:
    stopped: list[bool] = []

    def work(part: Sequence[int]) -> list[int]:
        if part[0] == 4:
            raise RunError("four")
        return list(part)

    results = in_order(range(100), work, chunk=1, workers=2, stop=lambda: stopped.append(True))
    with pytest.raises(RunError, match="four"):
        list(results)
    assert stopped == [True]
