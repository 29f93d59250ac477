"""The networks of `build_keras.py` as names in a module, `keras_kinds:float_cnn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from build_keras import NETWORKS


def __getattr__(name: str) -> Callable[[], Any]:
    slug = name.replace("_", "-")
    if slug not in NETWORKS:
        raise AttributeError(name)

    def build() -> Any:
        keras.utils.set_random_seed(1)
        return NETWORKS[slug](keras)

    return build
