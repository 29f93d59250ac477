"""DeepLIFT with the rescale rule: differences from a blank picture, carried back by finite slopes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Blank, Subject
from inspector.gradients import RULES, Node, Rule, Rules, Value

# Below this difference of inputs the derivative stands for the slope.
_CLOSE = 1e-6
_CURVES = (
    *("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Gelu"),
    *("Mish", "Swish", "HardSwish", "HardSigmoid", "ThresholdedRelu", "Clip", "Erf", "Exp", "Log", "Sqrt"),
)


def _rescaled(node: Node, grad: Value) -> Value:
    """The slope between picture and blank, Δy / Δx, for both halves of the batch."""
    dx, dy = _difference(node.input), _difference(node.output)
    far = node.op("Abs", dx).greater(_CLOSE)
    return far.where(grad * dy / far.where(dx, 1.0), _own(node, grad))


def _pooled(node: Node, grad: Value) -> Value:
    """A maximum's difference goes to the places of both maxima, as a part of the difference there."""
    blank, picture = _halves(node.output)
    highest = node.op("Max", blank, picture)
    above, below = highest - blank, picture - highest
    first = _half(grad, 1)
    spread = _own(node, node.op("Concat", first * below, first * above, axis=0))
    both = _halves(spread)
    dx = _half(_difference(node.input), 1)
    far = node.op("Abs", dx).greater(_CLOSE)
    found = far.where((both[0] + both[1]) / far.where(dx, 1.0), _half(_own(node, grad), 1))
    return node.op("Concat", found, found, axis=0)


def _own(node: Node, grad: Value) -> Value:
    rule = RULES.find(node.domain, node.op_type, node.version)
    assert rule is not None
    found = rule(node, grad)
    value = found if isinstance(found, Value) else found[0] if found else None
    assert value is not None
    return value


def _halves(value: Value) -> tuple[Value, Value]:
    """The first half of the batch, the blanks, and the second, the pictures."""
    return _half(value, 0), _half(value, 1)


def _half(value: Value, which: int) -> Value:
    count = value.op("Shape", start=0, end=1).op("Div", np.array([2], np.int64))
    zero = np.array([0], np.int64)
    start, end = (zero, count) if which == 0 else (count, np.array([2**31], np.int64))
    return value.op("Slice", start, end, zero)


def _difference(value: Value) -> Value:
    """Picture minus blank, for both halves."""
    blank, picture = _halves(value)
    found = picture - blank
    return found.op("Concat", found, axis=0)


RESCALE: Rules = RULES | Rules(
    (*(Rule(op_type, 1, "", _rescaled) for op_type in _CURVES), Rule("MaxPool", 1, "", _pooled))
)


@method(
    "deeplift",
    paper="Shrikumar, Greenside, Kundaje: Learning important features through propagating activation "
    "differences, ICML 2017",
    needs="gradient",
    signed=True,
)
def deeplift(subject: Subject, *, blank: Blank = "black") -> Heatmaps:
    """What each pixel's difference from a blank picture adds to the logit, summed over the channels.

    Args:
        subject: What is explained.
        blank: What the picture is compared with: "black", "mean" or "blur".

    Returns:
        float32 (N, height, width), signed, with the figure "completeness error": how far a map's sum is from
        the logits' difference, as a part of it.

    Reference:
        Shrikumar et al. 2017, equation 1 (summation to delta) and section 3.5.2 (the rescale rule); maxima as
        in Ancona et al., Towards better understanding of gradient-based attribution methods, ICLR 2018.
    """
    fixed = subject.runner.ready.layout.batch
    if fixed not in (None, 2):
        raise OptionError(
            f"{subject.model.path}: takes batches of {fixed}; DeepLIFT needs two: picture and blank",
            "-m integrated-gradients is near to it and runs one at a time.",
        )
    nothing = subject.blank(blank)
    maps = []
    for index, target in enumerate(subject.targets):
        both = np.concatenate([nothing[index : index + 1], subject.inputs[index : index + 1]])
        slopes = subject.gradient(both, [target, target], rules=RESCALE)["gradient"][1]
        maps.append(slopes * (both[1] - both[0]))
    found: NDArray[np.float32] = subject.channels_first(np.stack(maps)).sum(axis=1)
    scores = subject.scores(subject.inputs, subject.targets) - subject.scores(nothing, subject.targets)
    missed = np.abs(found.sum(axis=(1, 2), dtype=np.float64) - scores)
    return Heatmaps(found, {"completeness error": missed / np.maximum(np.abs(scores), 1e-12)})
