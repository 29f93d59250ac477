"""`make bench`: every figure that the README states, measured in one run, side by side.

A benchmark is a module `bench_*.py` in this folder with a function `rows(workspace)`. Names on the command
line choose some of them.
"""

from __future__ import annotations

import importlib
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parent / "build" / "bench"


def main(wanted: list[str]) -> None:
    """Print a row for each figure."""
    WORKSPACE.mkdir(parents=True, exist_ok=True)
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}", flush=True)
    for path in sorted(HERE.glob("bench_*.py")):
        if wanted and not any(word in path.stem for word in wanted):
            continue
        for row in importlib.import_module(path.stem).rows(WORKSPACE):
            print(row.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
