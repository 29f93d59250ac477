"""What `torch.onnx` writes of an exported program, made plainer; runs in the child process."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from converters.assemble import LAYER_KEY

if TYPE_CHECKING:
    from onnx import ModelProto

_SCOPES = "pkg.torch.onnx.name_scopes"
_NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"
# Larger constants are computed ahead only as far as the program itself holds as many numbers.
_LEAST_LIMIT = 2**16


def simplified(
    model: Any, *, fold: bool, parameters: Collection[str], origins: Mapping[str, str]
) -> tuple[ModelProto, dict[str, Any]]:
    """Compute constants ahead, drop what does nothing, and note each node's layer.

    Batch normalization and activations stay nodes of their own, so that every layer keeps its value.

    Args:
        model: An `onnx_ir.Model`, which is changed.
        fold: Whether batch normalization goes into the weights before it.
        parameters: The initializers that the network's author named.
        origins: Node of the decomposed graph → node of the program.

    Returns:
        The model without its weights, and the weights as numpy arrays.
    """
    _name_layers(model, origins)
    return tidied(model, fold=fold, parameters=parameters)


def tidied(model: Any, *, fold: bool, parameters: Collection[str]) -> tuple[ModelProto, dict[str, Any]]:
    """`simplified` for a model whose nodes have their layers already."""
    import onnx_ir
    from onnx_ir.passes import common
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common as rules

    plain = [
        rules.materialize_reshape_shape_rule,
        rules.reshape_reshape_rule,
        rules.no_op_transpose_rule,
        rules.no_op_cast_rule,
        rules.no_op_expand_rule,
        rules.collapse_slice_rule,
        rules.collapse_slice2_rule,
    ]
    if fold:
        plain += [rules.fuse_batchnorm_into_conv_rule, rules.fuse_batchnorm_into_conv_transpose_rule]
        plain += [rules.fuse_batchnorm_into_gemm_rule]
    limit = max(_LEAST_LIMIT, 2 * sum(value.const_value.size for value in model.graph.initializers.values()))
    common.InlinePass()(model)
    for _ in range(2):
        optimizer.fold_constants(
            model,
            input_size_limit=limit,
            output_size_limit=limit,
            # A weight that is only turned keeps its name where `put_back` turns it.
            should_fold=lambda node: False if _turns_a_weight(node, parameters) else None,
        )
        common.IdentityEliminationPass()(model)
        rewriter.rewrite(model, pattern_rewrite_rules=plain)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.CommonSubexpressionEliminationPass()(model)
    common.RemoveUnusedNodesPass()(model)
    weights = _taken_out(model, parameters)
    proto: ModelProto = onnx_ir.serde.serialize_model(model)
    return proto, weights


def _turns_a_weight(node: Any, parameters: Collection[str]) -> bool:
    return node.op_type == "Transpose" and node.inputs[0] is not None and node.inputs[0].name in parameters


def _name_layers(model: Any, origins: Mapping[str, str]) -> None:
    """Write into each node its module's path, or outside all modules the program's own name for it.

    Paths and lines of the author's files, which the exporter notes too, stay at home.
    """
    layer = ""
    for node in reversed(list(model.graph)):
        scopes = [str(scope) for scope in ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))]
        modules = [scope for scope in scopes[:-1] if scope and scope != _NO_MODULE]
        if modules:
            layer = modules[-1].removeprefix("L['self'].").partition("@")[0]
        elif scopes and scopes[0] != _NO_MODULE:
            layer = origins.get(scopes[-1], scopes[-1])
        # A node of no module works out a size for the one after it.
        node.metadata_props.clear()
        node.doc_string = None
        if layer:
            node.metadata_props[LAYER_KEY] = layer


def _taken_out(model: Any, parameters: Collection[str]) -> dict[str, Any]:
    """Replace weights by graph inputs of their names."""
    import onnx_ir

    weights = {}
    for name, value in list(model.graph.initializers.items()):
        tensor = value.const_value
        if (name in parameters or tensor.nbytes > 1024) and tensor.dtype.itemsize >= 1:
            weights[name] = tensor.numpy()
            del model.graph.initializers[name]
            value.const_value = None
            value.shape = onnx_ir.Shape(tensor.shape)
            value.type = onnx_ir.TensorType(tensor.dtype)
            model.graph.inputs.append(value)
    return weights
