"""Is a network's gradient by its inputs right? `check_network.py MODEL.onnx... [--of VALUE]... [--inputs N]`.

The gradient graph runs in float32 on random inputs, and is compared with a reckoning in float64: autograd of
the network rebuilt in PyTorch, or where that cannot be, central differences along random directions.

Where a number is zero but for rounding, float32 and float64 take different sides of a rectifier, or find a
maximum in different places. Their gradients then differ, and both are right. So each input is compared twice:
with float64 on the sides that float32 took, where the error has to be at most 1e-5 of the largest number, and
with float64 alone. The numbers that took other sides are counted; without any, both errors are the same.
That they did so by rounding alone is seen from the values before, which are compared too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from graphs import ending_at, inputs, run
from kinks import disagreements, sides, size, straightened, watched
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper
from truths import DIFFERENCES, ERROR, REBUILT, Truth, close, error

from inspector.errors import InspectorError
from inspector.gradients import RULES, Rules, backward

Array = NDArray[Any]

# What the values before may lose, layer after layer.
FORWARD_ERROR = 1e-4
# Of onnxruntime: it warns of every initializer that old files declare as an input.
_ERRORS_ONLY = 3


@dataclass(frozen=True)
class Compared:
    """What came out for one input; errors are parts of the largest number of what they are errors of.

    Attributes:
        error: The error of the gradient, on the sides that float32 took.
        alone: The same without giving float64 the sides.
        sides: How many numbers take a side.
        disagreements: How many of them took another one in float64.
        forward: The largest error of a value that is differentiated or tells a side.
    """

    error: float
    alone: float
    sides: int
    disagreements: int
    forward: float

    @property
    def right(self) -> bool:
        """Whether the gradient is, and the sides are those that the network takes but for rounding."""
        return self.error <= ERROR and self.forward <= FORWARD_ERROR


@dataclass(frozen=True)
class Checked:
    """What came out for one value of a network.

    Attributes:
        of: The value that was differentiated.
        wrt: The inputs that it was differentiated by.
        truth: What it was compared with.
        inputs: What came out for each random input.
    """

    of: str
    wrt: tuple[str, ...]
    truth: str
    inputs: tuple[Compared, ...]

    @property
    def right(self) -> bool:
        """Whether the gradient is, for every input."""
        return all(each.right for each in self.inputs)


def checked(
    model: ModelProto,
    of: str,
    *,
    samples: int = 3,
    between: tuple[float, float] = (-1.0, 1.0),
    shape: Sequence[int] | None = None,
    rules: Rules = RULES,
) -> Checked:
    """Compare the gradient of a value by every input of floats with the truth.

    Args:
        model: The network.
        of: A value, a layer, or "logits".
        samples: How many random inputs to try.
        between: The least and the largest number of an input.
        shape: The shape of the first input, where the model leaves it free.
        rules: The derivative of each operator.

    Raises:
        InspectorError: There is no such gradient.
    """
    made = {name for node in model.graph.node for name in node.output}
    target = of if of in made else _record(backward(model, of=of, input_shape=shape))["of"]
    alone = ending_at(model, target)
    wrt = tuple(info.name for info in inputs(alone) if _is_float(info))
    graph = backward(
        model, of=target, wrt=wrt or None, outputs=watched(alone), rules=rules, input_shape=shape
    )
    drawn = [_drawn(graph, np.random.default_rng(each), between) for each in range(samples)]
    truth, why = _truth(alone, drawn[0])
    return Checked(
        target, wrt, truth.name + why, tuple(_compared(graph, alone, each, truth) for each in drawn)
    )


def _is_float(info: ValueInfoProto) -> bool:
    return info.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE)


def _record(graph: ModelProto) -> dict[str, Any]:
    """What a gradient graph says of itself."""
    found = next(each.value for each in graph.metadata_props if each.key == "inspector.gradient")
    return dict(json.loads(found))


def _drawn(graph: ModelProto, random: np.random.Generator, between: tuple[float, float]) -> dict[str, Array]:
    """Random numbers for everything that a gradient graph takes; a batch of one where that is free."""
    seed, drawn = _record(graph)["seed"], dict[str, Array]()
    for info in inputs(graph):
        kind = info.type.tensor_type
        shape = [each.dim_value or 1 for each in kind.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if info.name == seed:
            array: Array = random.standard_normal(shape)
        else:
            array = random.uniform(*between, shape) if dtype.kind == "f" else random.integers(0, 2, shape)
        drawn[info.name] = array.astype(dtype)
    return drawn


def _truth(model: ModelProto, feeds: Mapping[str, Array]) -> tuple[Truth, str]:
    """PyTorch where the network, rebuilt there, gives what it gives in onnxruntime; else why not."""
    of = model.graph.output[0].name
    try:
        same = close(REBUILT.values(model, _taken(model, feeds), [of])[of], run(model, feeds)[of])
    except (IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as failure:
        return DIFFERENCES, f", since rebuilt.py fails: {str(failure).splitlines()[0]}"
    return (REBUILT, "") if same else (DIFFERENCES, ", since rebuilt.py gives another value")


def _taken(model: ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    return {info.name: feeds[info.name] for info in inputs(model)}


def _compared(graph: ModelProto, model: ModelProto, feeds: Mapping[str, Array], truth: Truth) -> Compared:
    record, given, found = _record(graph), _taken(model, feeds), run(graph, feeds)
    names = [*watched(model), model.graph.output[0].name]
    double = truth.values(model, given, names)
    ours, theirs = sides(model, found), sides(model, double)

    def worst(network: ModelProto) -> float:
        wanted = truth.gradients(network, given, record["wrt"], feeds[record["seed"]])
        pairs = zip(record["wrt"], record["gradients"], strict=True)
        return float(np.max([error(found[made], wanted[name]) for name, made in pairs]))

    on_our_sides, differing = worst(straightened(model, ours)), disagreements(ours, theirs)
    return Compared(
        error=on_our_sides,
        alone=worst(straightened(model, theirs)) if differing else on_our_sides,
        sides=size(ours),
        disagreements=differing,
        forward=float(np.max([error(found[name], double[name]) for name in names])),
    )


def lines(found: Checked) -> Iterator[str]:
    """What there is to say: a line for each input, and the verdict."""
    yield f"  {found.of} by {', '.join(found.wrt)}, compared with {found.truth}"
    for at, each in enumerate(found.inputs):
        said = f"    input {at}: error {each.error:.1e}, of the values before {each.forward:.1e}"
        said += f"; {each.disagreements} of {each.sides} on another side in float64"
        if each.disagreements:
            said += f", alone {each.alone:.1e}"
        yield said + ("" if each.right else "   WRONG")
    yield f"    {'right' if found.right else 'WRONG'}"


def _report(path: Path, asked: argparse.Namespace) -> Iterator[tuple[str, bool]]:
    """What there is to say of one network, and whether it is right."""
    model = onnx.load(path)
    for of in asked.of or [info.name for info in model.graph.output if _is_float(info)]:
        try:
            found = checked(
                model, of, samples=asked.inputs, between=tuple(asked.range), shape=asked.input_shape
            )
        except InspectorError as failure:
            yield f"  {of}: {failure.message}", False
        else:
            yield "\n".join(lines(found)), found.right


def main(arguments: Sequence[str] | None = None) -> int:
    """Check each network; return 1 when a gradient is wrong or there is none."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.onnx")
    parser.add_argument("--of", action="append", metavar="VALUE", help="all outputs of floats unless given")
    parser.add_argument("--inputs", type=int, default=3, metavar="N", help="how many to try: 3")
    parser.add_argument("--range", type=float, nargs=2, default=(-1.0, 1.0), metavar=("LOW", "HIGH"))
    parser.add_argument("--input-shape", type=int, nargs="+", metavar="SIZE", help="of the first input")
    asked = parser.parse_args(arguments)
    verdicts = []
    for path in asked.models:
        sys.stdout.write(f"{path.name}\n")
        for said, right in _report(path, asked):
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()
            verdicts.append(right)
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    sys.exit(main())
