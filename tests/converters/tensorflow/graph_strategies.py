"""Small random graphs: a batch of pictures, and a few operations after it that fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tf_files import GraphBuilder

Draw = Callable[..., Any]
Shape = tuple[int, ...]


class Builder(GraphBuilder):
    """A GraphDef under construction, with strings, floats and lists as attributes too."""

    @staticmethod
    def _set(attr: Any, key: str, value: Any) -> None:
        if isinstance(value, float):
            attr.f = value
        elif isinstance(value, bytes):
            attr.s = value
        elif isinstance(value, list):
            attr.list.i.extend(value)
        else:
            GraphBuilder._set(attr, key, value)


@dataclass(frozen=True)
class Tensor:
    """A float32 tensor with a batch in front.

    Attributes:
        name: Its name in the graph.
        shape: Its other sizes.
    """

    name: str
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape) + 1


class Drawn:
    """A graph; it prints as its operations."""

    def __init__(self, seed: int) -> None:
        self.graph = Builder()
        self.tensors: list[Tensor] = []
        self.lines: list[str] = []
        self.seed = seed

    def __repr__(self) -> str:
        return "\n".join(["", *self.lines])

    @property
    def outputs(self) -> list[str]:
        """The tensors that nothing reads, the last one among them."""
        read = {name for node in self.graph.graph.node for name in node.input}
        return [f"{t.name}:0" for t in self.tensors[1:] if t.name not in read]

    def feeds(self) -> dict[str, np.ndarray]:
        shape = (2, *self.tensors[0].shape)
        return {"x:0": np.random.default_rng(self.seed).normal(0, 1, shape).astype(np.float32)}

    def add(self, op: str, *inputs: str | Tensor | np.ndarray, **attrs: Any) -> str:
        """Add a node; an array becomes a constant."""
        name = f"n{len(self.graph.graph.node)}"
        names = []
        for place, value in enumerate(inputs):
            if isinstance(value, np.ndarray):
                value = self.graph.const(f"{name}/{place}", value, dtype=value.dtype.name)
            names.append(value.name if isinstance(value, Tensor) else value)
        shown = [
            f"{value.tolist() if value.size <= 16 else value.shape}"
            if isinstance(value, np.ndarray)
            else other
            for value, other in zip(inputs, names, strict=True)
        ]
        self.lines.append(f"{name} = {op}({', '.join(shown)}) {attrs or ''}")
        types = {"T": "float32"}
        return self.graph.add(name, op, *names, **{**types, **attrs})

    def weight(self, draw: Draw, *shape: int) -> np.ndarray:
        """Random numbers that keep a product in the range of its factors."""
        fan = max(int(np.prod(shape[:-1])), 1) if len(shape) > 1 else 1
        numbers = np.random.default_rng(draw(st.integers(0, 99))).normal(0, fan**-0.5, shape)
        return numbers.astype(np.float32)


Step = Callable[[Draw, Drawn, Tensor], "Tensor | None"]


@st.composite
def graphs(draw: Draw, steps: tuple[Step, ...]) -> Drawn:
    """A graph of two to eight steps, each of which reads one tensor or two made before it."""
    drawn = Drawn(seed=draw(st.integers(0, 9)))
    shape = draw(st.tuples(st.integers(3, 8), st.integers(3, 8), st.integers(1, 4)))
    drawn.graph.placeholder("x", None, *shape)
    drawn.lines.append(f"x = Placeholder [None, {', '.join(map(str, shape))}]")
    drawn.tensors.append(Tensor("x", shape))
    for _ in range(draw(st.integers(2, 8))):
        source = drawn.tensors[-1] if draw(st.integers(0, 3)) else draw(st.sampled_from(drawn.tensors))
        made = draw(st.sampled_from(steps))(draw, drawn, source)
        if made is not None and np.prod(made.shape) <= 2000:
            drawn.tensors.append(made)
    if len(drawn.tensors) == 1:
        drawn.tensors.append(Tensor(drawn.add("Relu", "x"), shape))
    return drawn
