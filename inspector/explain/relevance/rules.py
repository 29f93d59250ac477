"""The rules of relevance propagation, one for each kind of operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.explain.relevance.behind import Behind, Numbers, behind, noted
from inspector.explain.relevance.roles import Roles
from inspector.gradients import RULES, Gradients, Node, Rule, Rules, Value, unbroadcast

# A function of one number hands on all relevance, whatever its slope is; so does a normalization by what
# the numbers themselves tell.
_HANDED_ON = (
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Gelu"),
    *("Mish", "Swish", "HardSwish", "HardSigmoid", "ThresholdedRelu", "Clip", "Erf", "Exp", "Log", "Sqrt"),
    *("Abs", "Neg", "Reciprocal", "Pow", "Softmax", "LogSoftmax", "LRN", "LpNormalization"),
    *("LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization"),
    "MeanVarianceNormalization",
)
# What each of these makes is a sum of its inputs' parts, which share its relevance.
_SUMS = (
    *("Add", "Sub", "Sum", "Mean", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"),
    "BatchNormalization",
)
# Sums of products. In those with weights, the axis of the output that these are stored along.
_LAYERS = {"Conv": 1, "ConvTranspose": 1, "Gemm": -1, "MatMul": -1}
_PRODUCT_SUMS = (*_LAYERS, "Einsum")


def relevance_rules(epsilon: float, gamma: float, favoured: Sequence[str], roles: Roles) -> Rules:
    """The derivative rules with which the backward pass carries relevance.

    Args:
        epsilon: What keeps a quotient finite.
        gamma: How much positive weights are favoured.
        favoured: The operators whose weights are, unless they read the picture itself.
        roles: What values are.
    """
    chosen = [Rule(op_type, 1, "", _handed_on) for op_type in _HANDED_ON]
    chosen += [Rule(op_type, 1, "", _Summed(epsilon)) for op_type in _SUMS]
    chosen.append(Rule("Mul", 1, "", _Multiplied(roles)))
    chosen.append(Rule("Div", 1, "", _divided))
    for op_type in _PRODUCT_SUMS:
        chosen.append(Rule(op_type, 1, "", _Layer(epsilon, gamma if op_type in favoured else 0.0, roles)))
    return RULES | Rules(tuple(chosen))


def _handed_on(node: Node, relevance: Value) -> Value:
    return relevance


def _divided(node: Node, relevance: Value) -> Gradients:
    """All to the numerator, unless that is a constant: a denominator is a gate."""
    return _to_one(node, relevance, 0 if node.wants(0) else 1)


def _to_one(node: Node, relevance: Value, at: int) -> Gradients:
    found: list[Value | None] = [None] * len(node.inputs)
    found[at] = noted(node, relevance, node.op("Identity", unbroadcast(relevance, node.given(at))))
    return tuple(found)


@dataclass(frozen=True)
class _Multiplied:
    """Factors are given relevance as a whole: z = x · y is what x is, y times."""

    roles: Roles

    def __call__(self, node: Node, relevance: Value) -> Gradients:
        """Give all to the signal, or the same to both."""
        shares = self.roles.shares(node, range(2))
        whole = [at for at, share in shares.items() if share == 1]
        if whole:
            return _to_one(node, relevance, whole[0])
        return tuple(unbroadcast(relevance * shares[at], node.given(at)) for at in range(2))


@dataclass(frozen=True)
class _Summed:
    """R_in = x · (wᵀ (R / (z + ε))), for w of ones or stored statistics."""

    epsilon: float

    def __call__(self, node: Node, relevance: Value) -> Gradients:
        """Share relevance out to the inputs."""
        found = _times_slope(node, node, relevance / _stable(node.output, self.epsilon), {})
        wanted = [value for value in found if value is not None]
        if len(wanted) == 1:
            noted(node, relevance, wanted[0])
        return found


@dataclass(frozen=True)
class _Layer:
    """R_in = x · (wᵀ (R / (z + ε))), with w + γ w⁺ in place of w.

    What stands behind the layer and is linear channel by channel counts as a part of it.
    """

    epsilon: float
    gamma: float
    roles: Roles

    def __call__(self, node: Node, relevance: Value) -> Gradients:
        """Share relevance out to the inputs."""
        later, scale, shift = self._behind(node, relevance)
        w = node.constant(1) if node.op_type in _LAYERS else None
        if w is not None and self.gamma and node.input.name not in self.roles.pictures:
            summed, z = self._favoured(node, w, scale, shift)
            seed = later.relevance / _stable(z, self.epsilon)
        else:
            summed = node
            seed = later.relevance / _stable(later.output, self.epsilon)
            seed = seed if (scale == 1).all() else seed * _placed(node, scale)
        shares = self.roles.shares(node, range(len(node.inputs) if node.op_type == "Einsum" else 2))
        return _times_slope(node, summed, seed, shares)

    def _behind(self, node: Node, relevance: Value) -> tuple[Behind, Numbers, Numbers]:
        """What is taken for a part of the layer, with its scale and shift of each channel."""
        none = np.ones(1), np.zeros(1)
        later = behind(node, relevance)
        vectors = later.along(_LAYERS[node.op_type]) if later and node.op_type in _LAYERS else None
        if later is None or vectors is None:
            return Behind(node.output.name, node.output, relevance, *none), *none
        return later, *vectors

    def _favoured(self, node: Node, w: NDArray[Any], scale: Numbers, shift: Numbers) -> tuple[Node, Value]:
        """The layer with w + γ w⁺ and its bias the same, and what that makes."""
        bias = node.constant(2)
        bias = np.zeros(1) if bias is None else bias * node.attr("beta", 1.0)
        weights = self._raised(w * _by_output(node, w, scale)).astype(w.dtype)
        summed = node.again(node.input, node.array(weights))
        added = self._raised(bias.reshape(-1) * scale + shift)
        return summed, summed.output + _placed(node, added) if added.any() else summed.output

    def _raised(self, numbers: NDArray[Any]) -> NDArray[Any]:
        raised: NDArray[Any] = numbers + self.gamma * np.maximum(numbers, 0)
        return raised


def _by_output(node: Node, w: NDArray[Any], scale: Numbers) -> NDArray[Any]:
    """A number for each output channel, laid along the weights that make that channel."""
    if scale.size == 1:
        return scale.reshape(())
    if node.op_type == "ConvTranspose":
        group = node.attr("group", 1)
        rows = scale.reshape(group, 1, -1).repeat(len(w) // group, axis=1)
        return rows.reshape(*w.shape[:2], *[1] * (w.ndim - 2))
    if node.op_type == "Conv" or (node.op_type == "Gemm" and node.attr("transB", 0)):
        return scale.reshape(-1, *[1] * (w.ndim - 1))
    return scale


def _placed(node: Node, vector: Numbers) -> Value:
    """A number for each output channel, laid along the channels of the output."""
    behind_it = node.output.rank - 2 if _LAYERS[node.op_type] == 1 else 0
    return node.array(vector.reshape(-1, *[1] * behind_it).astype(node.output.dtype))


def _stable(z: Value, epsilon: float) -> Value:
    """The number moved away from zero."""
    one = np.array(1, z.dtype)
    return z + z.less(0).where(z.tape.constant(-one), z.tape.constant(one)) * epsilon


def _times_slope(
    node: Node, summed: Node, seed: Value, shares: Mapping[int, float]
) -> Sequence[Value | None]:
    """Each input times the derivative by it, as a share of what it is given."""
    rule = RULES.find(node.domain, node.op_type, node.version)
    assert rule is not None
    slopes = rule(summed, seed)
    listed = slopes if isinstance(slopes, (tuple, list)) else (slopes,)
    found: list[Value | None] = []
    for at, (slope, value) in enumerate(zip(listed, node.inputs, strict=False)):
        share = shares.get(at, 1.0)
        if slope is None or value is None or not node.wants(at) or not share:
            found.append(None)
        else:
            found.append(value * slope if share == 1 else value * slope * share)
    return found
