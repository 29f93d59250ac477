"""What is known of a value before anything runs: its dtype, and its shape with the batch left free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.gradients.names import label, reads

if TYPE_CHECKING:
    from onnx import NodeProto, TypeProto
    from onnx.defs import OpSchema

Shape: TypeAlias = tuple[int | None, ...]
Sizes: TypeAlias = tuple[int, ...]
# Every shape is worked out for two batch sizes; an axis on which they differ is free. Both are even, since a
# rule may halve the batch, as DeepLIFT does.
BATCHES = (2, 4)
Numbers: TypeAlias = tuple[NDArray[Any], ...]

# Dtypes of places, counts and truths.
_COUNTS = ("bool", "int64", "uint32", "uint64")
# Numbers that shapes are computed with are few; weights are not evaluated.
MOST_NUMBERS = 4_096
UNPREDICTABLE = frozenset(
    ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
)


_POOLINGS = frozenset(("AveragePool", "LpPool", "MaxPool"))
# Operators whose output's shape depends on the numbers that they are given, not on shapes alone.
_DECIDED_BY_NUMBERS = frozenset(
    ("Compress", "If", "Loop", "NonMaxSuppression", "NonZero", "StringSplit", "Unique")
)


@dataclass(frozen=True)
class Kind:
    """Dtype and shape of one value.

    Attributes:
        dtype: Its dtype.
        sizes: Its shape at each batch size that is looked at.
    """

    dtype: np.dtype[Any]
    sizes: tuple[Sizes, ...]

    @property
    def shape(self) -> Shape:
        """Its shape; None for an axis whose size goes with the batch."""
        return tuple(each[0] if len(set(each)) == 1 else None for each in zip(*self.sizes, strict=True))

    def declared(self, batch: str) -> list[int | str | None]:
        """Its shape as a graph declares it; None for an axis that goes with the batch and is not it."""
        axes = zip(*self.sizes, strict=True)
        return [each[0] if len(set(each)) == 1 else batch if each == BATCHES else None for each in axes]

    @property
    def carries(self) -> bool:
        """Whether a gradient may pass: floats, and integers that stand for floats in quantised networks."""
        return self.is_float or self.dtype.name not in _COUNTS

    @property
    def is_float(self) -> bool:
        """Whether it holds floats."""
        return self.dtype.kind == "f" or self.dtype.name == "bfloat16"


@dataclass
class Known:
    """What is known of the values of a graph so far.

    Attributes:
        opsets: Version of each operator set, by domain.
        kinds: Of the values that have one; values of other types, and those that a run decides, are missing.
        numbers: The few values that are known in full, at each batch size.
        disputed: Values whose shape is another than onnx infers, so that a graph had better not declare it.
    """

    opsets: Mapping[str, int]
    kinds: dict[str, Kind]
    numbers: dict[str, Numbers]
    disputed: set[str] = field(default_factory=set)

    def learn(self, node: NodeProto) -> None:
        """Work out what one node makes of what is known.

        Raises:
            onnx.shape_inference.InferenceError: It cannot be applied to such values.
        """
        from onnx import defs

        given = list(reads(node))
        if any(name not in self.kinds for name in given) or node.domain not in self.opsets:
            return
        try:
            schema = schema_of(node.op_type, self.opsets[node.domain], node.domain)
        except defs.SchemaError:
            self._try(node, given)
            return
        self.kinds.update(self._inferred(node, schema, given))
        self._evaluate(node, given)
        if any(name and name not in self.kinds for name in node.output):
            self._try(node, given)

    def _try(self, node: NodeProto, given: Sequence[str]) -> None:
        """Find the kinds of a node's outputs by running it, where only known numbers decide them."""
        from inspector.gradients.trial import results_of

        decided = [name for name in given if not self.kinds[name].is_float and name not in self.numbers]
        if decided or node.op_type in _DECIDED_BY_NUMBERS:
            return
        feeds = [
            {
                name: self.numbers[name][at]
                if name in self.numbers
                else np.ones(self.kinds[name].sizes[at], self.kinds[name].dtype)
                for name in given
            }
            for at in range(len(BATCHES))
        ]
        found = results_of(node, self.opsets, feeds)
        for name in node.output if found is not None else ():
            if found and name in found[0] and found[0][name].dtype.kind in "fiub":
                self.kinds[name] = Kind(found[0][name].dtype, tuple(each[name].shape for each in found))

    def _inferred(self, node: NodeProto, schema: OpSchema, given: Sequence[str]) -> dict[str, Kind]:
        from onnx import checker, helper, numpy_helper, shape_inference

        found: list[Mapping[str, TypeProto]] = []
        imports = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        for at in range(len(BATCHES)):
            types = {
                name: helper.make_tensor_type_proto(
                    helper.np_dtype_to_tensor_dtype(self.kinds[name].dtype), self.kinds[name].sizes[at]
                )
                for name in given
            }
            data = {
                name: numpy_helper.from_array(self.numbers[name][at])
                for name in given
                if name in self.numbers
            }
            try:
                made = shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=imports)
            except checker.ValidationError as error:
                # Nothing is inferred of deprecated operators, which onnxruntime may still run.
                if schema.deprecated:
                    return {}
                raise shape_inference.InferenceError(f"{label(node)}: {error}") from error
            found.append(made)
            if all(self._is_fixed(name) for name in given):
                found.append(found[0])
                break
        kinds = {
            name: kind for name in node.output if name and (kind := _kind([each.get(name) for each in found]))
        }
        return self._windows_begun(node, kinds) if node.op_type in _POOLINGS else kinds

    def _windows_begun(self, node: NodeProto, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        """Take away windows of ceil_mode that begin behind the input: inference counts them, runs do not."""
        found = {each.name: each for each in node.attribute}
        if "ceil_mode" not in found or not found["ceil_mode"].i or not kinds:
            return dict(kinds)
        inside = self.kinds[node.input[0]].sizes[0][2:]
        strides = list(found["strides"].ints) if "strides" in found else [1] * len(inside)
        begins = list(found["pads"].ints)[: len(inside)] if "pads" in found else [0] * len(inside)
        most = [
            (size + begin - 1) // stride + 1
            for size, begin, stride in zip(inside, begins, strides, strict=True)
        ]
        right = {
            name: Kind(kind.dtype, tuple((*sizes[:2], *map(min, sizes[2:], most)) for sizes in kind.sizes))
            for name, kind in kinds.items()
        }
        self.disputed.update(name for name, kind in right.items() if kind != kinds[name])
        return right

    def _is_fixed(self, name: str) -> bool:
        """Whether a value has one shape, and if it is known in full one value, at all batch sizes."""
        first, second = self.kinds[name].sizes
        numbers = self.numbers.get(name)
        return first == second and (numbers is None or np.array_equal(numbers[0], numbers[1]))

    def _evaluate(self, node: NodeProto, given: Sequence[str]) -> None:
        """Compute a small value that depends on shapes and constants alone."""
        made = [self.kinds.get(name) for name in node.output if name]
        if len(made) != len(node.output) or None in made or node.op_type in UNPREDICTABLE or node.domain:
            return
        if max((_size(kind) for kind in made if kind), default=MOST_NUMBERS + 1) > MOST_NUMBERS:
            return
        if node.op_type == "Shape":
            span = {each.name: each.i for each in node.attribute}
            cut = slice(span.get("start", 0), span.get("end"))
            sizes = self.kinds[given[0]].sizes
            self.numbers[node.output[0]] = tuple(np.array(each[cut], np.int64) for each in sizes)
        elif node.op_type == "Size":
            sizes = self.kinds[given[0]].sizes
            self.numbers[node.output[0]] = tuple(np.array(np.prod(each), np.int64) for each in sizes)
        elif all(name in self.numbers for name in given) and not any(
            each.HasField("g") for each in node.attribute
        ):
            results = [
                _run(node, self.opsets[""], {name: self.numbers[name][at] for name in given})
                for at in range(len(BATCHES))
            ]
            self.numbers.update(
                {
                    name: tuple(each[at] for each in results)
                    for at, name in enumerate(node.output)
                    if all(results)
                }
            )


@cache
def schema_of(op_type: str, opset: int, domain: str) -> OpSchema:
    """Return the description of an operator that is in force at a version of its operator set.

    Raises:
        onnx.defs.SchemaError: It has none.
    """
    from onnx import defs

    return defs.get_schema(op_type, opset, domain)


def _run(node: NodeProto, opset: int, values: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Run one node in numpy; what that cannot compute, though onnxruntime may, gives nothing."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "ConstantOfShape":
        fill = np.float32(0) if not node.attribute else numpy_helper.to_array(node.attribute[0].t).ravel()[0]
        return [np.full(values[node.input[0]], fill)]
    evaluator = ReferenceEvaluator(node, opsets={"": opset})
    try:
        return [np.asarray(each) for each in evaluator.run(None, dict(values))]
    except (ArithmeticError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return []


def _kind(types: Sequence[TypeProto | None]) -> Kind | None:
    """The kind that a value has by its types at the batch sizes; None when one is not known in full."""
    from onnx import TensorProto, helper

    sizes = []
    for each in types:
        if each is None or not each.HasField("tensor_type") or not each.tensor_type.HasField("shape"):
            return None
        dimensions = each.tensor_type.shape.dim
        if not all(dimension.HasField("dim_value") for dimension in dimensions):
            return None
        sizes.append(tuple(dimension.dim_value for dimension in dimensions))
    element = types[0].tensor_type.elem_type if types[0] else 0
    if element in (TensorProto.UNDEFINED, TensorProto.STRING):
        return None
    return Kind(np.dtype(helper.tensor_dtype_to_np_dtype(element)), tuple(sizes))


def _size(kind: Kind) -> int:
    return max(int(np.prod(each)) for each in kind.sizes)
