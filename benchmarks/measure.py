"""Whole-process time and memory, and the table that they go into."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """What one process took: wall time in seconds, peak resident memory in MB (NaN where it is not known)."""

    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: What is compared, in words.
        figure: The measured ratio, time or size.
        unit: Its unit.
        wanted: The bound: "≥ 20", "≤ 0.3".
        detail: The figures that it came from.
    """

    what: str
    figure: float
    unit: str
    wanted: str
    detail: str

    @property
    def met(self) -> bool:
        """Whether the figure keeps the bound."""
        sign, number = self.wanted.split()
        return self.figure >= float(number) if sign == "≥" else self.figure <= float(number)

    def line(self) -> str:
        """The row as aligned text."""
        verdict = "ok  " if self.met else "MISS"
        figure = f"{self.figure:9.2f} {self.unit:<3} (wanted {self.wanted:>6})"
        return f"{verdict} {figure}  {self.what}: {self.detail}"


def run(command: Sequence[str | Path], *, cwd: Path | None = None) -> Usage:
    """Run a command to its end, output thrown away.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    words = [str(word) for word in command]
    began = time.perf_counter()
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=cwd
    )
    if not hasattr(os, "wait4"):
        code, peak = process.wait(), float("nan")
    else:
        _, status, resources = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        # Linux counts in KB, macOS in bytes.
        peak = resources.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        process.returncode = code
    seconds = time.perf_counter() - began
    if code:
        raise subprocess.CalledProcessError(code, words)
    return Usage(seconds, peak)


def alternate(
    first: Callable[[], Usage], second: Callable[[], Usage], runs: int
) -> tuple[list[Usage], list[Usage]]:
    """Run two things in turn, so that both see the same machine; one uncounted run of each goes first."""
    pairs = [(first(), second()) for _ in range(runs + 1)][1:]
    return [a for a, _ in pairs], [b for _, b in pairs]


def ratio(over: Sequence[Usage], under: Sequence[Usage]) -> float:
    """The median of the pairwise ratios of time."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(over, under, strict=True))


def seconds(usages: Sequence[Usage]) -> float:
    """The median time."""
    return statistics.median(usage.seconds for usage in usages)


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


PYTHON = sys.executable
INSPECTOR = Path(sys.executable).with_name("inspector.exe" if os.name == "nt" else "inspector")
