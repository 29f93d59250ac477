"""Layer-wise relevance propagation: the logit shared out, layer by layer, down to the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.explain.options import Limits
from inspector.explain.registry import Heatmaps, method
from inspector.explain.relevance import relevance_rules, roles_of
from inspector.explain.subject import Subject

Way = Literal["epsilon", "gamma", "composite"]

_EPSILON, _GAMMA = 1e-6, 0.25
# The operators whose positive weights each rule favours.
_FAVOURED: Mapping[Way, tuple[str, ...]] = {
    "epsilon": (),
    "gamma": ("Conv", "ConvTranspose", "Gemm", "MatMul"),
    "composite": ("Conv", "ConvTranspose"),
}


@method(
    "lrp",
    paper="Bach, Binder, Montavon, Klauschen, Müller, Samek: On pixel-wise explanations for non-linear "
    "classifier decisions by layer-wise relevance propagation, PLoS ONE 2015",
    needs="gradient",
    signed=True,
    nothing="zero",
)
def lrp(
    subject: Subject,
    *,
    rule: Way = "composite",
    epsilon: Annotated[float, Limits(0, open=True)] = _EPSILON,
    gamma: Annotated[float, Limits(0)] = _GAMMA,
) -> Heatmaps:
    """The relevance of each pixel, summed over the channels.

    Relevance is kept on its way: a map sums to the logit, apart from what biases and ε take. How far it
    misses that is reported, as a part of the logit. Of a product of two computed values the signal is given
    all and the gate none, and both the same where nothing tells which is which. A batch normalization or
    constants behind a layer count as a part of it, so that a network's map is that of the folded network.

    Favouring positive weights has a meaning where inputs are positive, as behind a ReLU. A prepared picture
    has both signs, so that the layer that reads it has the ε rule whatever `rule` says.

    Args:
        subject: What is explained.
        rule: "epsilon" for all layers; "gamma" for all with weights; or "composite": gamma for convolutions
            and epsilon for what is behind them.
        epsilon: What keeps a quotient finite.
        gamma: How much positive parts are favoured.

    Returns:
        float32 (N, height, width), signed, with the figure "conservation error".

    Reference:
        Bach et al. 2015, equation 58 (epsilon); Montavon, Binder, Lapuschkin, Samek, Müller: Layer-wise
        relevance propagation, an overview, 2019, section 10.2 (gamma, composite) and table 10.1 (what each
        rule assumes of its inputs); `inspector.explain.relevance` for products and normalizations.
    """
    logits = subject.scores(subject.inputs, subject.targets)
    roles = roles_of(subject.model.graph, subject.runner.input)
    rules = relevance_rules(epsilon, gamma, _FAVOURED[rule], roles)
    found = subject.gradient(subject.inputs, subject.targets, rules=rules, weights=logits)["gradient"]
    values: NDArray[np.float32] = subject.channels_first(found).sum(axis=1)
    missed = np.abs(values.sum(axis=(1, 2), dtype=np.float64) - logits)
    return Heatmaps(values, {"conservation error": missed / np.maximum(np.abs(logits), 1e-12)})
