"""The weights of a Keras file, without Keras."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError
from converters.keras import archive, hdf5
from converters.keras.kinds import Layer, layer_kind, names_of, snake_case, stored_layers
from converters.weights import StoredLayer, Variable, Weights

NEEDS = (
    "Build the network in Python, load_weights() into it and save it with model.save('model.keras'), "
    "or inspector convert package.module:build with a function that returns it."
)
"""What helps where a file holds weights alone."""
_UNDESCRIBED = "The file holds weights only: of what class a layer is, its names and shapes tell."
Read: TypeAlias = Callable[[str], NDArray[Any]]
# What a training run leaves in a file beside the network.
_TRAINING = frozenset({"optimizer", "metrics", "compile_metrics", "loss_tracker", "seed_generator"})
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_DIRECTIONS = {"forward_layer": "forward_", "backward_layer": "backward_"}
_NUMBERED = "The file holds weights only: layers are called as it numbers them, by class."


def weights(path: Path) -> Weights:
    """Read what a file holds of a network's weights; the bytes are read when they are asked for.

    Args:
        path: A model or a file of weights, of either generation of Keras.

    Returns:
        The layers by the author's names, `encoder/conv2d` for one of a network within the network. A
        separable convolution is two: `NAME/depthwise` and `NAME/pointwise`.

    Raises:
        FileError: It is missing, empty, or cannot be read.
        MissingExtraError: h5py is not installed.
        SourceError: It is damaged, or was not written by Keras.
        UnsupportedError: It reaches beyond itself, or declares more than it holds.
    """
    file = archive.read(path)
    read = partial(_read, path)
    needs = NEEDS if file.config is None else ""
    with archive.weights(path, checked=True) as root:
        group = root.get("model_weights", root)
        if "layer_names" in group.attrs or "layer_names0" in group.attrs:
            notes = (_UNDESCRIBED,) if file.config is None else ()
            return Weights(path, file.kind, tuple(_by_name(group, file.config, read)), notes, needs)
        notes = (_NUMBERED,) if file.config is None and not _has_names(root) else ()
        return Weights(path, file.kind, tuple(_by_place(root, file.config, read)), notes, needs)


def _has_names(root: Any) -> bool:
    """Whether a file that numbers layers notes their names too, as Keras does since 3.9."""
    held = root.get("vars")
    return held is not None and "name" in held.attrs


def _read(path: Path, place: str) -> NDArray[Any]:
    """The numbers of a data set."""
    with archive.weights(path, checked=True) as root:
        return np.asarray(root[place][()])


def _variable(held: Any, name: str, read: Read) -> Variable:
    return Variable(name, held.dtype, tuple(held.shape), partial(read, str(held.name)))


def _by_name(group: Any, config: Mapping[str, Any] | None, read: Read) -> Iterator[StoredLayer]:
    """The layers of a file that lists their names, and those of the weights of each."""
    known = {layer.name: layer for layer in _described(config or {}, "")}
    for name in hdf5.texts(group, "layer_names"):
        parts: dict[str, list[Variable]] = {}
        for weight in hdf5.texts(_item(group, name), "weight_names"):
            scope, _, leaf = weight.partition(":")[0].rpartition("/")
            inner = _holder(name, scope, known)
            taken = {variable.name for variable in parts.get(inner, ())}
            full = f"{inner}/{leaf}" if f"{inner}/{leaf}" not in taken else f"{inner}/{scope}/{leaf}"
            held = _item(_item(group, name), weight)
            parts.setdefault(inner, []).append(_variable(held, full, read))
        for inner, variables in parts.items():
            layer = known.get(inner) or Layer(inner, _guessed(inner, variables), {})
            yield from stored_layers(layer, variables)


def _item(group: Any, name: str) -> Any:
    if name not in group:
        raise SourceError(
            f"{group.file.filename}: lacks {name!r}, which it lists", "Fetch or save the file again."
        )
    return group[name]


def _guessed(name: str, variables: Sequence[Variable]) -> str:
    """The class of a layer that no configuration describes, by its name or its variables' names."""
    kind = layer_kind(name.rpartition("/")[2])
    shapes = {variable.name.rpartition("/")[2]: variable.shape for variable in variables}
    kernel, bias = shapes.get("kernel", ()), shapes.get("bias", ())
    if "pointwise_kernel" in shapes:
        return f"SeparableConv{len(shapes['pointwise_kernel']) - 2}D"
    if "depthwise_kernel" in shapes:
        return f"DepthwiseConv{len(shapes['depthwise_kernel']) - 2}D"
    if "moving_mean" in shapes:
        return "BatchNormalization"
    if len(kernel) < 2 or "recurrent_kernel" in shapes or kind != name.rpartition("/")[2]:
        return kind
    if len(kernel) == 2:
        return "Dense"
    # A transposed convolution has its output channels before its input channels.
    transposed = bias == kernel[-2:-1] and bias != kernel[-1:]
    return f"Conv{len(kernel) - 2}D{'Transpose' if transposed else ''}"


def _holder(name: str, scope: str, known: Mapping[str, Layer]) -> str:
    """The path of the layer that a weight of this scope belongs to."""
    parts = scope.split("/")
    for start in range(len(parts)):
        for end in range(len(parts), start, -1):
            path = "/".join((name, *parts[start:end]))
            if path in known:
                return path
    return name


def _described(config: Mapping[str, Any], prefix: str) -> Iterator[Layer]:
    """The layers of a configuration with their paths, those of networks within it too."""
    for item in _listed(config):
        settings = _settings(item)
        name = f"{prefix}{item.get('name') or settings.get('name') or ''}"
        wrapped = settings.get("layer")
        if not isinstance(wrapped, dict):
            yield Layer(name, str(item.get("class_name")), settings)
            yield from _described(item, f"{name}/")
            continue
        inner = Layer(name, str(wrapped.get("class_name")), _settings(wrapped))
        yield inner
        for key in _DIRECTIONS:
            yield Layer(f"{name}/{_directed(key, str(inner.config.get('name')))}", inner.kind, inner.config)
        yield from _described(wrapped, f"{name}/")


def _directed(key: str, name: str) -> str:
    """What Keras calls one of the two layers of a Bidirectional: `forward_lstm`."""
    plain = name
    for direction in _DIRECTIONS.values():
        plain = plain.removeprefix(direction)
    return f"{_DIRECTIONS.get(key, '')}{plain}"


def _listed(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layers of a network's configuration; older Keras wrote those of a Sequential as a bare list."""
    inner = config.get("config")
    found = inner.get("layers") if isinstance(inner, dict) else inner
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _settings(described: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = described.get("config")
    return inner if isinstance(inner, dict) else {}


@dataclass(frozen=True)
class _Group:
    """A group of a file that numbers layers by class: `layers/conv2d_1`."""

    held: Any
    described: Mapping[str, Any]
    key: str
    path: str


def _by_place(root: Any, config: Mapping[str, Any] | None, read: Read) -> Iterator[StoredLayer]:
    """The layers of a file that numbers them, and their variables: `layers/conv2d_1/vars/0`."""
    pending = deque([_Group(root, config or {}, "", "")])
    while pending:
        group = pending.popleft()
        variables = group.held.get("vars")
        if variables is not None and len(variables):
            kind = str(group.described.get("class_name") or layer_kind(group.key))
            layer = Layer(group.path or "network", kind, _settings(group.described))
            keys = sorted(variables, key=lambda key: (len(key), key))
            names = names_of(layer, len(keys))
            named = [name if key.isdigit() else key for name, key in zip(names, keys, strict=True)]
            yield from stored_layers(
                layer,
                [
                    _variable(variables[key], f"{layer.name}/{name}", read)
                    for key, name in zip(keys, named, strict=True)
                ],
            )
        pending.extendleft(reversed([*_below(group)]))


def _below(group: _Group) -> Iterator[_Group]:
    """The layers in a layer or network."""
    described = _numbered(group.described)
    for key, held in group.held.items():
        if key == "vars" or key.lstrip("_") in _TRAINING or not hasattr(held, "items"):
            continue
        if key in _CONTAINERS:
            for number in sorted(held, key=partial(_place, list(described))):
                yield _named(held[number], described.get(number, {}), number, group.path)
        elif key == "cell":
            # A cell's weights are the layer's own.
            yield _Group(held, {**group.described}, group.key, group.path)
        else:
            yield _named(held, _settings(group.described).get("layer") or {}, key, group.path)


def _place(order: Sequence[str], key: str) -> tuple[int, str, int]:
    """Where a layer comes: as the configuration lists it, else by class and number."""
    name, _, number = key.rpartition("_")
    place = order.index(key) if key in order else len(order)
    return (place, name, int(number)) if number.isdigit() else (place, key, 0)


def _named(held: Any, described: Mapping[str, Any], key: str, prefix: str) -> _Group:
    """A group under the name that its author gave the layer, as far as the file says."""
    variables = held.get("vars")
    name = None if variables is None else variables.attrs.get("name")
    own = hdf5.text(name) if name is not None else str(_settings(described).get("name") or key)
    own = _directed(key, own) if key in _DIRECTIONS else own
    return _Group(held, described, key, f"{prefix}/{own}" if prefix else own)


def _numbered(described: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The layers of a configuration by the names that Keras gives them in a file, by class."""
    found: dict[str, Mapping[str, Any]] = {}
    seen: Counter[str] = Counter()
    for item in _listed(described):
        name = snake_case(str(item.get("class_name")))
        seen[name] += 1
        count = seen[name] - 1
        found[f"{name}_{count}" if count else name] = item
    return found
