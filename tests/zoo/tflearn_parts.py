"""What several networks of tflearn have in common."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def classifier(tflearn: ModuleType, net: Any, classes: int = 3, **names: str) -> Any:
    """A layer of class probabilities after `net`, and what trains it; `names` name the layer."""
    net = tflearn.fully_connected(net, classes, activation="softmax", **names)
    return tflearn.regression(net, optimizer="sgd", learning_rate=0.01)
