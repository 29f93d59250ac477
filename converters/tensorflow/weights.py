"""The weights of TensorFlow's files, without TensorFlow and without converting them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from converters.errors import SourceError
from converters.tensorflow.checkpoint import open_checkpoint
from converters.tensorflow.dtypes import Array
from converters.tensorflow.graph import SourceGraph, needs_graph, read_source
from converters.tensorflow.kernels import Role, guessed_role, roles_in
from converters.tensorflow.locate import locate
from converters.tensorflow.object_graph import KEY, VALUE, read_objects
from converters.tensorflow.restore import VARIABLES, Stored, stored_variables
from converters.tensorflow.saved_model import read_saved_model
from converters.tensorflow.tensors import tensor_array
from converters.tensorflow.topology import Node, Topology, owner, read_topology
from converters.tensorflow.variables import Checkpoint
from converters.weights import StoredLayer, Variable, Weights

_RECURRENT = (("lstm", "LSTM"), ("gru", "GRU"), ("rnn", "RNN"))
# What Keras and TensorFlow 2 keep beside a network's own variables.
_OPTIMIZER = re.compile(
    r"^(optimizer|\w*/?optimizer|keras_api|Adam\w*|SGD|RMSprop|Adagrad|Adadelta|Nadam|Ftrl|Lion)/|"
    r"^(save_counter|global_step|iteration|learning_rate|training_step)\b|seed_generator"
)
_GUESSED = (
    "There is no graph beside the variables: what is a kernel, and its axes, are taken from names and shapes."
)


def checkpoint_weights(path: Path) -> Weights:
    """Return the weights of a checkpoint, with or without its graph, or of a frozen graph.

    Raises:
        FileError: A file is missing or cannot be read.
        SourceError: It is damaged, or holds no weights.
    """
    place = locate(path)
    if place.prefix is None:
        return _of_graph(read_source(path))
    if place.prefix.with_name(place.prefix.name + ".meta").exists():
        return _of_graph(read_source(path))
    return _alone(path, open_checkpoint(place.prefix))


def saved_model_weights(path: Path) -> Weights:
    """Return the weights of a SavedModel that its signature for serving needs.

    Raises:
        FileError: A file is missing or cannot be read.
        SourceError: It is damaged, or holds no weights.
        UnsupportedError: It is in protobuf's text form, or its functions cannot be read.
    """
    saved = read_saved_model(path, any_will_do=True)
    found = _of_graph(saved.source, [owner(tensor) for tensor in saved.outputs.values()])
    if saved.signature.reason != "the first":
        return found
    note = f"There are several signatures: the weights are those that {saved.signature.name!r} needs."
    return replace(found, general=(*found.general, note))


def _of_graph(source: SourceGraph, outputs: Sequence[str] = ()) -> Weights:
    """The variables, or in a frozen graph the constants, that operations read on the way to some nodes."""
    topology = read_topology(source.graph_def, str(source.path))
    if outputs:
        needed = topology.upstream(outputs, controls=False)
        topology = Topology({name: node for name, node in topology.nodes.items() if name in needed})
    found = _variables(source, topology)
    roles = roles_in(topology, {name: len(variable.shape) for name, variable in found.items()})
    used = {found[name].name: (found[name], role) for name, role in roles.items()}
    kept = _without_slots([variable for variable, _ in used.values()])
    layers = _layers(kept, {variable.name: used[variable.name][1] for variable in kept})
    return _weights(source.path, source.kind, layers)


def _variables(source: SourceGraph, topology: Topology) -> dict[str, Variable]:
    """The variables by their nodes."""
    if source.checkpoint is None:
        constants = (node for node in topology.nodes.values() if node.op == "Const")
        return {node.name: made for node in constants if (made := _constant(source, node)) is not None}
    stored = stored_variables(source, topology)
    found: dict[str, Variable] = {}
    for node in topology.nodes.values():
        if node.op not in VARIABLES:
            continue
        where = stored.get(node.name, Stored(node.name))
        declared = source.checkpoint.variables.get(where.key)
        if declared is not None and declared.shape and not declared.dtype.hasobject and not where.part:
            read = partial(source.checkpoint.read, where.key)
            found[node.name] = Variable(node.name, declared.dtype, declared.shape, read)
    return found


def _constant(source: SourceGraph, node: Node) -> Variable | None:
    """A constant of a frozen graph that may be a weight: numbers with an axis."""
    value = node.attr("value")
    try:
        array = tensor_array(value.tensor) if value is not None else None
    except ValueError as error:
        raise SourceError(f"{source.path}: the constant {node.name!r} is damaged: {error}") from error
    if array is None or array.ndim == 0 or array.dtype.kind not in "f":
        return None
    return Variable(node.name, array.dtype, array.shape, partial(_same, array))


def _same(array: Array) -> Array:
    return array


def _alone(path: Path, checkpoint: Checkpoint) -> Weights:
    """The variables of a checkpoint without a graph."""
    objects = read_objects(checkpoint)
    found = []
    for key, declared in checkpoint.variables.items():
        name = objects.names.get(key) or key.removesuffix(VALUE)
        beside = key == KEY or key in objects.slots or _OPTIMIZER.search(key) or _OPTIMIZER.search(name)
        if beside or not declared.shape or declared.dtype.kind in "Ob":
            continue
        found.append(Variable(name, declared.dtype, declared.shape, partial(checkpoint.read, key)))
    kept = _within_model(_without_slots(found))
    groups = _groups(kept)
    roles = {
        variable.name: guessed_role(variable.name, {other.name: other.shape for other in group})
        for group in groups.values()
        for variable in group
    }
    kind = "TensorFlow 2 checkpoint" if objects.names else "TensorFlow checkpoint"
    return _weights(path, kind, _layers(kept, roles), (_GUESSED,), needs_graph(checkpoint.prefix))


def _without_slots(variables: Sequence[Variable]) -> list[Variable]:
    """The variables without what an optimizer keeps for one, `conv_1/W/Adam`, and without doubles."""
    shapes = {variable.name: variable.shape for variable in variables}
    unique = {variable.name: variable for variable in variables}
    return [
        variable
        for variable in unique.values()
        if not any(
            shapes.get(variable.name[:at]) == variable.shape
            for at, letter in enumerate(variable.name)
            if letter == "/"
        )
    ]


def _within_model(variables: list[Variable]) -> list[Variable]:
    """The variables without the model's own name before each, `model/conv2d/kernel`."""
    models = {variable.name.partition("/")[0] for variable in variables}
    if len(models) != 1 or any(variable.name.count("/") < 2 for variable in variables):
        return variables
    return [replace(variable, name=variable.name.partition("/")[2]) for variable in variables]


def _groups(variables: Iterable[Variable]) -> dict[str, list[Variable]]:
    """The variables by their scope, which is the layer's name."""
    found: dict[str, list[Variable]] = {}
    for variable in variables:
        scope = variable.name.rpartition("/")[0] or variable.name
        found.setdefault(scope, []).append(variable)
    return found


def _layers(variables: Sequence[Variable], roles: Mapping[str, Role]) -> tuple[StoredLayer, ...]:
    """The layers; one with several kernels, as a separable convolution, is one for each kernel."""
    made: list[StoredLayer] = []
    for name, group in _groups(variables).items():
        kernels = [variable for variable in group if roles[variable.name].order]
        if len(kernels) < 2:
            made.append(_layer(name, group, kernels[0] if kernels else None, roles))
            continue
        others = [variable for variable in group if variable not in kernels]
        for kernel in kernels:
            # The bias is added to what comes out of the last one.
            own = [kernel, *(others if kernel is kernels[-1] else ())]
            made.append(_layer(kernel.name.removesuffix("_kernel"), own, kernel, roles))
    return tuple(made)


def _layer(
    name: str, group: Sequence[Variable], kernel: Variable | None, roles: Mapping[str, Role]
) -> StoredLayer:
    if kernel is not None:
        role = roles[kernel.name]
        groups = kernel.shape[role.order.index("I")] if "M" in role.order else 1
        return StoredLayer(name, role.kind, tuple(group), kernel, role.order, groups)
    return StoredLayer(name, _kind(name, group, roles), tuple(group))


def _kind(name: str, group: Sequence[Variable], roles: Mapping[str, Role]) -> str:
    """What a layer without a kernel is."""
    leaves = {variable.name.rpartition("/")[2] for variable in group}
    if any("recurrent_kernel" in leaf for leaf in leaves):
        return next((kind for part, kind in _RECURRENT if part in name.lower()), "RNN")
    kinds = [roles[variable.name].kind for variable in group if roles[variable.name].kind]
    if kinds:
        return kinds[0]
    return "BatchNormalization" if "moving_mean" in leaves else "Variable"


def _weights(
    path: Path, kind: str, layers: tuple[StoredLayer, ...], notes: tuple[str, ...] = (), needs: str = ""
) -> Weights:
    if not layers:
        raise SourceError(f"{path}: holds no weights; expected the variables of a network")
    return Weights(path, kind, layers, notes, needs)
