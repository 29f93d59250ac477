"""What every converted model must pass before it is compared with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.assemble import LAYER_KEY
from converters.errors import UnsupportedError
from converters.runtime import Runtime

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_RANDOM = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}


def check_nodes(model: ModelProto, where: str) -> tuple[str, ...]:
    """Refuse operators that are not ONNX's own, or whose result is random.

    Args:
        model: The model; its weights may be beside it.
        where: The source, for messages.

    Returns:
        What was checked, one short phrase each.

    Raises:
        UnsupportedError: It names each operator and the layers that hold it.
    """
    nodes = list(_all_nodes(model.graph.node))
    versions = {entry.domain: entry.version for entry in model.opset_import}
    foreign = [node for node in nodes if not _is_onnx(node, versions)]
    if foreign:
        raise UnsupportedError(
            f"{where}: holds operations that have no ONNX counterpart: {_named(foreign)}",
            "Name the tensors before them with --outputs, or report the operation.",
        )
    random = [node for node in nodes if node.op_type in _RANDOM or _is_training_dropout(node)]
    if random:
        raise UnsupportedError(
            f"{where}: draws random numbers when it runs: {_named(random)}",
            "Name other tensors with --outputs.",
        )
    return "no foreign operator", "nothing random"


def check_file(path: Path) -> tuple[str, ...]:
    """Refuse a model file that onnx itself finds wrong.

    Raises:
        UnsupportedError: It says what is wrong.
    """
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().splitlines()[0]
        raise UnsupportedError(f"the converted model is not valid ONNX: {reason}") from error
    return ("onnx.checker",)


def check_answers(runtime: Runtime, feeds: Sequence[Mapping[str, NDArray[Any]]]) -> tuple[str, ...]:
    """Refuse a model that answers differently when it is asked twice.

    Args:
        runtime: The model, opened.
        feeds: One array for each of its inputs, several times: the first that it takes counts, since indices
            beyond a table's rows, for example, are its right to refuse.

    Raises:
        UnsupportedError: It cannot be run on any of these, or an output differs.
    """
    given, first = _answered(runtime, feeds)
    second = runtime.run(given)
    for name, array in first.items():
        if not np.array_equal(array, second[name], equal_nan=array.dtype.kind == "f"):
            raise UnsupportedError(f"the converted model gives two answers for {name} on one input")
    return "opens in onnxruntime", "the same answer twice"


def _answered(
    runtime: Runtime, feeds: Sequence[Mapping[str, NDArray[Any]]]
) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]:
    """The first feeds that a model takes, and its answer."""
    refused: list[UnsupportedError] = []
    for given in feeds:
        try:
            return given, runtime.run(given)
        except UnsupportedError as error:
            refused.append(error)
    raise refused[0]


def _all_nodes(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all_nodes(graph.node)


def _is_onnx(node: NodeProto, versions: Mapping[str, int]) -> bool:
    import onnx

    if node.domain not in ("", "ai.onnx", "ai.onnx.ml"):
        return False
    version = versions.get(node.domain, versions.get("", 1))
    return bool(onnx.defs.has(node.op_type, version, node.domain))


def _is_training_dropout(node: NodeProto) -> bool:
    return node.op_type == "Dropout" and len(node.input) > 2 and bool(node.input[2])


def _named(nodes: Sequence[NodeProto]) -> str:
    """Each operator once, with the layers or nodes that hold it."""
    holders: dict[str, dict[str, None]] = {}
    for node in nodes:
        layer = next((entry.value for entry in node.metadata_props if entry.key == LAYER_KEY), node.name)
        holders.setdefault(node.op_type, {})[layer] = None
    return "; ".join(f"{op} in {', '.join(list(names)[:3])}" for op, names in holders.items())
