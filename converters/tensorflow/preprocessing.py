"""The statistics with which tflearn prepared the data: they are saved beside the graph, and not part of it.

Reference: tflearn 0.5.0, `tflearn/data_preprocessing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from converters.errors import SourceError, UnsupportedError
from converters.tensorflow.dtypes import Array
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.inference import InferenceGraph, set_constant
from converters.tensorflow.schema import new
from converters.tensorflow.signature import TensorSpec
from converters.tensorflow.tensors import set_shape
from converters.tensorflow.topology import owner

_STATISTICS = ("mean", "std", "pc")
_EPSILON = 1e-8  # tflearn's own, added to the standard deviation


def statistics(source: SourceGraph) -> Mapping[str, Array]:
    """Return the statistics that the source holds, and that were in use, by name: "mean", "std", "pc".

    With several preprocessings in one source, a name begins with the scope: "DataPreprocessing_1/mean".
    """
    checkpoint = source.checkpoint
    if checkpoint is None or source.kind != "tflearn checkpoint":
        return {}
    found: dict[str, Array] = {}
    for statistic in _STATISTICS:
        for name in checkpoint.variables:
            scope = name.removesuffix(f"{statistic}_r")
            # The flag beside each value says whether it was set; the value alone is 0 when it was not.
            if scope == name or not scope.endswith("/") or checkpoint.variables[name].dtype != np.bool_:
                continue
            if f"{scope}{statistic}" in checkpoint.variables and bool(np.all(checkpoint.read(name))):
                found[f"{scope}{statistic}"] = checkpoint.read(f"{scope}{statistic}")
    scopes = {name.rpartition("/")[0] for name in found}
    return found if len(scopes) > 1 else {name.rpartition("/")[2]: value for name, value in found.items()}


def warned(frozen: InferenceGraph) -> InferenceGraph:
    """Return the graph with a warning when statistics were found."""
    if not frozen.preprocessing:
        return frozen
    warning = (
        f"The data were preprocessed with stored statistics ({_listed(frozen.preprocessing)}), which are not "
        "part of the graph: --bake-preprocessing puts them in."
    )
    return replace(frozen, warnings=(*frozen.warnings, warning))


def baked(source: SourceGraph, frozen: InferenceGraph) -> InferenceGraph:
    """Return the graph with the preprocessing put right after its input.

    Raises:
        SourceError: The source holds no statistics.
        UnsupportedError: It is not clear which input they belong to, or the input's shape is not known.
    """
    found = frozen.preprocessing
    if not found:
        raise SourceError(
            f"{source.path}: holds no statistics of a preprocessing to bake in",
            "Leave out --bake-preprocessing.",
        )
    if len(frozen.inputs) != 1 or any("/" in name for name in found):
        raise UnsupportedError(
            f"{source.path}: has {len(frozen.inputs)} inputs and {len({n.rpartition('/')[0] for n in found})}"
            " preprocessings, and does not say which belongs to which"
        )
    spec = frozen.inputs[0]
    if spec.dtype != np.float32:
        raise UnsupportedError(
            f"{source.path}: the input {spec.name} is not float32; its preprocessing cannot be baked in"
        )
    graph, weights = _with_preprocessing(source, frozen, spec)
    decision = (
        f"The preprocessing is put behind the input {spec.name}: {_formula(found)}; what leaves no trace in "
        "a source (per-sample and custom steps) is not in it."
    )
    return replace(
        frozen,
        graph_def=graph,
        weights={**frozen.weights, **weights},
        decisions=(*frozen.decisions, decision),
    )


def applied(found: Mapping[str, Array], data: Array) -> Array:
    """Return what tflearn would feed the network in place of `data`: the reference for the baked graph.

    Args:
        found: What `statistics` gives.
        data: float32 (N, ...), as they are before preprocessing.

    Returns:
        float32, in the shape of `data`.
    """
    prepared: Array = data.astype(np.float32)
    if "mean" in found:
        prepared = prepared - found["mean"].astype(np.float32)
    if "std" in found:
        prepared = prepared / (found["std"] + _EPSILON).astype(np.float32)
    if "pc" in found:
        prepared = (prepared.reshape(len(data), -1) @ found["pc"].astype(np.float32)).reshape(data.shape)
    return prepared


def _listed(found: Mapping[str, Array]) -> str:
    """The statistics with their values, or shapes when they are arrays."""
    return ", ".join(
        f"{name} {value.item():.6g}" if value.size == 1 else f"{name} of shape {list(value.shape)}"
        for name, value in found.items()
    )


def _formula(found: Mapping[str, Array]) -> str:
    """What is done to the input, in words."""
    steps = {"mean": "subtract the mean", "std": "divide by the standard deviation", "pc": "whiten (ZCA)"}
    return ", then ".join(steps[name] for name in _STATISTICS if name in found)


def _with_preprocessing(
    source: SourceGraph, frozen: InferenceGraph, spec: TensorSpec
) -> tuple[Any, dict[str, Array]]:
    """The graph in which what read the input reads the prepared one, and the weights that it adds."""
    graph = new("GraphDef")
    graph.CopyFrom(frozen.graph_def)
    name = owner(spec.name)
    readers = list(graph.node)
    taken = {node.name for node in readers}
    scope = next(
        s for n in range(len(taken) + 1) if (s := f"{name}/preprocessing{f'_{n}' if n else ''}") not in taken
    )
    builder = _Builder(graph, scope)
    last = name
    weights: dict[str, Array] = {}
    found = frozen.preprocessing
    if "mean" in found:
        last = builder.binary("Sub", last, "mean", found["mean"].astype(np.float32))
    if "std" in found:
        last = builder.binary("RealDiv", last, "std", (found["std"] + _EPSILON).astype(np.float32))
    if "pc" in found:
        last, weights = builder.whitening(source, last, found["pc"].astype(np.float32), spec)
    for node in readers:
        for place, read in enumerate(node.input):
            if read in (name, f"{name}:0"):
                node.input[place] = last
    # The order of nodes in a GraphDef does not matter.
    return graph, weights


class _Builder:
    """Adds nodes to a graph under a scope of their own."""

    def __init__(self, graph: Any, scope: str) -> None:
        self._graph = graph
        self._scope = scope

    def constant(self, name: str, value: Array) -> str:
        """Add a constant; return its name."""
        full = f"{self._scope}/{name}"
        set_constant(self._graph.node.add(), full, value)
        return full

    def node(self, op: str, name: str, inputs: list[str]) -> str:
        """Add an operation on float32; return its name."""
        full = f"{self._scope}/{name}"
        node = self._graph.node.add(name=full, op=op, input=inputs)
        node.attr["T"].type = 1
        return full

    def binary(self, op: str, data: str, name: str, value: Array) -> str:
        """Add an operation between `data` and a constant; return its name."""
        return self.node(op, f"{name}/{op}", [data, self.constant(name, value)])

    def whitening(
        self, source: SourceGraph, data: str, components: Array, spec: TensorSpec
    ) -> tuple[str, dict[str, Array]]:
        """Add the product of each flattened sample and the components; return its name and the weight."""
        sizes = spec.shape[1:] if spec.shape else ()
        known = [size for size in sizes if size is not None]
        if not sizes or len(known) < len(sizes) or components.shape != (int(np.prod(known)),) * 2:
            raise UnsupportedError(
                f"{source.path}: the whitening of shape {list(components.shape)} does not fit the input "
                f"{spec.name} of shape {list(spec.shape) if spec.shape else 'unknown'}"
            )
        weight = f"{self._scope}/pc"
        node = self._graph.node.add(name=weight, op="Placeholder")
        node.attr["dtype"].type = 1
        set_shape(node.attr["shape"].shape, components.shape)
        flat = self._reshape(data, "flat", (-1, components.shape[0]))
        product = self.node("MatMul", "pc/MatMul", [flat, weight])
        return self._reshape(product, "pc/shaped", (-1, *known)), {weight: components}

    def _reshape(self, data: str, name: str, shape: tuple[int, ...]) -> str:
        target = self.constant(f"{name}/shape", np.array(shape, np.int32))
        full = self.node("Reshape", name, [data, target])
        self._graph.node[-1].attr["Tshape"].type = 3
        return full
