"""TensorFlow, to run what was made of a network, and as the judge of what is read and written."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
from tf_process import execute

Run = Callable[[bytes, Mapping[str, np.ndarray], Sequence[str]], list[np.ndarray]]


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("tensorflow").compat.v1


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """Runs a serialized GraphDef in TensorFlow, always in the same process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        yield lambda graph, feeds, outputs: process.submit(execute, graph, feeds, outputs).result()
