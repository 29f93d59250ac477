"""The networks of the zoo, by name: a decorated function is all that a new one takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 5
TRAINING_SAMPLES = 12


@dataclass(frozen=True)
class Built:
    """A network of tflearn, ready to be trained for a moment and saved.

    Attributes:
        network: The tensor that `tflearn.DNN` takes.
        outputs: What predicting gives, when it is not `network` alone.
        data: Inputs for a placeholder by its position, where random normal numbers will not do.
        saver: The keyword arguments of the `tf.train.Saver` that saves it, when it is not tflearn's own.
    """

    network: Any
    outputs: Sequence[Any] = ()
    data: Mapping[int, NDArray[np.generic]] = field(default_factory=dict)
    saver: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Saved:
    """What a network left on disk, and what it answered.

    Attributes:
        source: The file name or checkpoint prefix, without its folder.
        inputs: The inputs by tensor name ("input/X:0"), in the order in which they were fed, batch 5.
        outputs: The outputs by tensor name, as the framework computed them in inference mode.
        fitted: All inputs that the network was trained on, in the same order as `inputs`.
        preprocessed: Whether the framework prepares the inputs with stored statistics outside the graph.
    """

    source: str
    inputs: Mapping[str, NDArray[np.generic]]
    outputs: Mapping[str, NDArray[np.generic]]
    fitted: Sequence[NDArray[np.generic]] = ()
    preprocessed: bool = False


TflearnBuilder = Callable[[ModuleType, np.random.Generator], Any]
PlainBuilder = Callable[[Path, np.random.Generator], Saved]

TFLEARN: dict[str, TflearnBuilder] = {}
PLAIN: dict[str, PlainBuilder] = {}


def tflearn_network(build: TflearnBuilder) -> TflearnBuilder:
    """Register a function that builds a network of tflearn: it returns the last tensor, or a `Built`."""
    TFLEARN[build.__name__] = build
    return build


def plain_network(build: PlainBuilder) -> PlainBuilder:
    """Register a function that builds a network without tflearn and saves it into the folder itself."""
    PLAIN[build.__name__] = build
    return build
