"""How soon the package is there: `import inspector` against numpy, and `--help`."""

from __future__ import annotations

from pathlib import Path

from measure import INSPECTOR, PYTHON, Row, alternate, ratio, run, seconds


def rows(workspace: Path) -> list[Row]:
    """Measure start-up; nothing is kept in `workspace`."""
    ours, numpys = alternate(
        lambda: run([PYTHON, "-c", "import inspector"]), lambda: run([PYTHON, "-c", "import numpy"]), runs=10
    )
    helps, _ = alternate(lambda: run([INSPECTOR, "--help"]), lambda: run([PYTHON, "-c", "pass"]), runs=10)
    return [
        Row(
            "import inspector / import numpy",
            ratio(ours, numpys),
            "x",
            "≤ 1.5",
            f"{seconds(ours):.3f} s against {seconds(numpys):.3f} s",
        ),
        Row("inspector --help", seconds(helps), "s", "≤ 0.3", "whole process"),
    ]
