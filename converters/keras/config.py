"""A network's configuration, read before Keras reads it: nothing in it may run, and nothing be foreign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.errors import UnsupportedError

_PARTS = (
    "layers|models|engine|initializers|regularizers|constraints|activations|dtype_policies|mixed_precision"
)
_MODULES = tuple(
    f"{package}{part}"
    for package in ("keras.", "keras.src.", "tf_keras.", "tf_keras.src.")
    for part in (*_PARTS.split("|"), "ops", "backend.common.dtypes")
)
_PLAIN_MODULES = ("", "keras", "tf_keras", "builtins")
# Their files hold a program of another framework, which would run.
_PROGRAMS = frozenset({"TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
_TABLES = frozenset({"StringLookup", "IntegerLookup", "TextVectorization", "Hashing"})
_KERAS_FUNCTIONS = frozenset(
    {"celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish"}
    | {"hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu"}
    | {"sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid"}
    | {"sparsemax", "squareplus", "swish", "tanh", "tanh_shrink", "threshold"}
)
# Keras 2 names TensorFlow's own functions; these compute, and do nothing else.
_FUNCTION_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda", "TFSlicingOpLambda", "ClassMethod"})
_COMPUTING = (
    *("math.", "nn.", "linalg.", "image.", "signal.", "bitwise.", "__operators__.", "compat.v1.nn."),
    *("keras.backend.", "keras.activations.", "_keras_internal.", "compat.v1.math.", "strided_slice"),
)
_COMPUTES = frozenset(
    {"abs", "add", "add_n", "argmax", "argmin", "boolean_mask", "broadcast_to", "cast", "clip_by_value"}
    | {"compat.v1.gather", "compat.v1.shape", "compat.v1.squeeze", "compat.v1.transpose", "concat"}
    | {"convert_to_tensor", "cos", "cumsum", "divide", "einsum", "equal", "exp", "expand_dims", "eye"}
    | {"fill", "floor", "gather", "gather_nd", "greater", "greater_equal", "identity", "less", "less_equal"}
    | {"linspace", "matmul", "maximum", "meshgrid", "minimum", "multiply", "negative", "norm", "not_equal"}
    | {"one_hot", "ones", "ones_like", "pad", "pow", "range", "rank", "realdiv", "reduce_all", "reduce_any"}
    | {"reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum", "repeat", "reshape", "reverse"}
    | {"roll", "round", "shape", "sigmoid", "sign", "sin", "size", "slice", "split", "sqrt", "square"}
    | {"squeeze", "stack", "stop_gradient", "subtract", "tanh", "tensordot", "tile", "transpose", "truediv"}
    | {"unstack", "where", "zeros", "zeros_like"}
)
_NOT_READ = ("compile_config", "build_config")
CODE_HINT = (
    "module:callable converts a model that somebody's own code builds: inspector convert package.module:build"
)


@dataclass(frozen=True)
class Described:
    """An object of the configuration.

    Attributes:
        class_name: Its class, as Keras names it.
        module: Where the class is, as the file says; empty in older files.
        layer: The layer that it is, or that it belongs to.
        config: Its own configuration.
        is_layer: Whether it is a layer of the network.
        registered: The name under which its class was registered.
    """

    class_name: str
    module: str
    layer: str
    config: Any
    is_layer: bool
    registered: str


def layers(config: Mapping[str, Any]) -> Iterator[Described]:
    """Every layer of a network, those of nested networks and wrapped ones too, in the order of the file."""
    return (item for item in described(config) if item.is_layer)


def described(config: Mapping[str, Any]) -> Iterator[Described]:
    """Every object of a configuration that has a class, each before those that it holds."""
    pending: list[tuple[Any, str]] = [(config, "")]
    while pending:
        item, layer = pending.pop()
        if isinstance(item, dict):
            name = item.get("class_name")
            if isinstance(name, str):
                inner = item.get("config")
                named = inner.get("name") if isinstance(inner, dict) else None
                is_layer = isinstance(named, str) and not name.endswith("Policy")
                layer = named if is_layer and isinstance(named, str) else layer
                registered = item.get("registered_name")
                yield Described(
                    name, str(item.get("module") or ""), layer, inner, is_layer, str(registered or "")
                )
            pending += [(item[key], layer) for key in reversed(item) if key not in _NOT_READ]
        elif isinstance(item, list):
            pending += [(each, layer) for each in reversed(item)]


def check(config: Mapping[str, Any], path: Path, *, trust: bool) -> tuple[str, ...]:
    """Refuse a configuration that holds code, foreign classes, or what has no counterpart.

    Args:
        config: What the file says of its network.
        path: The file, for messages.
        trust: Whether code in the file may run.

    Returns:
        The layers whose code will run, because it may.

    Raises:
        UnsupportedError: It names the layer, and says why.
    """
    code = []
    for item in described(config):
        if item.class_name in ("Lambda", "__lambda__"):
            if not trust:
                raise UnsupportedError(
                    f"{path}: {_named(item)} holds Python code (a Lambda), which would run; expected "
                    "layers of Keras's own",
                    "--trust lets it run. Use it only for a file whose author you trust.",
                )
            code.append(item.layer)
        _check_origin(item, path)
        _check_kind(item, path)
    return tuple(dict.fromkeys(code))


def _check_origin(item: Described, path: Path) -> None:
    """Refuse classes and functions that are not Keras's own."""
    package, arrow, _ = item.registered.rpartition(">")
    module = item.module
    if (arrow and package not in ("keras", "Keras")) or ">" in item.class_name:
        name = item.registered or item.class_name
        raise UnsupportedError(
            f"{path}: {_named(item)} is of the custom class {name!r}, not Keras's own", CODE_HINT
        )
    if item.class_name == "function":
        function = item.config if isinstance(item.config, str) else item.registered
        if function not in _KERAS_FUNCTIONS:
            raise UnsupportedError(
                f"{path}: {_named(item)} uses the function {function!r}, not one of Keras's own", CODE_HINT
            )
    elif module not in _PLAIN_MODULES and not f"{module}.".startswith(tuple(f"{each}." for each in _MODULES)):
        raise UnsupportedError(
            f"{path}: {_named(item)} is of the custom class '{module}.{item.class_name}', not Keras's own",
            CODE_HINT,
        )


def _check_kind(item: Described, path: Path) -> None:
    """Refuse Keras's own layers that run foreign programs, read tables, or remember."""
    if item.class_name in _PROGRAMS:
        raise UnsupportedError(
            f"{path}: {_named(item)} is a {item.class_name}, which runs a program of another framework",
            CODE_HINT,
        )
    if item.class_name in _TABLES:
        raise UnsupportedError(
            f"{path}: {_named(item)} is a {item.class_name}, which looks values up in a table and has no "
            "ONNX counterpart",
            "Save a model that begins after it, and do its work before.",
        )
    settings = item.config if isinstance(item.config, dict) else {}
    if item.is_layer and settings.get("stateful") is True:
        raise UnsupportedError(
            f"{path}: {_named(item)} is stateful: its answer depends on the call before; expected a network "
            "that computes its outputs from its inputs alone",
            "Build the model with stateful=False, load the weights into it, and save it.",
        )
    if item.class_name in _FUNCTION_LAYERS:
        function = str(settings.get("function", settings.get("method_name")))
        plain = function.removeprefix("tf.")
        if not (plain.startswith(_COMPUTING) or plain in _COMPUTES):
            raise UnsupportedError(
                f"{path}: {_named(item)} calls TensorFlow's function {function!r}, which is not known to "
                "compute and do nothing else",
                CODE_HINT,
            )


def _named(item: Described) -> str:
    return f"the layer {item.layer!r}" if item.layer else "the network"
