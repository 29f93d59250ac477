"""Every model that the ONNX package brings along has a gradient that is right, or is refused by name."""

from __future__ import annotations

import onnx
import pytest
from corpus import ROOT, judged, models
from corpus_table import DOCS, row

from inspector.gradients import backward

SMALL = tuple(name for name in models() if not name.startswith("light/"))
# Those that take little time: one with branches, one with shuffled groups, normalization and a dense layer.
NETWORKS = ("light/light_squeezenet", "light/light_inception_v2")


def lines() -> dict[str, str]:
    """The lines of the table in docs, by the model's name."""
    text = DOCS.read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if line.startswith("| ") and "/" in line.split("|")[1]]
    return {line.split("|")[1].strip(): line for line in found}


def _said(line: str) -> list[str]:
    """The cells of a line that no machine changes: the model, and its operators or its refusal."""
    return line.split("|")[:3]


def test_the_table_holds_every_model_of_the_corpus() -> None:
    assert set(lines()) == set(models())
    assert len(models()) > 140


@pytest.mark.parametrize("name", SMALL)
def test_a_small_model_has_a_gradient_that_is_right_or_is_refused_as_the_table_says(name: str) -> None:
    verdict = judged(name)
    assert verdict.right, verdict
    assert _said(row(verdict)) == _said(lines()[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_a_gradient_that_is_right_as_the_table_says(name: str) -> None:
    verdict = judged(name)
    assert verdict.right, verdict
    assert _said(row(verdict)) == _said(lines()[name])


@pytest.mark.parametrize("name", [name for name in models() if name not in (*SMALL, *NETWORKS)])
def test_the_gradient_of_a_large_network_can_be_written(name: str) -> None:
    model = onnx.load(ROOT / f"{name}.onnx")
    made = backward(model, of=model.graph.output[0].name)
    onnx.checker.check_model(made)
    assert len(made.graph.node) > len(model.graph.node)
    assert "| ≤ 1e-" in lines()[name]
