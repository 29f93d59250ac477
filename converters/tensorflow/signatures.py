"""The signatures of a SavedModel: what it can be asked, by name.

Reference: tensorflow/core/protobuf/meta_graph.proto, `SignatureDef`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.errors import SourceError, UnsupportedError
from converters.tensorflow.topology import full_name

DEFAULT = "serving_default"
SERVE = "serve"
# They prepare the model itself; nobody asks them anything.
_OF_LOADING = frozenset({"__saved_model_init_op", "__saved_model_train_op"})


@dataclass(frozen=True)
class Endpoint:
    """An input or output of a signature.

    Attributes:
        key: What users call it, "input_1".
        tensor: The tensor of the graph, "serving_default_input_1:0".
        shape: Its shape as far as it is known; None for an unknown rank.
    """

    key: str
    tensor: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """What a SavedModel can be asked.

    Attributes:
        name: Its name, "serving_default".
        inputs: Its inputs, by their keys.
        outputs: Its outputs, by their keys.
        reason: Why this one, as the end of a sentence.
    """

    name: str
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    reason: str

    def tensor(self, name: str) -> str:
        """Return the tensor that `name` means: that of an input or output of this key, or `name` itself."""
        by_key = {endpoint.key: endpoint.tensor for endpoint in (*self.outputs, *self.inputs)}
        return by_key.get(name, name)


def choose_graph(saved: Any, where: Path) -> Any:
    """Return the MetaGraphDef that is made for serving.

    Args:
        saved: A SavedModel message.
        where: The source, for messages.

    Raises:
        SourceError: There is none, or none and several others.
    """
    graphs = list(saved.meta_graphs)
    serving = [meta for meta in graphs if SERVE in meta.meta_info_def.tags]
    if serving:
        return min(serving, key=lambda meta: len(meta.meta_info_def.tags))
    if len(graphs) == 1:
        return graphs[0]
    listed = "; ".join(", ".join(meta.meta_info_def.tags) or "no tags" for meta in graphs)
    raise SourceError(
        f"{where}: holds {len(graphs)} graphs, none with the tag {SERVE!r}"
        + (f"; their tags are: {listed}" if graphs else ""),
        "Save it for serving: tf.saved_model.save(model, folder).",
    )


def choose_signature(meta: Any, asked: str, where: Path, *, any_will_do: bool = False) -> Signature:
    """Return the signature of a MetaGraphDef that was asked for, or the one for serving, or the only one.

    Args:
        meta: A MetaGraphDef message.
        asked: The name of a signature; empty to choose.
        where: The source, for messages.
        any_will_do: Whether to take the first of several.

    Raises:
        SourceError: There is none of that name; or there are several and none is the default.
        UnsupportedError: One of its tensors is sparse or ragged.
    """
    found = {
        name: signature
        for name, signature in sorted(meta.signature_def.items())
        if name not in _OF_LOADING and signature.outputs
    }
    if not found:
        raise SourceError(
            f"{where}: has no signature, and so no inputs and outputs",
            "Save it with one: tf.saved_model.save(model, folder, signatures=...).",
        )
    if asked:
        if asked not in found:
            near = difflib.get_close_matches(asked, found, n=1)
            raise SourceError(
                f"{where}: has no signature {asked!r}; it has {', '.join(found)}",
                f"--signature {near[0] if near else next(iter(found))}",
            )
        return _signature(asked, found[asked], "as asked", where)
    if DEFAULT in found:
        others = [name for name in found if name != DEFAULT]
        reason = "the default for serving" + (f"; there are also {', '.join(others)}" if others else "")
        return _signature(DEFAULT, found[DEFAULT], reason, where)
    if len(found) == 1 or any_will_do:
        name = next(iter(found))
        return _signature(name, found[name], "the only one" if len(found) == 1 else "the first", where)
    raise SourceError(
        f"{where}: has {len(found)} signatures and none named {DEFAULT!r}: {', '.join(found)}",
        f"--signature {next(iter(found))}",
    )


def _signature(name: str, signature: Any, reason: str, where: Path) -> Signature:
    return Signature(
        name, _endpoints(signature.inputs, where, name), _endpoints(signature.outputs, where, name), reason
    )


def _endpoints(infos: Mapping[str, Any], where: Path, signature: str) -> tuple[Endpoint, ...]:
    found = []
    for key, info in sorted(infos.items()):
        if not info.name:
            raise UnsupportedError(
                f"{where}: the tensor {key!r} of the signature {signature!r} is sparse or ragged; expected a "
                "dense one",
                "Name dense tensors with --inputs and --outputs.",
            )
        shape = None
        if info.HasField("tensor_shape") and not info.tensor_shape.unknown_rank:
            shape = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
        found.append(Endpoint(key, full_name(info.name), shape))
    return tuple(found)
