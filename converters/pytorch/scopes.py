"""Which values are those of a module: the ones that leave it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """An operation of a graph.

    Attributes:
        module: The path of the module that it stands in, `features.0`; empty outside all modules.
        inputs: Names of the values that it reads.
        outputs: Names of the values that it makes, those that could be a layer's value.
    """

    module: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def leaving(steps: Sequence[Step], results: Iterable[str]) -> dict[str, list[str]]:
    """The values of each module that something outside it reads.

    Args:
        steps: The graph, in the order of execution.
        results: Names of the graph's outputs.

    Returns:
        Module path → names, in the order of the graph; one where it has one output and is called once.

    Example:
        >>> steps = [Step("conv", ("x",), ("a",)), Step("act", ("a",), ("b",)), Step("act", ("b",), ("y",))]
        >>> leaving(steps, ["y"])
        {'conv': ['a'], 'act': ['y']}
    """
    outside = set(results)
    home = {name: step.module for step in steps for name in step.outputs}
    for step in steps:
        outside |= {name for name in step.inputs if home.get(name, step.module) != step.module}
    found: dict[str, list[str]] = {}
    for step in steps:
        names = [name for name in step.outputs if name in outside]
        if step.module and names:
            found.setdefault(step.module, []).extend(names)
    return found


def numbered(modules: dict[str, list[str]]) -> dict[str, str]:
    """A layer name for each value: the module's path, with `@1`, `@2` for further values of it.

    Further values are those of later calls, or those that its own operations make between its parts.

    Example:
        >>> numbered({"act": ["relu", "relu_1"]})
        {'act': 'relu', 'act@1': 'relu_1'}
    """
    return {
        f"{module}@{call}" if call else module: value
        for module, values in modules.items()
        for call, value in enumerate(values)
    }
