"""TorchScript in the child process: described and run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from converters.errors import SourceError, UnsupportedError
from converters.input_shapes import InputShape, matched
from converters.pytorch.arrays import dtype_of, examples, to_numpy, to_torch
from converters.pytorch.inference import check_inference
from converters.pytorch.origin import Arrays, Described, Origin
from converters.pytorch.scopes import Step, leaving, numbered
from converters.trials import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor
    from torch.jit import ScriptModule

_OTHER_BATCH = 3
_NO_LAYER = ("prim::GetAttr", "prim::Constant")
_PASSED_ON = (
    "aten::contiguous",
    "aten::detach",
    "aten::dropout",
    "aten::dropout_",
    "aten::feature_dropout",
    "aten::to",
)


@dataclass(frozen=True)
class Opened:
    """A program, descriptions of its inputs, and whether it was saved in training mode."""

    module: ScriptModule
    shapes: dict[str, InputShape]
    trained: bool


def describe(origin: Origin) -> Described:
    """What a program declares, and what running it once shows."""
    script = opened(origin)
    first = results(script.module, examples(script.shapes))
    again = results(script.module, _other_sizes(script.shapes))
    specs = [
        TensorSpec(
            name,
            dtype_of(value),
            tuple(a if a == b else None for a, b in zip(value.shape, again[name].shape, strict=True)),
        )
        for name, value in first.items()
    ]
    decisions = (
        ("The program was saved in training mode; it is converted in inference mode.",)
        if script.trained
        else ()
    )
    return Described(
        tuple(shape.spec(name) for name, shape in script.shapes.items()),
        tuple(specs),
        layers(origin),
        decisions,
        steps=_steps(origin, list(first)),
    )


def run(origin: Origin, feeds: Arrays, names: list[str]) -> Arrays:
    """Compute outputs by the program itself, and values between by its graph with more outputs."""
    import torch

    script = opened(origin)
    given = [to_torch(feeds[name]) for name in script.shapes]
    with torch.no_grad():
        values = {name: to_numpy(value) for name, value in _named(script.module(*given)).items()}
        wanted = [name for name in names if name not in values]
        if wanted:
            found = _with_outputs(origin, tuple(wanted))(_marked(origin)._c, *given)
            values |= {name: to_numpy(value) for name, value in zip(wanted, found, strict=True)}
    return {name: values[name] for name in names}


@cache
def layers(origin: Origin) -> dict[str, str]:
    """Layer → value of the graph."""
    graph = _marked(origin).inlined_graph
    steps = [
        Step(_path(node), tuple(_all_inputs(node)), tuple(value.debugName() for value in _tensors(node)))
        for node in graph.nodes()
    ]
    found = numbered(leaving(steps, [value.debugName() for value in graph.outputs()]))
    order = {name: place for place, step in enumerate(steps) for name in step.outputs}
    return dict(sorted(found.items(), key=lambda pair: order[pair[1]]))


def _steps(origin: Origin, outputs: Sequence[str]) -> dict[str, float]:
    """The step of each value that is quantised with one for the whole tensor, and of outputs made of such."""
    import torch

    script, names = opened(origin), tuple(layers(origin).values())
    graph = _marked(origin).inlined_graph
    if not any("quantize" in node.kind() for node in graph.nodes()):
        return {}
    with torch.no_grad():
        values = _with_outputs(origin, names)(_marked(origin)._c, *examples(script.shapes).values())
    steps = {name: value.q_scale() for name, value in zip(names, values, strict=True) if value.is_quantized}
    ends = list(graph.outputs())
    if ends[0].node().kind() == "prim::TupleConstruct":
        ends = list(ends[0].node().inputs())
    for name, end in zip(outputs, ends, strict=False):
        if end.node().kind() == "aten::dequantize":
            steps[name] = steps.get(end.node().inputsAt(0).debugName(), 0.0)
    return steps


def fresh(origin: Origin) -> ScriptModule:
    """The program once more, in inference mode, for what changes it."""
    return _loaded(origin).eval()


@cache
def opened(origin: Origin) -> Opened:
    """The program in inference mode, with a description of each input that it was run on.

    Raises:
        SourceError: There is no description for an input, or the program does not take inputs of that kind.
        UnsupportedError: An input is no tensor.
    """
    module: Any = _loaded(origin)
    trained = bool(module.training)
    module.eval()
    check_inference(module.inlined_graph, origin.name)
    names = _input_names(origin, module)
    if not origin.shapes:
        options = " ".join(f"--input-shape {name}=N,3,224,224" for name in names)
        raise SourceError(
            f"{origin.name}: TorchScript does not say which shape its inputs have; "
            f"expected --input-shape for {', '.join(names)}",
            f"inspector convert {origin.name} {options}",
        )
    shapes = dict(matched(origin.shapes, names, origin.name))
    try:
        answer = results(module, examples(shapes))
    except RuntimeError as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        given = ", ".join(f"{name} {shape.example()}" for name, shape in shapes.items())
        raise SourceError(
            f"{origin.name}: does not take inputs {given}: {lines[-1].removeprefix('RuntimeError: ')}",
            "Another --input-shape may be what it takes.",
        ) from error
    if not answer:
        raise UnsupportedError(
            f"{origin.name}: gives {module.forward.schema.returns[0].type}; expected tensors",
            "Save it with torch.export.save instead, or let its forward return tensors.",
        )
    return Opened(module, shapes, trained)


def results(module: ScriptModule, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The outputs by name."""
    import torch

    with torch.no_grad():
        return _named(module(*given.values()))


@cache
def _marked(origin: Origin) -> ScriptModule:
    """The program with nodes that say in which module they stand."""
    import torch

    module: Any = fresh(origin)
    native: Any = torch._C
    native._jit_pass_onnx_function_substitution(module.forward.graph)
    return cast("ScriptModule", module)


def _loaded(origin: Origin) -> ScriptModule:
    import torch

    load: Any = torch.jit.load
    try:
        return cast("ScriptModule", load(origin.file, map_location="cpu"))
    except (RuntimeError, ValueError) as error:
        version = torch.__version__.partition("+")[0]
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SourceError(
            f"{origin.name}: torch {version} cannot read this program: {reason}",
            "Save it again with this torch.",
        ) from error


def _input_names(origin: Origin, module: Any) -> list[str]:
    arguments = [each for each in module.forward.schema.arguments[1:] if not each.has_default_value()]
    other = next((each for each in arguments if str(each.type) != "Tensor"), None)
    if other is not None:
        raise UnsupportedError(
            f"{origin.name}: its input {other.name} is a {other.type}; expected tensors",
            "Save a module whose forward takes tensors alone.",
        )
    return [each.name for each in arguments]


def _named(answer: Any) -> dict[str, Tensor]:
    """Output name → tensor: `output`, or `output_0`, `output_1` where there are more."""
    found = list(_flat(answer))
    return {"output" if len(found) == 1 else f"output_{place}": value for place, value in enumerate(found)}


def _flat(answer: Any) -> Iterator[Tensor]:
    import torch

    if isinstance(answer, torch.Tensor):
        yield answer
    elif isinstance(answer, (tuple, list)):
        for each in answer:
            yield from _flat(each)


def _other_sizes(shapes: dict[str, InputShape]) -> dict[str, Tensor]:
    """Examples whose batch is another, where it is free."""
    return examples(
        {
            name: InputShape(name, (_OTHER_BATCH, *shape.axes[1:]), shape.dtype)
            if shape.axes and isinstance(shape.axes[0], str)
            else shape
            for name, shape in shapes.items()
        }
    )


def _path(node: Any) -> str:
    """`features.0` of `Net::/…Sequential::features/…Conv2d::0`."""
    return ".".join(filter(None, (part.rpartition("::")[2] for part in node.scopeName().split("/")[1:])))


def _all_inputs(node: Any) -> Iterator[str]:
    """What a node reads, in its blocks too."""
    for value in node.inputs():
        yield value.debugName()
    for block in node.blocks():
        for inner in block.nodes():
            yield from _all_inputs(inner)
        for value in block.outputs():
            yield value.debugName()


def _tensors(node: Any) -> list[Any]:
    import torch

    if node.kind() in _NO_LAYER or _passes_on(node):
        return []
    return [value for value in node.outputs() if value.type().isSubtypeOf(torch._C.TensorType.get())]


def _passes_on(node: Any) -> bool:
    """Whether a node gives what it takes; dropout, in place or not, is a choice of two such."""
    inner = [each for block in node.blocks() for each in block.nodes() if each.kind().startswith("aten::")]
    makers = [each for each in inner if _tensors(each) or _passes_on(each)]
    return node.kind() in _PASSED_ON or (bool(makers) and all(_passes_on(each) for each in makers))


@cache
def _with_outputs(origin: Origin, names: tuple[str, ...]) -> Any:
    """The program's graph as a function that returns these values, as they were when they were made."""
    import torch

    native: Any = torch._C
    graph = _marked(origin).inlined_graph
    copies = {}
    for node in list(graph.nodes()):
        for value in node.outputs():
            if value.debugName() in names:
                none = graph.create("prim::Constant", [], 1)
                none.output().setType(native.NoneType.get())
                none.insertAfter(node)
                # What comes later may change the value in place.
                copy = graph.create("aten::clone", [value, none.output()], 1)
                copy.insertAfter(none)
                copies[value.debugName()] = copy.output()
    together = graph.create("prim::ListConstruct", [copies[name] for name in names], 1)
    together.output().setType(native.ListType.ofTensors())
    graph.appendNode(together)
    graph.eraseOutput(0)
    graph.registerOutput(together.output())
    return native._create_function_from_graph("values", graph)
