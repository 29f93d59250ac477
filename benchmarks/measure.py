"""Whole-process time and memory, and the table that they go into."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
INSPECTOR = Path(sys.executable).with_name("inspector.exe" if os.name == "nt" else "inspector")


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


# A process starts with the peak memory of the one that made it, so a small one in between makes it.
_LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(
    sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
)
if hasattr(os, "wait4"):
    _, status, resources = os.wait4(process.pid, 0)
    code, peak = os.waitstatus_to_exitcode(status), resources.ru_maxrss
else:
    code, peak = process.wait(), None
print(json.dumps([code, time.perf_counter() - began, peak]))
"""


def run(command: Sequence[str | Path], *, cwd: Path | None = None) -> Usage:
    """Run a command to its end, output thrown away.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    words = [str(word) for word in command]
    said = subprocess.run(
        [PYTHON, "-IS", "-c", _LAUNCHER, *words], stdout=subprocess.PIPE, cwd=cwd, check=True
    )
    code, seconds, peak = json.loads(said.stdout)
    if code:
        raise subprocess.CalledProcessError(code, words)
    # Linux counts in KB, macOS in bytes.
    return Usage(seconds, float("nan") if peak is None else peak / (1e6 if sys.platform == "darwin" else 1e3))


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
