"""Layer-wise relevance propagation: the logit shared out, layer by layer, down to the pixels."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.explain.registry import method
from inspector.explain.subject import Subject
from inspector.gradients import RULES, Gradients, Node, Rule, Rules, Value

Way = Literal["epsilon", "gamma", "composite"]

_EPSILON, _GAMMA = 1e-6, 0.25
_ONE = np.array(1, np.float32)
# A ReLU and its like hand on all relevance, whatever their slope is.
_ACTIVATIONS = (
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Gelu"),
    *("Mish", "Swish", "HardSwish", "HardSigmoid", "ThresholdedRelu", "Clip"),
)
# What each of these makes is a sum of its inputs' parts, which share its relevance.
_SUMS = (
    *(
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "AveragePool",
        "GlobalAveragePool",
        "ReduceMean",
        "ReduceSum",
    ),
    *("Add", "Sub", "Sum", "Mul", "Div", "BatchNormalization"),
)
_CONVOLUTIONS = ("Conv", "ConvTranspose")


@method(
    "lrp",
    paper="Bach, Binder, Montavon, Klauschen, Müller, Samek: On pixel-wise explanations for non-linear "
    "classifier decisions by layer-wise relevance propagation, PLoS ONE 2015",
    needs="gradient",
    signed=True,
    nothing="zero",
)
def lrp(
    subject: Subject, *, rule: Way = "composite", epsilon: float = _EPSILON, gamma: float = _GAMMA
) -> NDArray[np.float32]:
    """The relevance of each pixel, summed over the channels.

    Args:
        subject: What is explained.
        rule: "epsilon" for all layers; "gamma" for all with weights; or "composite": gamma for convolutions
            and epsilon for what is behind them.
        epsilon: What keeps a quotient finite.
        gamma: How much positive parts are favoured.

    Returns:
        float32 (N, height, width), signed.

    Reference:
        Bach et al. 2015, equation 58 (epsilon); Montavon, Binder, Lapuschkin, Samek, Müller: Layer-wise
        relevance propagation, an overview, 2019, section 10.2 (gamma, composite).
    """
    if rule not in ("epsilon", "gamma", "composite"):
        raise OptionError(
            f"there is no rule {rule!r}; expected epsilon, gamma or composite", "-O lrp.rule=composite"
        )
    if epsilon <= 0 or gamma < 0:
        raise OptionError(
            f"epsilon is {epsilon} and gamma {gamma}; expected more than 0, and 0 or more",
            "-O lrp.epsilon=0.000001",
        )
    logits = subject.scores(subject.inputs, subject.targets)
    rules = lrp_rules(rule, epsilon, gamma)
    found = subject.gradient(subject.inputs, subject.targets, rules=rules, weights=logits)["gradient"]
    values: NDArray[np.float32] = subject.channels_first(found).sum(axis=1)
    return values


@cache
def lrp_rules(rule: Way, epsilon: float, gamma: float) -> Rules:
    """The derivative rules with which the backward pass carries relevance in place of a gradient."""
    favoured = {
        "epsilon": (),
        "gamma": ("Conv", "ConvTranspose", "Gemm", "MatMul"),
        "composite": _CONVOLUTIONS,
    }
    chosen = [Rule(op_type, 1, "", _handed_on) for op_type in _ACTIVATIONS]
    for op_type in _SUMS:
        part = gamma if op_type in favoured[rule] else 0.0
        chosen.append(Rule(op_type, 1, "", _Shared(epsilon, part)))
    return RULES | Rules(tuple(chosen))


def _handed_on(node: Node, relevance: Value) -> Value:
    return relevance


class _Shared:
    """R_in = x · (wᵀ (R / (z + ε))), with w + γ w⁺ in place of w."""

    def __init__(self, epsilon: float, gamma: float) -> None:
        self.epsilon = epsilon
        self.gamma = gamma

    def __call__(self, node: Node, relevance: Value) -> Gradients:
        """Share relevance out to the inputs."""
        summed = node if not self.gamma else self._favoured(node)
        z = summed.output
        sign = node.op("Where", z.less(0), node.array(-_ONE), node.array(_ONE))
        stable = z + sign * self.epsilon
        rule = RULES.find(node.domain, node.op_type, node.version)
        assert rule is not None
        shares = rule(summed, relevance / stable)
        listed = shares if isinstance(shares, (tuple, list)) else (shares,)
        return tuple(
            None if share is None or value is None or not node.wants(at) else value * share
            for at, (share, value) in enumerate(zip(listed, node.inputs, strict=False))
        )

    def _favoured(self, node: Node) -> Node:
        """The same operator with w + γ w⁺; as it is where its weights are computed."""
        numbers = [node.constant(at) if at else None for at in range(len(node.inputs))]
        if len(numbers) < 2 or numbers[1] is None:
            return node
        inputs = [
            value if array is None else node.array(array + self.gamma * np.maximum(array, 0))
            for value, array in zip(node.inputs, numbers, strict=True)
        ]
        return node.again(*inputs)
