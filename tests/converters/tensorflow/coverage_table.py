"""The table of covered layers: `python tests/converters/tensorflow/coverage_table.py` writes it to docs.

It converts the networks of `layer_networks` with each engine. `test_coverage.py` holds every row of it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from layer_networks import ABSENT, LAYERS  # noqa: E402
from layer_runs import BATCHES, Engines, Result, built, reasons  # noqa: E402

from converters.tensorflow.emit.registry import emitters  # noqa: E402

DOCUMENT = ROOT / "docs" / "coverage.md"
TOLERANCE = 1e-5

_HEAD = """# What converts, and how equally

Made by `python tests/converters/tensorflow/coverage_table.py`; `test_coverage.py` beside it checks every row.
Each layer of tflearn 0.5.0 is built under TensorFlow 2.21 with random weights, in the ways that its row
tells. It is run there at batch {batches}, converted by each engine, and run by onnxruntime. "Equal" means
that no number differs by more than 1e-5 times the largest number of the output, or 1e-5 where that is below
1. Differences are given in the same measure.

| layer | ways | outputs | native | largest difference | tf2onnx | largest difference |
| --- | --- | ---: | --- | ---: | --- | ---: |
"""


def row(name: str, native: Result, other: Result) -> str:
    """One line of the table."""
    count = len(native.differences or other.differences) // len(BATCHES)
    cells = [f"`{name}`", LAYERS[name].ways, str(count)]
    for result in (native, other):
        cells += [verdict(result), "" if result.refusal else _digits(result.largest)]
    return f"| {' | '.join(cells)} |"


def _digits(difference: float) -> str:
    return f"{difference:.1e}" if difference else "0"


def verdict(result: Result) -> str:
    """How a conversion came out, in a word or two."""
    if result.refusal:
        return "no"
    wrong = wrong_ways(result)
    ways = {way.rpartition(", batch")[0] for way in result.differences}
    return f"not equal in {len(wrong)} of {len(ways)}" if wrong else "equal"


def wrong_ways(result: Result) -> list[str]:
    """The ways in which a layer's conversion does not equal TensorFlow."""
    wrong = (way for way, difference in result.differences.items() if not difference <= TOLERANCE)
    return list(dict.fromkeys(way.rpartition(", batch")[0] for way in wrong))


def document(results: Mapping[str, tuple[Result, Result]], unbuilt: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        results: Layer → the native engine's result, and tf2onnx's.
        unbuilt: Layer → why it cannot be built.
    """
    lines = [_HEAD.format(batches=" and ".join(map(str, BATCHES))).rstrip("\n")]
    lines += [row(name, *pair) for name, pair in results.items()]
    notes = list(_notes(results))
    if notes:
        lines += ["", "## Where an engine does not equal TensorFlow", "", *notes]
    lines += ["", "## Layers that are not covered", ""]
    lines += [f"- `{name}`: {reason}." for name, reason in {**ABSENT, **unbuilt}.items()]
    lines += ["", "## TensorFlow operations of the native engine", ""]
    lines += [", ".join(f"`{op}`" for op in sorted(emitters())) + "."]
    return "\n".join(lines) + "\n"


def _notes(results: Mapping[str, tuple[Result, Result]]) -> Iterable[str]:
    for name, pair in results.items():
        for engine, result in zip(("native", "tf2onnx"), pair, strict=True):
            if result.refusal:
                yield f"- `{name}`, {engine}: {result.refusal.rstrip('.')}."
            elif wrong := wrong_ways(result):
                yield f"- `{name}`, {engine}: {'; '.join(wrong)}. `convert` refuses to write such a model."


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        networks = built(Path(folder))
        unbuilt = reasons(networks)
        with Engines(networks) as engines:
            results = {
                name: (engines.result(name, "native"), engines.result(name, "tf2onnx"))
                for name in LAYERS
                if name not in unbuilt
            }
    DOCUMENT.write_text(document(results, unbuilt), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
