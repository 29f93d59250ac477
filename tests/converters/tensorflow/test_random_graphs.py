"""Random graphs: what is emitted, what is evaluated and what TensorFlow computes are the same.

`RANDOM_GRAPHS=2000 pytest -k random_graphs` draws that many, and others each time.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from graph_steps import STEPS
from graph_strategies import Drawn, graphs
from hypothesis import HealthCheck, given, settings

from converters.runtime import Runtime
from converters.tensorflow.emit import emit
from converters.tensorflow.evaluate import Evaluator
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph

ASKED = os.environ.get("RANDOM_GRAPHS")
TOLERANCE = 1e-5


def compared(name: str, value: np.ndarray, expected: np.ndarray) -> None:
    assert value.shape == expected.shape, name
    largest = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(value, expected, rtol=0, atol=TOLERANCE * largest, err_msg=name)


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random") / "graph.onnx"


@settings(
    max_examples=int(ASKED or 60),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(drawn=graphs(tuple(STEPS)))
def test_emitter_evaluator_and_tensorflow_agree_on_random_graphs(run, path, drawn: Drawn):
    feeds, outputs = drawn.feeds(), drawn.outputs
    expected = run(drawn.graph.graph.SerializeToString(), feeds, outputs)
    frozen = freeze(SourceGraph("frozen graph", Path("net.pb"), (), drawn.graph.graph), outputs=outputs)
    evaluated = Evaluator(frozen).run(feeds, outputs)
    emit(frozen).write(path)
    onnx.checker.check_model(str(path))
    emitted = Runtime(path).run(feeds)
    for name, value in zip(outputs, expected, strict=True):
        compared(f"evaluated {name}", evaluated[name], value)
        compared(f"emitted {name}", emitted[name], value)
