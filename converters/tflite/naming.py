"""Layers, as the network's author called them, out of the names that TensorFlow Lite gives to tensors.

Its converter joins the names of all that it fused, `model/conv2d/Relu;model/conv2d/BiasAdd;…`, and puts the
scope of the whole model before each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from converters.tflite.model import LiteModel, Operation
from converters.tflite.padding import taken_over

# What TensorFlow wraps around a model that is called as a function.
_WRAPPER = re.compile(
    r"^(StatefulPartitionedCall|PartitionedCall|Identity|serving_default_?)(_?\d+)?(?=/|:|$)/?"
)
# What its converter calls a tensor that it made itself.
_OWN = re.compile(
    r"^(tfl\.|tfl_|arith\.|std\.|constant|unknown|tensor|new_inputs|input_\d+_dequant)", re.IGNORECASE
)
# Names of TensorFlow's functions and operations, with the number that a second one of a name gets.
_OPERATIONS = re.compile(
    r"^(?:(?:relu|relu6|biasadd|conv[123]d(?:_transpose|backpropinput)?|convolution|conv_transpose|depthwise"
    r"|depthwiseconv2dnative|separable_conv2d|matmul|tensordot|fusedbatchnormv\d|batchnorm|batch_normalization"
    r"|softmax|logsoftmax|sigmoid|tanh|elu|selu|gelu|leakyrelu|prelu|softplus|resize|resizebilinear"
    r"|resizenearestneighbor|reshape|shape|strided_slice|squeeze|expanddims|transpose|pack|stack|unstack|concat"
    r"|concatv2|split|splitv|maxpool(?:2d)?|avgpool(?:2d)?|mean|max|min|sum|prod|pad|padv2|mirrorpad|add(?:v2)?"
    r"|sub|mul|truediv|maximum|minimum|neg|abs|square|rsqrt|sqrt|exp|pow|spacetobatchnd|batchtospacend"
    r"|spacetodepth|depthtospace|argmax|cast|moments|dense|projection|add_fold|conv2d_fold|depthwise_fold"
    r"|quantize|dequantize|clip_by_value|hard_swish|hardswish|const|bias|spatialsqueeze|tile|gather|fakequant\w*"
    r"|readvariableop|identity|lrn|stop_gradient|input_sizes)(?:_?\d+)?)$",
    re.IGNORECASE,
)
# What TensorFlow calls the constants that tell an operation how to work.
_ARGUMENTS = re.compile(
    r"^(crops|paddings|block_shape|begin|end|strides|sizes?|shape|perm|axis|split_dim|size_splits|multiples"
    r"|reduction_indices|dimension|depth|indices|stack(_\d+)?|Const(_\d+)?|\d+)\d*$"
)
# Those that open a scope of their own inside of a layer, and that no layer is called.
_FUNCTIONS = re.compile(
    r"^(convolution|conv_transpose|depthwise|separable_conv2d|resize|moments|batchnorm|strided_slice|Tensordot"
    r"|MatMul|BiasAdd|Conv2D|Reshape|SpaceToBatchND|BatchToSpaceND)(_\d+)?$"
)


@dataclass(frozen=True)
class Layers:
    """The layers of a graph.

    Attributes:
        of: Operator → its layer.
        tensors: Layer → the tensor that is its value, in the order of the graph.
        decisions: One sentence for each choice.
    """

    of: Mapping[str, str]
    tensors: Mapping[str, str]
    decisions: tuple[str, ...] = ()


def name_layers(model: LiteModel) -> Layers:
    """Find the layers of a graph."""
    paths = {operation.name: _path(model, operation) for operation in model.operations}
    paths = _without_model({name: path for name, path in paths.items() if path})
    paths, suffix = _without_suffix(paths)
    of: dict[str, str] = {}
    for operation in model.operations:
        of[operation.name] = _layer(paths.get(operation.name, [])) or _inherited(model, operation, of)
    _give_to_readers(model, of)
    merged = taken_over(model)
    of.update({name: of[reader] for name, reader in merged.items()})
    fed = _depending(model)
    tensors: dict[str, str] = {}
    for operation in model.operations:
        if operation.outputs and operation.outputs[0] in fed:
            tensors[of[operation.name]] = operation.outputs[0]
    told = []
    if suffix:
        told.append(
            f"Keras ended each layer's name in {suffix}, for it built the model once more: taken off."
        )
    if merged:
        told.append(f"{len(merged)} paddings with zeros belong to the convolutions behind them.")
    return Layers(of, tensors, tuple(told))


def _path(model: LiteModel, operation: Operation) -> list[str]:
    """The scopes of the name that says where an operator is from; empty where none does."""
    stored = [name for name in operation.inputs if name and model.tensors[name].data is not None]
    for name in (*operation.outputs[:1], *stored):
        for part in name.split(";"):
            plain = re.sub(r":\d+$", "", part)
            while (shorter := _WRAPPER.sub("", plain)) != plain:
                plain = shorter
            scopes = [scope for scope in plain.split("/") if scope]
            if not scopes or _OWN.match(scopes[0]):
                continue
            if name in operation.outputs or (len(scopes) > 1 and not _ARGUMENTS.match(scopes[-1])):
                return scopes
    return []


def _without_model(paths: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The paths without the scopes that all of those with a scope begin with."""
    found = dict(paths)
    while True:
        scoped = [path for path in found.values() if len(path) > 1]
        first = Counter(path[0] for path in scoped)
        if len(first) != 1 or not any(len(path) > 2 for path in scoped):
            return found
        # One layer alone is no model.
        if len({path[1] for path in scoped}) == 1 and all(_OPERATIONS.match(path[1]) for path in scoped):
            return found
        found = {name: path[1:] if len(path) > 1 else path for name, path in found.items()}


def _without_suffix(paths: Mapping[str, list[str]]) -> tuple[dict[str, list[str]], str]:
    """The paths without the number that Keras puts behind every layer of a model that it traces again."""
    heads = {path[0] for path in paths.values() if len(path) > 1}
    if len(heads) > 1:
        for suffix in ("_1", "_2", "_3"):
            if all(head.endswith(suffix) and len(head) > len(suffix) for head in heads):
                cut = {
                    name: [path[0].removesuffix(suffix), *path[1:]] if len(path) > 1 else path
                    for name, path in paths.items()
                }
                return cut, suffix
    return dict(paths), ""


def _layer(path: Sequence[str]) -> str:
    """A path without the operations at its end."""
    kept = list(path)
    if len(kept) > 1 and _OPERATIONS.match(kept[-1]):
        kept.pop()
    while len(kept) > 1 and _FUNCTIONS.match(kept[-1]):
        kept.pop()
    return "/".join(kept)


def _inherited(model: LiteModel, operation: Operation, of: Mapping[str, str]) -> str:
    """The layer before an operator that has no name of its own and reads one tensor; else what it does."""
    computed = [model.producers[name] for name in operation.inputs if name in model.producers]
    stored = [name for name in operation.inputs if name and model.tensors[name].data is not None]
    if len(computed) == 1 and not stored:
        return of[computed[0].name]
    taken, name, number = set(of.values()), operation.op.lower(), 1
    while name in taken:
        name, number = f"{operation.op.lower()}_{number}", number + 1
    return name


def _give_to_readers(model: LiteModel, of: dict[str, str]) -> None:
    """Let what turns stored numbers into others belong to the layer that reads them."""
    fed = _depending(model)
    for operation in reversed(model.operations):
        if operation.outputs and operation.outputs[0] not in fed:
            readers = (each for each in model.operations if operation.outputs[0] in each.inputs)
            reader = next(readers, None)
            if reader is not None:
                of[operation.name] = of[reader.name]


def _depending(model: LiteModel) -> set[str]:
    """The tensors that depend on what is fed."""
    fed = set(model.inputs)
    for operation in model.operations:
        if fed.intersection(operation.inputs):
            fed.update(operation.outputs)
    return fed
