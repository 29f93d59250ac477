"""JAX functions in the child process: described, run, and converted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters import code_child
from converters.assemble import LAYER_KEY
from converters.errors import SourceError, UnsupportedError
from converters.input_shapes import InputShape, matched
from converters.trials import TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto

Arrays = dict[str, NDArray[Any]]
_SMALL = 1024
_FIRST = "Give that axis a number in --input-shape."


@dataclass(frozen=True)
class Described:
    """A function as its code and the given shapes declare it.

    Attributes:
        inputs: Its parameters.
        outputs: Its results.
        plain: Whether it is a function, and no module with parameters of its own.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    plain: bool


@dataclass(frozen=True)
class _Network:
    """A function of arrays, the names of its parameters, and the weights that it holds."""

    function: Callable[..., Any]
    inputs: tuple[str, ...]
    weights: Mapping[str, NDArray[Any]]
    plain: bool


def describe(target: str, shapes: tuple[str, ...]) -> Described:
    """What a function declares for inputs of these shapes.

    Raises:
        SourceError: It does not take such inputs.
    """
    import jax

    network = _network(target)
    given = _shapes(target, shapes)
    try:
        answer = jax.eval_shape(network.function, *_symbols(given))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        free = any(isinstance(axis, str) for shape in given.values() for axis in shape.axes)
        raise SourceError(
            f"{target}: does not take inputs {', '.join(f'{n} {_text(s)}' for n, s in given.items())}: "
            f"{type(error).__name__}: {reason}",
            _FIRST if free else "Another --input-shape may be what it takes.",
        ) from error
    outputs = tuple(
        TensorSpec(name, np.dtype(each.dtype), tuple(a if isinstance(a, int) else None for a in each.shape))
        for name, each in _named(answer).items()
    )
    return Described(tuple(shape.spec(name) for name, shape in given.items()), outputs, network.plain)


def run(target: str, shapes: tuple[str, ...], feeds: Arrays, names: list[str]) -> Arrays:
    """The results of the function itself."""
    answer = _named(_network(target).function(*(feeds[name] for name in _shapes(target, shapes))))
    return {name: np.asarray(answer[name]) for name in names}


def versions() -> dict[str, str]:
    """Which packages take part."""
    return {name: metadata.version(name) for name in ("jax", "jax2onnx")}


def export(target: str, shapes: tuple[str, ...], opset: int) -> tuple[bytes, Arrays]:
    """Convert a function.

    Returns:
        The serialized model, whose weights are the graph inputs `NAME:0`, and the weights.
    """
    import jax2onnx

    network = _network(target)
    given = _shapes(target, shapes)
    try:
        model = jax2onnx.to_onnx(network.function, _symbols(given), model_name="network", opset=opset)
    except Exception as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        raise UnsupportedError(
            f"{target}: jax2onnx cannot write it: {type(error).__name__}: {lines[0] if lines else ''}",
            "INSPECTOR_DEBUG=1 shows its own words.",
        ) from error
    _without_dropout(model)
    outputs = list(_named_specs(network, given))
    ends = [value.name for value in model.graph.output]
    _rename(model, dict(zip([value.name for value in model.graph.input], given, strict=True)))
    _rename(model, dict(zip(ends, outputs, strict=True)))
    weights = _taken_out(model, network.weights)
    return model.SerializeToString(), weights


@cache
def _network(target: str) -> _Network:
    import jax

    found = code_child.load(target)
    if isinstance(found, tuple):
        module, variables = found
        bound = lambda *arrays: module.apply(variables, *arrays)  # noqa: E731
        return _Network(bound, _parameters(type(module).__call__)[1:], _flat(dict(variables)), False)
    if inspect.isroutine(found):
        return _Network(found, _parameters(found), {}, True)
    if hasattr(found, "eval"):
        # Dropout and batch normalization of flax.nnx know by themselves whether they train.
        found.eval()
    held: dict[str, Any] = {}
    function = found
    if code_child.is_of(found, "flax.nnx", "Module"):
        from flax import nnx

        held = nnx.to_pure_dict(nnx.state(found))

        def function(*arrays: Any) -> Any:
            # A copy made while it is traced: scans and counters of random numbers change what they belong to.
            return nnx.clone(found)(*arrays)

    elif not jax.tree_util.all_leaves([found]):
        held = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(found)}
    return _Network(function, _parameters(type(found).__call__)[1:], _flat(held), False)


def _parameters(function: Any) -> tuple[str, ...]:
    kept = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return tuple(each.name for each in parameters if each.kind in kept and each.default is each.empty)


def _flat(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, NDArray[Any]]:
    """Nested weights by their paths: `encoder.conv.kernel`; flax's collections are no part of them."""
    found: dict[str, NDArray[Any]] = {}
    for key, value in tree.items():
        name = prefix if not prefix and key in ("params", "batch_stats") else f"{prefix}{key}."
        if isinstance(value, Mapping):
            found |= _flat(value, name)
        elif isinstance(getattr(value, "dtype", None), np.dtype):
            found[name.rstrip(".")] = np.asarray(value)
    return found


def _shapes(target: str, shapes: tuple[str, ...]) -> dict[str, InputShape]:
    found = dict(matched(shapes, _network(target).inputs, target))
    for name, shape in found.items():
        if shape.dtype.itemsize == 8:
            small = np.dtype(f"{shape.dtype.kind}4").name
            raise SourceError(
                f"{target}: its input {name} is described as {shape.dtype}, and JAX computes in 32 bits",
                f"--input-shape {name}={_text(shape).strip('()').replace(' ', '')}:{small}",
            )
    return found


def _text(shape: InputShape) -> str:
    return f"({', '.join(str(axis) for axis in shape.axes)})"


def _symbols(shapes: Mapping[str, InputShape]) -> list[Any]:
    import jax
    from jax import export as jax_export

    scope = jax_export.SymbolicScope()
    struct: Any = jax.ShapeDtypeStruct
    return [
        struct(
            jax_export.symbolic_shape(",".join(str(axis) for axis in shape.axes), scope=scope), shape.dtype
        )
        for shape in shapes.values()
    ]


def _named_specs(network: _Network, shapes: Mapping[str, InputShape]) -> dict[str, Any]:
    import jax

    return _named(jax.eval_shape(network.function, *_symbols(shapes)))


def _named(answer: Any) -> dict[str, Any]:
    """Output name → array: a dictionary's keys, else `output`, or `output_0`, `output_1`."""
    import jax

    if isinstance(answer, dict) and all(hasattr(value, "dtype") for value in answer.values()):
        # The order in which JAX flattens them.
        return {str(key): answer[key] for key in sorted(answer)}
    found = jax.tree_util.tree_leaves(answer)
    return {"output" if len(found) == 1 else f"output_{place}": value for place, value in enumerate(found)}


def _without_dropout(model: ModelProto) -> None:
    """Leave out dropout that does not train: what it gives is what it takes."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    names: dict[str, str] = {}
    kept = []
    ends = {value.name for value in model.graph.output}
    for node in model.graph.node:
        flag = constants.get(node.input[2]) if node.op_type == "Dropout" and len(node.input) > 2 else None
        if flag is not None and not numpy_helper.to_array(flag).any() and node.output[0] not in ends:
            names[node.output[0]] = names.get(node.input[0], node.input[0])
            continue
        if flag is not None and not numpy_helper.to_array(flag).any():
            del node.input[1:]
            node.op_type = "Identity"
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
        kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _rename(model: ModelProto, names: Mapping[str, str]) -> None:
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def _taken_out(model: ModelProto, held: Mapping[str, NDArray[Any]]) -> Arrays:
    """Replace weights by graph inputs, called as the module calls them, and name the layers after them."""
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    named: dict[str, str] = {}
    weights: Arrays = {}
    small = []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        own = next(
            (name for name, value in held.items() if name not in weights and _is_from(array, value)), ""
        )
        if not own and array.nbytes <= _SMALL:
            small.append(tensor)
            continue
        named[tensor.name] = own or tensor.name
        weights[named[tensor.name]] = array
        code = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        graph.input.append(onnx.helper.make_tensor_value_info(f"{named[tensor.name]}:0", code, array.shape))
    del graph.initializer[:]
    graph.initializer.extend(small)
    for node in graph.node:
        owners = [named[name].rpartition(".")[0] for name in node.input if name in named]
        layer = next(filter(None, owners), node.name.removeprefix("node_").lower())
        node.input[:] = [f"{named[name]}:0" if name in named else name for name in node.input]
        del node.metadata_props[:]
        node.metadata_props.add(key=LAYER_KEY, value=layer)
    return weights


def _is_from(array: NDArray[Any], value: NDArray[Any]) -> bool:
    """Whether an array is a weight, or a convolution's kernel turned from JAX's order of axes to ONNX's."""
    if array.size != value.size or array.size == 1 or array.dtype != value.dtype:
        return False
    turned = (value, np.moveaxis(value, (-1, -2), (0, 1))) if value.ndim > 2 else (value,)
    return any(array.shape == each.shape and np.array_equal(array, each) for each in turned)
