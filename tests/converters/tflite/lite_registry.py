"""How a network of the TensorFlow Lite zoo is declared, and how LiteRT answers for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SEED = 7


@dataclass(frozen=True)
class Lite:
    """A network as its file, with the arrays that it answers."""

    content: bytes
    feeds: tuple[Array, ...]


NETWORKS: dict[str, Callable[[np.random.Generator], Lite]] = {}


def network(function: Callable[[np.random.Generator], Lite]) -> Callable[[np.random.Generator], Lite]:
    """Mark a function as what makes a network; underscores become hyphens."""
    NETWORKS[function.__name__.replace("_", "-")] = function
    return function


def answers(path: Path, feeds: Sequence[Array]) -> list[Array]:
    """What LiteRT computes of a file, on its own kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    for detail, array in zip(interpreter.get_input_details(), feeds, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def in_order(content: bytes, given: Mapping[str, Array]) -> tuple[Array, ...]:
    """Arrays in the order in which a file wants them; its names hold theirs."""
    from ai_edge_litert.interpreter import Interpreter

    names = [detail["name"] for detail in Interpreter(model_content=content).get_input_details()]
    return tuple(next(array for key, array in given.items() if key in name) for name in names)


def stored(content: Mapping[str, Array], letter: str) -> list[Array]:
    """The arrays of a kind in a file of answers: x0, x1, …"""
    return [content[f"{letter}{place}"] for place in range(sum(key[0] == letter for key in content))]
