"""A model cut between its layers, so that each is computed from the source's own values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.difference import LAYER_LAYOUTS, Layout, as_model, as_source
from converters.errors import UnsupportedError
from converters.runtime import Runtime

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from converters.formats import Written

_GIVEN = "given:"


class CutModel:
    """A model in which whatever reads one of some values reads a new input instead.

    Args:
        written: The model, which is not changed.
        values: What the source calls a value → what the model calls it.
    """

    def __init__(self, written: Written, values: Mapping[str, str]) -> None:
        self._written = written
        self._values = values
        self._runtime: Runtime | None = None
        self._cut: frozenset[str] = frozenset()

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        expected: Mapping[str, NDArray[Any]],
        uncut: Mapping[str, NDArray[Any]],
    ) -> Mapping[str, NDArray[Any]]:
        """Compute each value from the source's values of those before it.

        Args:
            feeds: An array for each input of the model.
            expected: What the source computed for each value, by the source's names.
            uncut: What the whole model computed, by its own names: it shows how a value lies.

        Returns:
            The model's own name → what it makes of the source's values.
        """
        given: dict[str, NDArray[Any]] = {}
        for tensor, value in self._values.items():
            array = _like(expected[tensor], uncut[value])
            if array is not None:
                given[value] = array
        if self._runtime is None or self._cut != frozenset(given):
            self._cut = frozenset(given)
            nodes = _cut(self._written.model.with_outputs(self._values.values()), given)
            self._runtime = Runtime(nodes.SerializeToString(), self._written.model.weights)
        forced = {_GIVEN + value: array for value, array in given.items()}
        return self._runtime.run({**feeds, **forced})


def _like(expected: NDArray[Any], seen: NDArray[Any]) -> NDArray[Any] | None:
    """A source's array as the model has it; None where the model holds another kind of numbers."""
    if (expected.dtype.kind == "f") != (seen.dtype.kind == "f"):
        return None
    nearest: tuple[float, Layout] | None = None
    for layout in LAYER_LAYOUTS:
        candidate = as_source(seen, expected.shape, layout)
        if candidate is not None:
            apart = float(np.abs(candidate.astype(np.float64) - expected).mean()) if expected.size else 0.0
            if nearest is None or apart < nearest[0]:
                nearest = apart, layout
    if nearest is None:
        return None
    array = as_model(expected, seen.shape, nearest[1])
    return None if array is None else np.ascontiguousarray(array, seen.dtype)


def _cut(model: ModelProto, given: Mapping[str, NDArray[Any]]) -> ModelProto:
    from onnx import helper

    taken = {name for node in model.graph.node for name in node.output}
    clash = next((value for value in given if _GIVEN + value in taken), None)
    if clash is not None:
        raise UnsupportedError(f"a value of the converted model is called {_GIVEN + clash!r}")
    _rename(model.graph.node, {value: _GIVEN + value for value in given})
    for value, array in given.items():
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        model.graph.input.append(helper.make_tensor_value_info(_GIVEN + value, kind, [None] * array.ndim))
    return model


def _rename(nodes: Iterable[NodeProto], names: Mapping[str, str]) -> None:
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                _rename(graph.node, names)
