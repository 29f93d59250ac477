"""Computing gradients: one session for every target, and for batches of different targets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.choices import TIME_LIMIT
from inspector.errors import GradientError, RunError
from inspector.gradients.assembly import RECORD
from inspector.gradients.backward import AnyModel, backward
from inspector.gradients.input_shapes import InputShape
from inspector.gradients.kinds import BATCHES
from inspector.gradients.registry import Rules
from inspector.gradients.rules import RULES
from inspector.layout import show

if TYPE_CHECKING:
    from inspector.session import Session

GRADIENT = "gradient"


class Gradient:
    """The gradient of one value with respect to another, ready to be computed.

    The graph is built once and opened in one session, at the first run; several threads may run it at once.

    Args:
        model: A network: opened, a file's path, or a message in memory.
        of: What to differentiate; see `backward`.
        wrt: With respect to what; None for the first float input.
        rules: The derivative of each operator.
        input_shape: Sizes of input axes that the model leaves free; see `backward`.
        outputs: Forward values that each run gives too.
        threads: Threads that compute one run; None for all cores.
        time_limit: Seconds that one run may take; None for any time.

    Attributes:
        of: As it was given.
        outputs: As they were given.
        target: Name of the value that the gradient is of.
        wrt: Name of the value that it is with respect to.
        batch: The batch size that every run must have; None when any will do.
        graph: The graph, as an opened file.

    Raises:
        GradientError: There is no such gradient; see `backward`.

    Example:
        >>> from onnx import TensorProto, helper
        >>> value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy"]
        >>> node = helper.make_node("Mul", ["x", "x"], ["y"])
        >>> graph = helper.make_graph([node], "net", value[:1], value[1:])
        >>> gradient = Gradient(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), of="y")
        >>> gradient.seed_shape(1)
        (1, 3)
        >>> x = np.array([[1, 2, 3]], np.float32)
        >>> gradient.run({"x": x}, np.ones((1, 3), np.float32))["gradient"]
        array([[2., 4., 6.]], dtype=float32)
    """

    def __init__(
        self,
        model: AnyModel,
        of: str,
        wrt: str | None = None,
        *,
        rules: Rules = RULES,
        input_shape: InputShape | None = None,
        outputs: Sequence[str] = (),
        threads: int | None = None,
        time_limit: float | None = TIME_LIMIT,
    ) -> None:
        from inspector.onnxfile.memory import open_bytes
        from inspector.session import Session

        proto = backward(model, of, wrt, rules=rules, input_shape=input_shape, outputs=outputs)
        record = json.loads(next(each.value for each in proto.metadata_props if each.key == RECORD))
        self.of = of
        self.outputs = tuple(outputs)
        self.target: str = record["of"]
        self.wrt: str = record["wrt"][0]
        self.batch: int | None = record["batch"]
        self._seed: str = record["seed"]
        self._seed_sizes: list[tuple[int, int]] = list(zip(*record["seed_sizes"], strict=True))
        self._values = {of: self.target, **dict(zip(outputs, record["outputs"], strict=True))}
        self._gradient: str = record["gradients"][0]
        self.graph = open_bytes(proto.SerializeToString(), f"the gradient of {record['model']}")
        self._session = Session(self.graph, threads=threads, time_limit=time_limit)

    def __repr__(self) -> str:
        """What is differentiated by what."""
        return f"Gradient(of={self.target!r}, wrt={self.wrt!r}, {self.graph.path})"

    @property
    def session(self) -> Session:
        """What runs the graph."""
        return self._session

    def seed_shape(self, batch: int) -> tuple[int, ...]:
        """Return the shape of the seed for a batch of so many samples.

        Raises:
            GradientError: The batch size is fixed to another.
        """
        if self.batch is not None and batch != self.batch:
            raise GradientError(
                f"{self.graph.path} is fixed to a batch of {self.batch}; given {batch}",
                "Export the model with a dynamic batch axis, or run its samples in such batches.",
            )
        few, many = BATCHES
        return tuple(
            first + (second - first) * (batch - few) // (many - few) for first, second in self._seed_sizes
        )

    def run(
        self, feeds: Mapping[str, NDArray[np.generic]], seed: NDArray[np.generic]
    ) -> dict[str, NDArray[np.float32]]:
        """Compute the gradient of sum(seed × value).

        Args:
            feeds: One array for each input of the network; the first axis is the batch.
            seed: What counts, of the shape that `seed_shape` tells: a single 1 in each sample's part picks
                one class or place of it.

        Returns:
            "gradient", of the shape of the value that it is with respect to; the value that the gradient is
            of, and each of the outputs asked for, under the names by which they were asked for.

        Raises:
            RunError: The feeds or the seed do not fit, or onnxruntime cannot run the graph.
        """
        names = dict.fromkeys((self._gradient, *self._values.values()))
        self._check_seed(feeds, seed)
        found = self._session.run({**feeds, self._seed: seed}, tuple(names))
        results = {asked: found[name] for asked, name in self._values.items()}
        return {GRADIENT: found[self._gradient], **results}  # type: ignore[dict-item]

    def _check_seed(self, feeds: Mapping[str, NDArray[np.generic]], seed: NDArray[np.generic]) -> None:
        """A seed for another batch would be broadcast, or noticed by some node in the middle of the graph."""
        axes = {
            value.name: value.shape[0]
            for value in self._session.inputs
            if value.shape and value.name != self._seed and not isinstance(value.shape[0], int)
        }
        free = next((name for name in axes.values() if name), None)
        given = np.shape(seed)
        for name, array in feeds.items():
            batch = np.shape(array)[:1]
            if free and batch and axes.get(name) == free and not self._fits(given, batch[0]):
                raise RunError(
                    f"{self.graph.path}: the seed has the shape {show(given)} for a batch of {batch[0]}; "
                    f"expected {show(self.seed_shape(batch[0]))}",
                    f"gradient.seed_shape({batch[0]}) tells it.",
                )

    def _fits(self, given: tuple[int, ...], batch: int) -> bool:
        """Whether a seed has the shape that a batch asks for, in as far as that is the batch or fixed."""
        return len(given) == len(self._seed_sizes) and all(
            size == (batch if sizes == BATCHES else sizes[0])
            for size, sizes in zip(given, self._seed_sizes, strict=True)
            if sizes == BATCHES or len(set(sizes)) == 1
        )
