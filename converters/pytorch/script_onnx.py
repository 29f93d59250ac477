"""TorchScript as ONNX, with the author's names, in the child process."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import NDArray

from converters.assemble import LAYER_KEY
from converters.errors import UnsupportedError
from converters.pytorch.arrays import examples
from converters.pytorch.onnx_graph import tidied
from converters.pytorch.onnx_model import finished
from converters.pytorch.origin import Exported, Origin
from converters.pytorch.scopes import Step, leaving, numbered
from converters.pytorch.scripted import describe, fresh, layers, opened, results

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto
    from torch.jit import ScriptModule

# The last opset that the exporter for TorchScript writes.
_LAST_OPSET = 20
# What works with sizes; their results are no layer's value.
_SIZES = {"Shape", "Size", "Constant", "ConstantOfShape", "Range"}


def export(origin: Origin, folder: str, opset: int, fold: bool) -> Exported:
    """Convert a program with the exporter that PyTorch has for TorchScript."""
    import torch

    script = opened(origin)
    ends = list(results(script.module, examples(script.shapes)))
    buffer = io.BytesIO()
    axes = {
        name: {place: axis for place, axis in enumerate(shape.axes) if isinstance(axis, str)}
        for name, shape in script.shapes.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                fresh(origin),
                tuple(examples(script.shapes).values()),
                # The exporter writes into a buffer too, which its types do not say.
                cast(Any, buffer),
                dynamo=False,
                opset_version=min(opset, _LAST_OPSET),
                input_names=list(script.shapes),
                output_names=ends,
                dynamic_axes=axes | _free_axes(origin),
                # Evaluation mode would fold batch normalization into the convolution before it.
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=True,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UnsupportedError(
                f"{origin.name}: PyTorch's exporter cannot write it: {reason}",
                "INSPECTOR_DEBUG=1 shows its own words.",
            ) from error
    found = layers(origin)
    model, weights, values = _prepared(buffer.getvalue(), script.module, list(found), fold=fold)
    return finished(
        model,
        weights,
        folder=Path(folder),
        opset=opset,
        values={found[layer]: value for layer, value in values.items() if layer in found},
        engine="torch.onnx (TorchScript)",
        axes={},
    )


def _prepared(
    data: bytes, module: ScriptModule, layers: Sequence[str], *, fold: bool
) -> tuple[ModelProto, dict[str, NDArray[Any]], dict[str, str]]:
    """Take the weights out of a model, name them and the layers as the author did, find the layers' values.

    Args:
        data: The serialized model.
        module: The program.
        layers: Names of the layers.
        fold: Whether batch normalization goes into the weights before it.

    Returns:
        The model, its weights by name, and layer → value.
    """
    import onnx
    import onnx_ir

    model = onnx.ModelProto.FromString(data)
    held = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    _undo_sharing(model, held)
    modules = {name for name, _ in module.named_modules() if name}
    steps = [_step(node, modules) for node in model.graph.node]
    found = numbered(leaving(_values(model, steps), [value.name for value in model.graph.output]))
    # Where the two graphs count differently, which value is which cannot be told.
    counts = {name.partition("@")[0] for name in set(found) ^ set(layers)}
    _name_layers(model, steps, held)
    _name_weights(model, held)
    nodes, weights = tidied(onnx_ir.serde.deserialize_model(model), fold=fold, parameters=set(held))
    return nodes, weights, {n: value for n, value in found.items() if n.partition("@")[0] not in counts}


def _step(node: NodeProto, modules: set[str]) -> Step:
    """`/features/0/Conv` stands in `features.0`, and so does `/features/0_1/Conv`, its second call."""
    path = node.name.rpartition("/")[0].strip("/").replace("/", ".")
    while path and path not in modules:
        again = re.sub(r"_\d+$", "", path)
        path = again if again in modules else path.rpartition(".")[0]
    return Step(path, tuple(node.input), tuple(node.output))


def _name_layers(model: ModelProto, steps: Sequence[Step], held: Mapping[str, Any]) -> None:
    for node, step in zip(model.graph.node, steps, strict=True):
        # Of a class that was scripted once for several modules, the weights alone tell the module.
        owners = [name.rpartition(".")[0] for name in node.input if name in held]
        own = next((owner for owner in owners if owner.startswith(f"{step.module}.")), step.module)
        layer = own or node.name.strip("/").rpartition("/")[2].lower()
        if layer:
            node.metadata_props.add(key=LAYER_KEY, value=layer)
        node.ClearField("doc_string")


def _values(model: ModelProto, steps: Sequence[Step]) -> list[Step]:
    """The steps without what works with sizes."""
    sizes: set[str] = {tensor.name for tensor in model.graph.initializer}
    kept = []
    for node, step in zip(model.graph.node, steps, strict=True):
        if node.op_type in _SIZES or (node.input and all(not name or name in sizes for name in node.input)):
            sizes |= set(node.output)
            kept.append(Step(step.module, step.inputs, ()))
        else:
            kept.append(step)
    return kept


def _undo_sharing(model: ModelProto, held: Collection[str]) -> None:
    """Give weights that happen to be equal a tensor each, where the exporter makes them one."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type == "Identity" and node.output[0] in held and node.input[0] in tensors:
            own = model.graph.initializer.add()
            own.CopyFrom(tensors[node.input[0]])
            own.name = node.output[0]
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    read = {name for node in kept for name in node.input} | {value.name for value in model.graph.output}
    used = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(used)


def _name_weights(model: ModelProto, held: Mapping[str, tuple[int, ...]]) -> None:
    """Call a weight that the exporter computed after its layer: `lstm.W`, or as what it is turned of."""
    import onnx

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    names: dict[str, str] = {}
    for node in model.graph.node:
        layer = next((entry.value for entry in node.metadata_props if entry.key == LAYER_KEY), "")
        slots = onnx.defs.get_schema(node.op_type).inputs if onnx.defs.has(node.op_type) else []
        for place, name in enumerate(node.input):
            if slots and name in tensors and name not in held and name not in names:
                turned = f"{layer}.weight"
                slot = f"{layer}.{slots[min(place, len(slots) - 1)].name}"
                new = turned if held.get(turned, ())[::-1] == tuple(tensors[name].dims) else slot
                names[name] = _free(new, {*tensors, *names.values()})
            node.input[place] = names.get(name, name)
    for name, new in names.items():
        tensors[name].name = new


def _free(name: str, taken: Collection[str]) -> str:
    number, found = 1, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _free_axes(origin: Origin) -> dict[str, dict[int, str]]:
    """Output → axis → name, for the axes that changed with the batch."""
    script = opened(origin)
    batch = next((s.axes[0] for s in script.shapes.values() if s.axes and isinstance(s.axes[0], str)), "N")
    return {
        spec.name: {place: str(batch) for place, size in enumerate(spec.shape or ()) if size is None}
        for spec in describe(origin).outputs
    }
