"""`make gradient-table`: what becomes of every model of the ONNX package, in docs/gradients.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

from corpus import Verdict, judged, models

DOCS = Path(__file__).resolve().parents[3] / "docs" / "gradients.md"
_HEAD = """\
# Gradients

`inspector.gradients` writes the gradient of a network as an ONNX graph. Here it is tried on every model that
the ONNX package carries for its own tests. `make gradient-table` writes this page.

Each gradient, of the first output by every input of floats, is compared with another reckoning in float64:

- **PyTorch**: autograd of the model, converted by onnx2torch, where that computes what the model does.
- **PyTorch, rebuilt**: autograd of the model, rebuilt node by node. The large networks come without their
  weights, so that seeded random ones take their place, and it is the logits that are differentiated. Where
  a number is zero but for rounding, a rectifier's or a maximum's side is the one that the float32 run took.
- **differences**: central differences of the model in `onnx.reference`, by each number, or along twelve
  random directions where those are many.

The error is the largest difference as a part of the largest number of the true gradient.

"""
_WHY = (
    (
        "has no input of floats",
        "There is nothing to differentiate by: its inputs are whole numbers or text. Of a network that looks "
        "numbers up in a table, name the value that comes out of it: `wrt='VALUE'`.",
    ),
    (
        "no gradient flows",
        "The sign of a number stays the same but where it jumps: its gradient is zero or undefined.",
    ),
    (
        "depends on the numbers",
        "The graph is written for fixed shapes, with only the batch free; here a shape is itself an input.",
    ),
    (
        "has no derivative rule",
        "A sequence of tensors is no tensor: it has no shape that a gradient could have.",
    ),
    (
        "expected floats, which alone have a gradient",
        "The output is a whole number, and has no gradient.",
    ),
)


def page(verdicts: Iterable[Verdict]) -> str:
    """The whole page."""
    found = list(verdicts)
    done = [each for each in found if not each.refusal]
    refused = [each for each in found if each.refusal]
    worst = max(done, key=lambda each: each.error)
    lines = [
        f"{len(found)} models: {len(done)} have a gradient, the least exact with an error "
        f"{_error(worst.error)}; {len(refused)} have none, and are refused.",
        "",
        "| model | operators | compared with | error |",
        "| --- | --- | --- | --- |",
        *map(row, done),
        "",
        "## Refused",
        "",
        "| model | what is said | why |",
        "| --- | --- | --- |",
        *map(row, refused),
        "",
    ]
    return _HEAD + "\n".join(lines)


def row(verdict: Verdict) -> str:
    """One model's line of the table; errors are rounded up, so that machines agree on them."""
    if verdict.refusal:
        why = next(reason for part, reason in _WHY if part in verdict.refusal)
        return f"| {verdict.model} | {verdict.refusal} | {why} |"
    operators = ", ".join(verdict.operators)
    return f"| {verdict.model} | {operators} | {verdict.truth} | {_error(verdict.error)} |"


def _error(error: float) -> str:
    return next(f"≤ 1e-{power}" for power in range(7, 0, -1) if error <= 10.0**-power)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=DOCS)
    written: Path = parser.parse_args().output
    written.write_text(page(judged(name) for name in models()), encoding="utf-8")
    sys.stdout.write(f"wrote {written}\n")


if __name__ == "__main__":
    main()
