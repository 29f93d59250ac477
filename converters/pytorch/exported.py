"""Exported programs (`torch.export`) in the child process: described and run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from converters.errors import SourceError, UnsupportedError
from converters.pytorch.arrays import dtype_of, to_numpy, to_torch
from converters.pytorch.inference import set_to_inference
from converters.pytorch.origin import Arrays, Described, Origin
from converters.pytorch.scopes import Step, leaving, numbered
from converters.trials import TensorSpec

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

# What gives back what it takes, or the same numbers in another shape.
_PASSED_ON = {"alias", "clone", "contiguous", "detach", "dropout", "dropout_", "feature_dropout", "to"}
_PASSED_ON |= {"lift_fresh_copy"}
_MOVED = {"expand", "flatten", "getitem", "permute", "reshape", "select", "slice", "squeeze", "t"}
_MOVED |= {"transpose", "unsqueeze", "view"}


def describe(origin: Origin) -> Described:
    """What a program declares."""
    program, decisions = opened(origin)
    nodes = {node.name: node for node in program.graph.nodes}
    inputs = tuple(_spec(name, nodes[name]) for name in input_names(origin, program))
    outputs = tuple(_spec(name, nodes[tensor]) for name, tensor in output_tensors(program).items())
    return Described(inputs, outputs, layers(program), decisions)


def run(origin: Origin, feeds: Arrays, names: list[str]) -> Arrays:
    """Compute any tensors of a program; its outputs by the module itself where there is one.

    Args:
        origin: The program.
        feeds: Input name → array.
        names: Names of outputs, or of values between.
    """
    import torch
    from torch.fx import Interpreter

    program, _ = opened(origin)
    ends = output_tensors(program)
    wanted = {ends.get(name, name) for name in names}
    found: dict[str, Any] = {}

    class Recorder(Interpreter):
        """Keeps the values that are asked for."""

        def run_node(self, node: Node) -> Any:
            value = super().run_node(node)
            if node.name in wanted:
                found[node.name] = to_numpy(value)
            return value

    with torch.no_grad():
        Recorder(program.graph_module).run(*_arguments(program, feeds))
    values = {name: found[ends.get(name, name)] for name in names}
    return values | (_by_module(origin, program, feeds, names) if origin.code else {})


@cache
def opened(origin: Origin) -> tuple[ExportedProgram, tuple[str, ...]]:
    """A program in inference mode, and what was decided for that."""
    import torch

    if origin.code:
        from converters.pytorch.module import traced

        program = traced(origin)
    else:
        try:
            program = torch.export.load(origin.file)
        except Exception as error:
            version = torch.__version__.partition("+")[0]
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SourceError(
                f"{origin.name}: torch {version} cannot read this program: {reason}",
                "pip install -U 'onnx-inspector[torch]', or export it again with this torch.",
            ) from error
    # Conditions on the inputs, which PyTorch would compile as Python; the declared shapes say the same.
    program._guards_code = []
    for node in program.graph.nodes:
        # Where a node stems from before it was saved or traced says nothing here; from now on it does.
        node.meta["from_node"] = []
    return program, set_to_inference(program, origin.name)


def output_tensors(program: ExportedProgram) -> dict[str, str]:
    """Output name → the node that computes it; a dictionary's keys are the names of what it holds."""
    specs = [spec for spec in program.graph_signature.output_specs if spec.kind.name == "USER_OUTPUT"]
    tensors = [spec.arg.name for spec in specs if type(spec.arg).__name__ == "TensorArgument"]
    tree = program.call_spec.out_spec
    keys: list[object] = list(tree.context) if tree is not None and tree.type is dict else []
    nodes = {node.name for node in program.graph.nodes}
    if len(keys) != len(tensors) or any(not isinstance(key, str) or key in nodes for key in keys):
        keys = list(tensors)
    found: dict[str, str] = {}
    for key, tensor in zip(keys, tensors, strict=True):
        found.setdefault(str(key), tensor)
    return found


def layers(program: ExportedProgram) -> dict[str, str]:
    """Layer → node: the values that leave a module, and the operations that stand in no module."""
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    ends = [spec.arg.name for spec in program.graph_signature.output_specs if hasattr(spec.arg, "name")]
    steps = [
        Step(module_of(node), tuple(each.name for each in node.all_input_nodes), _results(node))
        for node in nodes
    ]
    named = {node.name: node for node in nodes}
    found = numbered({path: _first_results(named, values) for path, values in leaving(steps, ends).items()})
    for node, step in zip(nodes, steps, strict=True):
        if not step.module and step.outputs and _operation(node) not in _MOVED:
            found.setdefault(node.name, node.name)
    order = {node.name: place for place, node in enumerate(nodes)}
    return dict(sorted(found.items(), key=lambda pair: order[pair[1]]))


def module_of(node: Node) -> str:
    """The path of the module that a node stands in: `features.0`."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    path = path.removeprefix("L['self']").removeprefix(".")
    return "" if path.startswith("_empty_nn_module_stack") else path.partition("@")[0]


def _results(node: Node) -> tuple[str, ...]:
    """The node's name, if it makes one tensor that is a value of its own."""
    import torch

    value = node.meta.get("val")
    plain = isinstance(value, torch.Tensor) and _operation(node) not in _PASSED_ON
    return (node.name,) if plain else ()


def _first_results(nodes: Mapping[str, Node], names: list[str]) -> list[str]:
    """Of an operation with several results, `lstm`, the first of those that are asked for."""
    makers = {
        name: nodes[name].args[0] if _operation(nodes[name]) == "getitem" else name
        for name in reversed(names)
    }
    firsts = {maker: name for name, maker in makers.items()}
    return [name for name in names if firsts[makers[name]] == name]


def _operation(node: Node) -> str:
    """`conv2d` of `aten.conv2d.default`."""
    from torch._ops import OpOverload

    if isinstance(node.target, OpOverload):
        return str(node.target).split(".")[1]
    return getattr(node.target, "__name__", str(node.target))


def input_names(origin: Origin, program: ExportedProgram) -> list[str]:
    """Names of the inputs that are tensors; a program with other ones keeps what it was exported with."""
    found = []
    for spec in program.graph_signature.input_specs:
        if spec.kind.name != "USER_INPUT":
            continue
        kind = type(spec.arg).__name__
        if kind == "TensorArgument":
            found.append(spec.arg.name)
        elif kind != "ConstantArgument":
            raise UnsupportedError(
                f"{origin.name}: its input {spec.arg.name} is a number ({kind}); expected tensors",
                "Export the program with that number fixed.",
            )
    return found


def _arguments(program: ExportedProgram, feeds: Arrays) -> Iterator[Any]:
    """What the graph's placeholders take, in order."""
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "USER_INPUT":
            constant = type(spec.arg).__name__ == "ConstantArgument"
            yield spec.arg.value if constant else to_torch(feeds[spec.arg.name])
        else:
            held = program.state_dict if spec.target in program.state_dict else program.constants
            value = held[spec.target]
            # A program that counts its calls must count from the same number in every one.
            yield value.detach().clone() if spec.kind.name == "BUFFER" else value


def _by_module(origin: Origin, program: ExportedProgram, feeds: Arrays, names: list[str]) -> Arrays:
    """The outputs as somebody's own module computes them, which no capture can have changed."""
    from converters.pytorch.module import results

    ends = list(output_tensors(program))
    values = results(origin, feeds)
    if len(values) != len(ends):
        return {}
    return {name: value for name, value in zip(ends, values, strict=True) if name in names}


def _spec(name: str, node: Node) -> TensorSpec:
    value = node.meta["val"]
    sizes = tuple(size if isinstance(size, int) else None for size in value.shape)
    return TensorSpec(name, dtype_of(value), sizes)
