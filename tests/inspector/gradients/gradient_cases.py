"""Networks of one operator (or a few) that the derivative rules are tried on, and the truth about their
gradients.

A module in `cases` declares, for each operator, a function that draws a network with hypothesis:

    @case("Conv")
    def conv(draw: Draw) -> Case:
        stride = draw(st.integers(1, 3))
        ...
        return network([helper.make_node("Conv", ["x", "w"], ["y"], strides=[stride])], {"x": x, "w": w})

Every float input is differentiated with respect to. The truth is the central difference of the forward model
in float64, run by `onnx.reference` unless the case brings a function of its own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import onnx
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

T = TypeVar("T")
Array = NDArray[Any]
CASES = Path(__file__).parent / "cases"


class Draw(Protocol):
    """What hypothesis hands to a composite strategy."""

    def __call__(self, strategy: SearchStrategy[T]) -> T: ...


@dataclass(frozen=True)
class Case:
    """A network, its inputs, and optionally what it computes in float64.

    Attributes:
        nodes: Its nodes; the last one's first output is differentiated unless `of` names another value.
        inputs: Arrays by name. Float32 ones are differentiated with respect to, apart from those in `fixed`.
        constants: Initializers by name.
        of: The value to differentiate.
        fixed: Inputs not to differentiate with respect to.
        opset: The operator set.
        domains: Versions of other operator sets.
        truth: Inputs in float64 → the value `of` in float64; None for `onnx.reference`.
        gradient: Inputs and seed in float64 → the gradient of each input, where differences are not the truth
            (straight-through); None for central differences.
        free: Whether the first axis of each input is declared free.
    """

    nodes: Sequence[NodeProto]
    inputs: Mapping[str, Array]
    constants: Mapping[str, Array] = field(default_factory=dict)
    of: str = ""
    fixed: Sequence[str] = ()
    opset: int = 18
    domains: Mapping[str, int] = field(default_factory=dict)
    truth: Callable[[Mapping[str, Array]], Array] | None = None
    gradient: Callable[[Mapping[str, Array], Array], Mapping[str, Array]] | None = None
    free: bool = False

    @property
    def target(self) -> str:
        return self.of or self.nodes[-1].output[0]

    @property
    def wrt(self) -> list[str]:
        return [
            name for name, array in self.inputs.items() if array.dtype.kind == "f" and name not in self.fixed
        ]

    def model(self) -> onnx.ModelProto:
        """The network in float32."""
        return self._model({**self.inputs}, {**self.constants}, self.nodes)

    def value(self, feeds: Mapping[str, Array]) -> Array:
        """The target in float64."""
        if self.truth is not None:
            return np.asarray(self.truth(feeds), np.float64)
        return np.asarray(self._double.run([self.target], dict(feeds))[0], np.float64)

    @property
    def _double(self) -> ReferenceEvaluator:
        constants = {name: _doubled(array) for name, array in self.constants.items()}
        inputs = {name: _doubled(array) for name, array in self.inputs.items()}
        return ReferenceEvaluator(self._model(inputs, constants, [_double_node(node) for node in self.nodes]))

    def _model(
        self, inputs: Mapping[str, Array], constants: Mapping[str, Array], nodes: Sequence[NodeProto]
    ) -> onnx.ModelProto:
        infos = [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                ["N", *array.shape[1:]] if self.free and array.ndim else array.shape,
            )
            for name, array in inputs.items()
        ]
        graph = helper.make_graph(
            list(nodes),
            "case",
            infos,
            [helper.make_empty_tensor_value_info(self.target)],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
        )
        opsets = {"": self.opset, **self.domains}
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        return helper.make_model(graph, opset_imports=imports, ir_version=10)


Factory = Callable[[Draw], Case]


@dataclass(frozen=True)
class Declared:
    """A function that draws cases of one operator."""

    op_type: str
    factory: Factory
    domain: str = ""


def case(op_type: str, domain: str = "") -> Callable[[Factory], Declared]:
    """Declare how cases of an operator are drawn; an operator may have several such functions."""
    return lambda factory: Declared(op_type, factory, domain)


def network(nodes: Sequence[NodeProto], inputs: Mapping[str, Array], **fields: Any) -> Case:
    """A case, for short."""
    return Case(list(nodes), dict(inputs), **fields)


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Array:
    """Random numbers, float32, of a drawn seed."""
    from hypothesis import strategies as st

    seed = draw(st.integers(0, 2**16))
    # Hypothesis likes to draw the same seed again, and arrays that are equal hide what is wrong.
    return np.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape) * scale, np.float32)


def apart(draw: Draw, *shape: int, gap: float = 0.05, offset: float = 0.5) -> Array:
    """Distinct numbers around 0, float32, any two at least `gap` apart and none near a multiple of `gap`.

    They keep away from the kinks of functions that have some at round numbers, and maxima are unique.
    """
    from hypothesis import strategies as st

    seed = draw(st.integers(0, 2**16))
    count = int(np.prod(shape))
    places = np.random.default_rng(seed).permutation(count) - count // 2
    return ((places + offset) * gap).reshape(shape).astype(np.float32)


@cache
def declared() -> tuple[Declared, ...]:
    """Every case function of the modules in `cases`."""
    found = []
    for path in sorted(CASES.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"gradient_cases_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += [
            each
            for thing in vars(module).values()
            for each in (thing if isinstance(thing, (list, tuple)) else [thing])
            if isinstance(each, Declared)
        ]
    return tuple(found)


def true_gradients(tried: Case, seed: Array) -> dict[str, Array]:
    """The gradient of sum(seed × target) with respect to each input, float64."""
    feeds = doubled(tried.inputs)
    if tried.gradient is not None:
        return {name: np.asarray(each) for name, each in tried.gradient(feeds, seed).items()}
    return {name: _differences(tried, feeds, name, seed) for name in tried.wrt}


def _differences(tried: Case, feeds: dict[str, Array], name: str, seed: Array, step: float = 1e-5) -> Array:
    """Central differences of fourth order, element by element."""
    base = feeds[name]
    gradient = np.zeros(base.shape)
    runner = tried.truth
    if runner is None:
        double = tried._double
        runner = lambda given: double.run([tried.target], dict(given))[0]  # noqa: E731
    for at in np.ndindex(*base.shape):
        total = 0.0
        for factor, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
            moved = base.copy()
            moved[at] += factor * step
            total += weight * float((np.asarray(runner({**feeds, name: moved}), np.float64) * seed).sum())
        gradient[at] = total / (12 * step)
    return gradient


def doubled(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays with float64 in the place of float32."""
    return {name: _doubled(array) for name, array in arrays.items()}


def _doubled(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _double_node(node: NodeProto) -> NodeProto:
    """A node that makes float64 where it would make float32."""
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    for attribute in changed.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == onnx.TensorProto.FLOAT:
            array = numpy_helper.to_array(attribute.t).astype(np.float64)
            attribute.t.CopyFrom(numpy_helper.from_array(array))
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
            attribute.i = onnx.TensorProto.DOUBLE
    return changed
