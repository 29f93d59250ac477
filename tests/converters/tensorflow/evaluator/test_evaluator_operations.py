"""What the evaluator computes for each operation, with TensorFlow as the judge."""

from __future__ import annotations

import numpy as np
import pytest
from operation_cases import CASES, normal, positive, scalar
from tf_files import GraphBuilder
from tf_operations import Case, frozen

from converters.tensorflow.evaluate import Evaluator
from converters.tensorflow.evaluator import rules


@pytest.mark.parametrize("case", CASES, ids=[f"{case.op}-{number}" for number, case in enumerate(CASES)])
def test_an_operation_gives_what_tensorflow_gives(compute, case):
    judge = compute(case)
    values = Evaluator(judge.frozen()).run(judge.feeds, list(judge.outputs))
    for name, expected in judge.outputs.items():
        value = values[name]
        assert value.shape == expected.shape
        if expected.dtype.kind != "f":
            assert value.dtype == expected.dtype
            np.testing.assert_array_equal(value, expected)
        else:
            assert value.dtype == np.float64
            finite = expected[np.isfinite(expected)].astype(np.float64)
            largest = max(1.0, np.abs(finite).max(initial=0))
            np.testing.assert_allclose(value, expected, rtol=0, atol=case.tolerance * largest)


REMOVED = {"BatchNormWithGlobalNormalization", "TopK"}


def test_every_rule_is_compared_with_tensorflow():
    assert {case.op for case in CASES} | REMOVED == set(rules())


@pytest.mark.parametrize("scaled", [False, True])
def test_batch_normalization_of_the_first_versions_gives_what_tensorflow_gives(run, scaled):
    graph = GraphBuilder()
    # TensorFlow runs it in graphs of the first versions only.
    graph.graph.versions.producer = 5
    arrays = [normal(2, 3, 4, 6), normal(6), positive(6), normal(6, seed=1), normal(6, seed=2)]
    names = [graph.const(f"x{place}", array) for place, array in enumerate(arrays)]
    graph.add("op", "BatchNormWithGlobalNormalization", *names, T="float32", scale_after_normalization=scaled)
    graph.graph.node[-1].attr["variance_epsilon"].f = 0.01
    serialized = graph.graph.SerializeToString()
    (expected,) = run(serialized, {}, ["op:0"])
    judge = frozen(serialized, {}, {"op:0": expected})
    np.testing.assert_allclose(Evaluator(judge).run({}, ["op:0"])["op:0"], expected, rtol=0, atol=1e-6)


def test_the_largest_numbers_by_attribute_are_those_by_input(compute):
    """No TensorFlow since version 0.8 runs the first."""
    ties = np.float32([[1, 3, 3, 2, 1], [0, 0, 0, 5, 5]])
    judge = compute(Case("TopKV2", [ties, scalar(4)]))
    graph = GraphBuilder()
    graph.const("x", ties)
    graph.add("op", "TopK", "x", T="float32", k=4)
    frozen_graph = frozen(graph.graph.SerializeToString(), {}, {})
    values = Evaluator(frozen_graph).run({}, ["op:0", "op:1"])
    for value, expected in zip(values.values(), judge.outputs.values(), strict=True):
        np.testing.assert_array_equal(value, expected)
