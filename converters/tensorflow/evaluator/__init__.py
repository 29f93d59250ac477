"""What each TensorFlow op computes, in plain numpy; one module for each family of ops.

An op is a function with the decorator `rule` in any module of this package, which finds them by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from converters.tensorflow.evaluator.rule import Rule

__all__ = ["Rule", "rules"]


@cache
def rules() -> Mapping[str, Rule]:
    """Return the rule of every op that is known, by the op's name."""
    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, Rule):
                found.update(dict.fromkeys(value.ops, value))
    return MappingProxyType(dict(sorted(found.items())))
