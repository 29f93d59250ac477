"""TensorFlow in a process of its own, one operation after another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
from tf_operations import Case, Compute, computed


@pytest.fixture(scope="session")
def compute() -> Iterator[Compute]:
    """Builds and runs an operation in TensorFlow."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:

        def submitted(case: Case):
            return process.submit(computed, case).result()

        yield submitted
