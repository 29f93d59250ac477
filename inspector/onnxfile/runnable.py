"""What must hold before a model is run, beyond what inspecting it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from inspector.errors import ModelError
from inspector.onnxfile.checks import all_nodes, graphs_within
from inspector.onnxfile.graph import Graph, Node
from inspector.onnxfile.model_file import OnnxFile
from inspector.onnxfile.source import AGAIN, quoted
from inspector.onnxfile.sparse import SparseTensor
from inspector.onnxfile.tensor import Tensor

_SHOWN = 5


def all_tensors(file: OnnxFile) -> Iterator[Tensor]:
    """Yield every tensor of the file: initializers, attributes, parts of sparse ones, at any depth."""
    roots = (*file.training, file.graph)
    bodies = [node for function in file.functions for node in function.nodes]
    nodes = [*bodies, *(node for graph in roots for node in graph.nodes)]
    for graph in graphs_within(nodes, *roots):
        yield from graph.initializers.values()
        for sparse in graph.sparse_initializers.values():
            yield from (sparse.values, sparse.indices)
    for node in all_nodes(nodes):
        for value in node.attributes.values():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Tensor):
                    yield part
                elif isinstance(part, SparseTensor):
                    yield from (part.values, part.indices)


def check_external(file: OnnxFile) -> None:
    """Check all external data of a model at once, before another library reads it.

    Raises:
        TensorError: A file is missing, too short, or not allowed: see `Tensor.numpy`.
        ModelError: An attribute that may hold a tensor is broken.
    """
    for tensor in all_tensors(file):
        tensor.check_external()


def check_runnable(file: OnnxFile) -> None:
    """Check that every value that is read is made, and that every operator is known.

    Raises:
        ModelError: A node or output reads a value that nothing makes, or an operator is neither ONNX's nor
            ONNX Runtime's nor defined in the file.
    """
    _check_defined(file, file.graph, ())
    for function in file.functions:
        made = {name for node in function.nodes for name in node.outputs} | set(function.inputs)
        _check_inputs(file, function.nodes, (made,))
        for name in function.outputs:
            if name not in made:
                raise ModelError(
                    f"{file.path}: the function {quoted(function.name)} returns {quoted(name)}, "
                    "which nothing makes",
                    AGAIN,
                )
    _check_domains(file)
    _check_operators(file, file.graph.nodes, file.opsets)
    for function in file.functions:
        _check_operators(file, function.nodes, function.opsets or file.opsets)


def _check_defined(file: OnnxFile, graph: Graph, outer: tuple[set[str], ...]) -> None:
    """Check one graph, then those inside it, which see its values too."""
    made = {*graph.initializers, *graph.sparse_initializers, *(value.name for value in graph.inputs)}
    made.update(name for node in graph.nodes for name in node.outputs)
    scopes = (*outer, made)
    _check_inputs(file, graph.nodes, scopes)
    for value in graph.outputs:
        if not any(value.name in scope for scope in scopes):
            raise ModelError(f"{file.path}: the output {quoted(value.name)} is made by nothing", AGAIN)


def _check_inputs(file: OnnxFile, nodes: Sequence[Node], scopes: tuple[set[str], ...]) -> None:
    for node in nodes:
        for name in node.inputs:
            if name and not any(name in scope for scope in scopes):
                raise ModelError(
                    f"{file.path}: {node.label} reads {quoted(name)}, which nothing makes", AGAIN
                )
        for graph in node.graphs:
            _check_defined(file, graph, scopes)


def _check_domains(file: OnnxFile) -> None:
    custom = file.custom_domains
    if custom:
        used = {
            f"{node.domain}.{node.op_type}" for node in all_nodes(file.graph.nodes) if node.domain in custom
        }
        shown = ", ".join(sorted(used or custom)[:_SHOWN])
        raise ModelError(
            f"{file.path}: cannot be run: it uses operators that are not ONNX's: {shown}",
            f"Its layers and kernels can still be seen: inspector layers {file.path}",
        )


def _check_operators(file: OnnxFile, nodes: Sequence[Node], opsets: Mapping[str, int]) -> None:
    from onnx import defs

    own = {(function.domain, function.name) for function in file.functions}
    known = {schema.domain for schema in defs.get_all_schemas()}
    checked: set[tuple[str, str]] = set()
    for node in all_nodes(nodes):
        key = (node.domain, node.op_type)
        if key in checked or key in own or node.domain not in known:
            continue
        checked.add(key)
        shown = node.domain or "ai.onnx"
        if node.domain not in opsets:
            raise ModelError(
                f"{file.path}: {node.label} is of {shown}, of which the model gives no version", AGAIN
            )
        version = opsets[node.domain]
        try:
            defs.get_schema(node.op_type, version, node.domain)
        except defs.SchemaError:
            raise ModelError(
                f"{file.path}: {node.label} is of an operator that opset {version} of {shown} does not have",
                AGAIN,
            ) from None
