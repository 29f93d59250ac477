"""From a loaded network to its graph, in the child process.

TensorFlow traces the network as it answers (nothing of training), with each weight given from outside: the
graph that results has a placeholder for it, and no variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import SourceError, UnsupportedError
from converters.keras import loading, normalization, recurrence
from converters.keras.inputs import Spec, answer, build, check, declared, operations, specs_of
from converters.keras.loading import Network
from converters.keras.naming import free, safe
from converters.keras.recording import Recorder, patched
from converters.keras.traced import Port, Traced

_ALIGNED = 64


def trace(load: Mapping[str, Any], weights: str, given: Sequence[str] = ()) -> Traced:
    """Trace a network.

    Args:
        load: What `network` takes.
        weights: The file to write the weights to, one array after another.
        given: What the user says of each input, as `Request.input_shapes`; needed where the network does not
            know its own.

    Raises:
        SourceError: The network does not know its inputs, and none were given; or they do not fit.
        UnsupportedError: An input is a text, or something else that is no array.
    """
    found, path = network(load), Path(weights)
    specs = declared(found)
    if not specs:
        if not given:
            raise SourceError(
                "the model has not seen an input yet, and does not know its shape",
                "--input-shape N,224,224,3",
            )
        described = specs_of(given)
        build(found, described)
        return _Trace(found, described, path).result()
    check(given, specs, str(load.get("file") or load["code"]))
    told = ("--input-shape is not used: the model declares its inputs.",) if given else ()
    fixed = [name for name, _, shape in specs if shape and shape[0] is not None]
    if not fixed:
        return replace(_Trace(found, specs, path).result(), decisions=told)
    names = ", ".join(fixed)
    try:
        freed = [(name, dtype, (None, *shape[1:])) for name, dtype, shape in specs]
        traced = _Trace(found, freed, path).result()
    except (TypeError, ValueError):
        told = (*told, f"The size of the batch stays as the model declares it for {names}.")
        return replace(_Trace(found, specs, path).result(), decisions=told)
    return replace(
        traced, decisions=(*told, f"The size of the batch is free, where the model declares one for {names}.")
    )


def run(
    load: Mapping[str, Any], feeds: Sequence[NDArray[Any]], wanted: Sequence[str]
) -> tuple[list[NDArray[Any]], dict[str, NDArray[Any]]]:
    """What the network itself answers, without the graph that was traced of it.

    Args:
        load: What `network` takes.
        feeds: An array for each input, in order.
        wanted: The layers whose values are asked for.

    Returns:
        The outputs in order, and the layers' values.

    Raises:
        SourceError: The network refuses such inputs.
    """
    import tensorflow as tf

    found, values = network(load), {}
    asked = frozenset(wanted)

    def keep(layer: str, made: Any) -> None:
        if layer in asked:
            values[layer] = np.asarray(found.flat(made)[0])

    try:
        with Recorder(found, lambda layer: None, keep).watching():
            answers = answer(found, [tf.constant(array) for array in feeds])
    except tf.errors.OpError as error:
        reason = (error.message or "no reason given").splitlines()[0]
        raise SourceError(f"Keras cannot run it: {reason}") from error
    return [np.asarray(answer) for answer in answers], values


def network(load: Mapping[str, Any]) -> Network:
    """The network that is asked for: the same one, however often.

    Args:
        load: Either "code", the name of a module and what it calls the model, or what `loading.load` takes.
    """
    if "code" in load:
        return _built(str(load["code"]))
    return loading.load(**load)


@cache
def _built(target: str) -> Network:
    from converters import code_child

    loading.quiet()
    return loading.built(target, code_child.load(target))


class _Trace:
    """One attempt at tracing a network."""

    def __init__(self, network: Network, specs: Sequence[Spec], weights: Path) -> None:
        self._network = network
        self._specs = specs
        self._weights = weights
        self._variables = network.variables()
        self._owners: dict[str, str] = {}
        self._layers: dict[str, Port] = {}
        self._begun: list[int] = []
        self._graph: Any = None
        self._recorder = Recorder(network, self._begin, self._end)
        self._recurrent: recurrence.Interception | None = None

    def result(self) -> Traced:
        """Trace, and write the weights down."""
        import tensorflow as tf

        loading.without_comments(self._network.keras)
        given = [tf.TensorSpec(shape, dtype) for _, dtype, shape in self._specs]
        held = [tf.TensorSpec(item.shape, item.dtype) for item in self._variables.values()]
        with ExitStack() as patches:
            patches.enter_context(_by_definition(self._network))
            patches.enter_context(normalization.in_one_operation(self._network))
            patches.enter_context(self._recorder.watching())
            # Other backends of Keras 3 take any name of a layer.
            patches.enter_context(patched(tf, "name_scope", _any_name(tf.name_scope)))
            function = tf.function(self._answered, autograph=False)
            concrete = function.get_concrete_function(given, held)
        flat = [tensor for tensor in concrete.inputs if tensor.dtype != tf.resource]
        _refuse_resources(concrete, self._network)
        count = len(given)
        inputs = [_port(name, tensor) for (name, _, _), tensor in zip(self._specs, flat, strict=False)]
        arrays = {
            name: (tensor.name, variable.numpy())
            for (name, variable), tensor in zip(self._variables.items(), flat[count:], strict=False)
        }
        for outside, tensor in concrete.graph.captures:
            if outside.dtype != tf.resource:
                arrays[free(f"{self._owners.get(tensor.op.name, '')}/constant".lstrip("/"), set(arrays))] = (
                    tensor.name,
                    outside.numpy(),
                )
        assert self._recurrent is not None
        return Traced(
            graph_def=concrete.graph.as_graph_def().SerializeToString(),
            inputs=tuple(inputs),
            outputs=self._outputs(concrete.outputs),
            weights=_written(arrays, self._weights),
            owners=self._owners,
            layers=self._layers,
            recurrences=tuple(self._recurrent.found),
            framework=self._network.versions,
        )

    def _answered(self, inputs: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
        """What TensorFlow traces."""
        import tensorflow as tf

        self._graph = tf.compat.v1.get_default_graph()
        table = {id(held): value for held, value in zip(self._variables.values(), weights, strict=True)}
        names = {id(held): name for name, held in self._variables.items()}
        self._recurrent = recurrence.Interception(self._network, self._recorder, names, self._graph)
        with _reading(table), self._recurrent.active():
            return answer(self._network, inputs)

    def _begin(self, layer: str) -> None:
        self._begun.append(len(self._graph.get_operations()))

    def _end(self, layer: str, made: Any) -> None:
        start = self._begun.pop()
        for operation in self._graph.get_operations()[start:]:
            self._owners.setdefault(operation.name, layer)
        tensors = [item for item in self._network.flat(made) if getattr(item, "graph", None) is self._graph]
        if tensors:
            self._layers[layer] = _port(layer, tensors[0])

    def _outputs(self, tensors: Sequence[Any]) -> tuple[Port, ...]:
        names = _output_names(self._network.model)
        if len(names) != len(tensors):
            names = [f"output_{place}" for place in range(len(tensors))] if len(tensors) > 1 else ["output"]
        taken = {name for name, _, _ in self._specs}
        return tuple(_port(free(name, taken), tensor) for name, tensor in zip(names, tensors, strict=True))


def _any_name(name_scope: Callable[..., Any]) -> Callable[..., Any]:
    """TensorFlow's scopes, for names that it does not take too."""
    return lambda name, *args, **kwargs: name_scope(safe(name), *args, **kwargs)


def _output_names(model: Any) -> list[str]:
    """What a model calls its outputs; nothing where it has not said."""
    if getattr(model, "output_names", None):
        return [str(name) for name in model.output_names]
    return operations(getattr(model, "outputs", None) or ())


@contextmanager
def _reading(table: Mapping[int, Any]) -> Iterator[None]:
    """Let variables give the tensors that stand for them, in loops too."""
    from tensorflow.python.ops import array_ops
    from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable as Variable

    plain, sparse = Variable._read_variable_op, Variable.sparse_read

    def read(self: Any, no_copy: bool = False) -> Any:
        return table[id(self)] if id(self) in table else plain(self, no_copy)

    def gather(self: Any, indices: Any, name: str | None = None) -> Any:
        return (
            array_ops.gather(table[id(self)], indices) if id(self) in table else sparse(self, indices, name)
        )

    with patched(Variable, "_read_variable_op", read), patched(Variable, "sparse_read", gather):
        yield


@contextmanager
def _by_definition(network: Network) -> Iterator[None]:
    """Let Keras 2 compute by its own definition what it would hand to kernels for graphics processors."""
    with ExitStack() as patches:
        for part, _ in network.parts():
            if hasattr(part, "_could_use_gpu_kernel"):
                patches.enter_context(patched(part, "_could_use_gpu_kernel", False))
            if hasattr(part, "_fused"):
                patches.enter_context(patched(part, "_fused", False))
        yield


def _refuse_resources(concrete: Any, network: Network) -> None:
    """Refuse a graph that changes variables, or reads some that belong to no layer."""
    for operation in concrete.graph.get_operations():
        if operation.type.startswith(("Assign", "ResourceApply", "ReadVariableOp", "LookupTable")):
            raise UnsupportedError(
                f"{operation.name}: the network reads or changes what it keeps beside its weights "
                f"({operation.type}); expected a network that computes its outputs from its inputs alone"
            )


def _port(name: str, tensor: Any) -> Port:
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return Port(name, tensor.name, tensor.dtype.name, shape)


def _written(arrays: Mapping[str, tuple[str, NDArray[Any]]], path: Path) -> tuple[Port, ...]:
    """Write arrays into a file, each where a processor likes it to begin."""
    ports = []
    with path.open("wb") as file:
        for name, (tensor, array) in arrays.items():
            file.write(bytes(-file.tell() % _ALIGNED))
            ports.append(Port(name, tensor, array.dtype.name, array.shape, file.tell()))
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return tuple(ports)
