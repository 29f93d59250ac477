"""Every layer of tflearn, converted by each engine and evaluated, with TensorFlow as the judge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import pytest
from coverage_table import DOCUMENT, verdict, wrong_ways
from layer_networks import ABSENT, LAYERS
from layer_runs import BATCHES, ROOT, Engines, built, reasons

from converters.tensorflow.emit.registry import emitters
from converters.tensorflow.evaluator import rules

SCRIPTS = ("layer_networks.py", "layer_runs.py")

# tf2onnx is wrong where a transposed convolution is asked for more rows than its windows cover.
NOT_EQUAL = {
    ("conv_2d_transpose", "tf2onnx"): [
        "size 8, stride 2, valid", "size 8, stride 3, valid", "size 7, stride 3, valid"
    ]
}  # fmt: skip


@pytest.fixture(scope="session")
def networks(pytestconfig: pytest.Config) -> Path:
    """A folder with the network of every layer; kept in pytest's cache until the scripts change."""
    here = Path(__file__).parent
    scripts = [*(here / script for script in SCRIPTS), ROOT / "models" / "tflearn_compat.py"]
    digest = hashlib.sha256(b"".join(script.read_bytes() for script in scripts)).hexdigest()[:16]
    return built(pytestconfig.cache.mkdir(f"layers-{digest}"))


@pytest.fixture(scope="session")
def engines(networks: Path) -> Iterator[Engines]:
    with Engines(networks) as opened:
        yield opened


@pytest.mark.parametrize("engine", ["native", "tf2onnx", "evaluator"])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_equals_tensorflow_in_every_way(engines, layer, engine):
    result = engines.result(layer, engine)
    assert result.refusal == ""
    assert result.differences
    assert wrong_ways(result) == NOT_EQUAL.get((layer, engine), [])


def test_every_layer_can_be_built(networks):
    assert reasons(networks) == {}


def test_the_layers_that_are_absent_are_not_in_tflearn():
    (source,) = (file for file in files("tflearn") or () if str(file) == "tflearn/activations.py")
    text = source.read_text(encoding="utf-8")
    assert [name for name in ABSENT if f"def {name}(" in text] == []
    assert "def gelu(" in text


@pytest.mark.parametrize("layer", LAYERS)
def test_the_table_says_how_a_layer_converts(engines, layer):
    (row,) = (line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if f"| `{layer}` |" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    native, other = (engines.result(layer, engine) for engine in ("native", "tf2onnx"))
    assert cells[1:3] == [
        LAYERS[layer].ways,
        str(len(native.differences or other.differences) // len(BATCHES)),
    ]
    assert [cells[3], cells[5]] == [verdict(native), verdict(other)]


def test_the_table_has_no_row_without_a_test():
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(LAYERS)


def test_the_table_lists_the_operations_of_the_native_engine():
    last = DOCUMENT.read_text(encoding="utf-8").splitlines()[-1]
    assert [op.strip(" .`") for op in last.split(",")] == sorted(emitters())


def test_every_operation_that_is_emitted_can_be_evaluated():
    # These compute nothing that another node reads.
    silent = {"NoOp", "Assert"}
    assert set(emitters()) - silent <= set(rules())
